// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints of several ranks: one set of files, for any number of ranks to go on from.

#include <fstream>

#include "catch.hpp"
#include "data/folder.hpp"
#include "train/ranks.hpp"

#include <dsr1/optim/muon.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace dsr1;
using namespace ranks_test;
using data_test::folder;
using data_test::read;
namespace fs = std::filesystem;

namespace {

/// Steps, from the checkpoint of step `from` when it is above zero; a checkpoint at the end.
template <class Policy>
outcome go(const fs::path& where, int ranks, sync_options sync, index_t from, int steps) {
  return train<float>(
      ranks, Policy{}, sync, {.steps = steps},
      [&](auto& ctx, auto& t) {
        if (from == 0) return;
        checkpoint::load(ctx, checkpoint::path_of(where, from), t);
        expects(t.steps() == from, "resumed at step ", t.steps());
      },
      [&](auto& ctx, auto& t) {
        checkpoint::save(ctx, where, t, {{"note", 1}}, 9);
      });
}

}  // namespace

TEMPLATE_TEST_CASE("checkpoint on ranks: resumed on the same number, bit for bit", "", adamw,
                   muon) {
  for (const int ranks : {1, 2, 4})
    for (const bool shard : {false, true}) {
      const folder f;
      const sync_options sync{.shard_optimizer = shard, .bucket_bytes = 512};
      const outcome whole = go<TestType>(f.path, ranks, sync, 0, 7);
      const std::string values = read(checkpoint::path_of(f.path, 7) / "model.safetensors");
      fs::remove_all(checkpoint::path_of(f.path, 7));
      go<TestType>(f.path, ranks, sync, 0, 4);
      const outcome rest = go<TestType>(f.path, ranks, sync, 4, 3);
      CHECK(rest.weights == whole.weights);
      CHECK(std::equal(rest.losses.begin(), rest.losses.end(), whole.losses.begin() + 4));
      CHECK(read(checkpoint::path_of(f.path, 7) / "model.safetensors") == values);
    }
}

TEST_CASE("checkpoint on ranks: written by any number, read by any number, the same files") {
  const folder f;
  const sync_options sync{.shard_optimizer = true, .bucket_bytes = 512};
  go<adamw>(f.path, 3, sync, 0, 4);
  const fs::path old = checkpoint::path_of(f.path, 4);
  const outcome alone = go<adamw>(f.path, 1, {}, 4, 3);
  fs::remove_all(checkpoint::path_of(f.path, 7));
  for (const int ranks : {2, 3, 4}) {
    const outcome o = go<adamw>(f.path, ranks, sync, 4, 3);
    CHECK(largest_difference(o.losses, alone.losses) < 1e-5);
    fs::remove_all(checkpoint::path_of(f.path, 7));
    // What was read is written again as it was, by other ranks.
    const fs::path again = f.path / text("again", ranks);
    train<float>(
        ranks, adamw{}, sync, {.steps = 0},
        [&](auto& ctx, auto& t) { checkpoint::load(ctx, old, t); },
        [&](auto& ctx, auto& t) { checkpoint::save(ctx, again, t, {}); });
    for (const char* name : {"model.safetensors", "optimizer.safetensors"})
      CHECK(read(checkpoint::path_of(again, 4) / name) == read(old / name));
  }
}

TEST_CASE(
    "checkpoint on ranks: what rounding owes is kept, and passes to the owners of another number") {
  const folder f;
  const sync_options sync{.gradients = {.code = wire_code::int4, .block = 32},
                          .error_feedback = true,
                          .bucket_bytes = 512};
  const outcome whole = go<adamw>(f.path, 3, sync, 0, 7);
  fs::remove_all(checkpoint::path_of(f.path, 7));
  go<adamw>(f.path, 3, sync, 0, 4);
  const outcome rest = go<adamw>(f.path, 3, sync, 4, 3);
  CHECK(rest.weights == whole.weights);

  // The sums over the ranks, by parameter.
  const auto owed = [&](int ranks) {
    std::vector<double> sums(100);
    std::mutex mutex;
    train<float>(
        ranks, adamw{}, sync, {.steps = 0},
        [&](auto& ctx, auto& t) {
          checkpoint::load(ctx, checkpoint::path_of(f.path, 4), t);
          const std::lock_guard lock(mutex);
          t.sync()->for_each_residual([&](const piece& p, view<float, 1> v) {
            for (const float x : v) sums[p.parameter] += static_cast<double>(x);
          });
        },
        [](auto&, auto&) {});
    return sums;
  };
  const std::vector<double> three = owed(3);
  CHECK(*std::max_element(three.begin(), three.end()) > 0);
  for (const int ranks : {2, 4}) CHECK(largest_difference(owed(ranks), three) < 1e-5);
  go<adamw>(f.path, 1, {}, 4, 1);  // alone there is no rounding
}

TEST_CASE("checkpoint on ranks: damage is noticed by whoever looks at it, and all ranks stop") {
  const folder f;
  go<adamw>(f.path, 2, {.bucket_bytes = 512}, 0, 1);
  const fs::path file = checkpoint::path_of(f.path, 1) / "optimizer.safetensors";
  std::string bytes = read(file);
  bytes[bytes.size() - 10] = static_cast<char>(bytes[bytes.size() - 10] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
  int told = 0;
  std::mutex mutex;
  run_ranks(3, [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1}, std::move(group));
    model_type<float> model;
    initialize(ctx, model);
    trainer t(ctx, model, adamw{});
    const std::string message =
        message_of([&] { checkpoint::load(ctx, checkpoint::path_of(f.path, 1), t); });
    const std::lock_guard lock(mutex);
    told += mentions(message, "truncated or edited") || mentions(message, "could not");
  });
  CHECK(told == 3);
}
