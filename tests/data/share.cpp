// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Batches shared out among ranks.

#include <vector>

#include "catch.hpp"

#include <dsr1/data/share.hpp>

using namespace dsr1;

namespace {

const std::vector<std::uint16_t> stored = {11, 12, 13, 14, 15, 16, 17, 18, 19};
const token_run document(reinterpret_cast<const std::byte*>(stored.data()), 2, 9);

}  // namespace

TEST_CASE("batch_share: the ranks together have the batch, in order and in whole sequences") {
  packed_batch b(32);
  for (const index_t n : {3, 1, 9, 2, 2, 6, 4}) b.append(document, 0, n, 0, 7);
  for (const int ranks : {1, 2, 3, 4, 40}) {
    std::vector<std::int32_t> in, out;
    index_t sequences = 0, most = 0;
    for (int r = 0; r < ranks; ++r) {
      batch_share s;
      s.take(b, r, ranks);
      expects_cover(s.sequences(), s.inputs().rows());
      CHECK(s.targets().rows() == s.inputs().rows());
      for (const std::int32_t x : s.inputs()) in.push_back(x);
      for (const std::int32_t x : s.targets()) out.push_back(x);
      sequences += s.sequences().count();
      most = std::max(most, s.inputs().rows());
    }
    CHECK(std::equal(in.begin(), in.end(), b.inputs().begin(), b.inputs().end()));
    CHECK(std::equal(out.begin(), out.end(), b.targets().begin(), b.targets().end()));
    CHECK(sequences == b.sequences().count());
    CHECK(most <= b.tokens() / ranks + 9);
  }
}

TEST_CASE("batch_share: errors") {
  const packed_batch b(4);
  batch_share s;
  CHECK(mentions(message_of([&] { s.take(b, 2, 2); }), "rank 2 of 2"));
  s.take(b, 1, 2);
  CHECK(s.inputs().rows() == 0);
}
