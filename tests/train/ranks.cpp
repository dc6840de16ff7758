// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The trainer on several ranks: the same training, whatever their number and however they share it.

#include "train/ranks.hpp"

#include <dsr1/optim/muon.hpp>

using namespace dsr1;
using namespace ranks_test;

TEST_CASE("trainer on ranks: the curve of one process, up to the rounding of sums") {
  const outcome alone = train<double>(1, adamw{}, {});
  for (const int ranks : {2, 3, 4}) {
    const outcome o = train<double>(ranks, adamw{}, {});
    CHECK(largest_difference(o.losses, alone.losses) < 1e-12);
    CHECK(largest_difference(o.norms, alone.norms) < 1e-12);
    CHECK(o.violations == alone.violations);  // the counts of all ranks
    CHECK(largest_difference(o.weights, alone.weights) < 1e-10);
  }
}

TEST_CASE("trainer on ranks: the same bits every time, overlapped or not, in any buckets") {
  for (const int ranks : {2, 4}) {
    const outcome first = train<float>(ranks, adamw{}, {.bucket_bytes = 512});
    CHECK(first == train<float>(ranks, adamw{}, {.bucket_bytes = 512}));
    CHECK(first == train<float>(ranks, adamw{}, {.overlap = false, .bucket_bytes = 512}));
    CHECK(first.losses == train<float>(ranks, adamw{}, {.bucket_bytes = 1 << 20}).losses);
  }
}

TEST_CASE("trainer on ranks: a sharded optimizer changes no bit") {
  for (const int ranks : {2, 3, 4}) {
    CHECK(train<float>(ranks, adamw{}, {.bucket_bytes = 512}) ==
          train<float>(ranks, adamw{}, {.shard_optimizer = true, .bucket_bytes = 512}));
    CHECK(train<float>(ranks, muon{}, {.bucket_bytes = 2048}) ==
          train<float>(ranks, muon{}, {.shard_optimizer = true, .bucket_bytes = 2048}));
  }
}

TEST_CASE("trainer on ranks: a rank without tokens takes part") {
  const outcome alone = train<double>(1, adamw{}, {});
  const outcome o = train<double>(3, adamw{}, {}, {.idle = true});
  CHECK(largest_difference(o.losses, alone.losses) < 1e-12);
}

TEST_CASE(
    "trainer on ranks: coded gradients: the same bits every time, overlapped or not, sharded or "
    "not") {
  for (const wire_format& format :
       {wire_format{.code = wire_code::bf16}, wire_format{.code = wire_code::int8, .block = 32},
        wire_format{.code = wire_code::int8, .block = 32, .stochastic = true},
        wire_format{.code = wire_code::int4, .block = 32}})
    for (const bool feedback : {false, true}) {
      sync_options sync{.gradients = format, .error_feedback = feedback, .bucket_bytes = 512};
      const outcome first = train<float>(3, adamw{}, sync);
      CHECK(first == train<float>(3, adamw{}, sync));
      sync.overlap = false;
      CHECK(first == train<float>(3, adamw{}, sync));
      sync.shard_optimizer = true;  // what is not spread is not rounded a second time
      const outcome sharded = train<float>(3, adamw{}, sync);
      CHECK(sharded == train<float>(3, adamw{}, sync));
      CHECK(largest_difference(sharded.losses, first.losses) < 0.1);
      CHECK(first.losses.back() < first.losses.front());
    }
}
