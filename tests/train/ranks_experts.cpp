// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Training with experts spread over the ranks: the curve of one process, wherever they lie.

#include <filesystem>

#include "train/ranks.hpp"

#include <dsr1/moe/balance_experts.hpp>
#include <dsr1/moe/move_experts.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace dsr1;
using namespace ranks_test;

namespace {

template <class T>
using spread_block = sequential<residual<pre_norm<attention<full, T>>>,
                                residual<pre_norm<moe<mixture, top_k_softmax_gate, bias_balance, T,
                                                      expert_parallel<glu_experts<T>>>>>>;
template <class T>
using spread_lm = causal_lm<repeat<spread_block<T>, 2>, lm_shape{.vocab = 13, .dim = 8}>;

template <class T>
expert_parallel<glu_experts<T>>& experts_of(spread_lm<T>& m, index_t layer) {
  return m.body()[layer].template get<1>().inner().inner().experts();
}

struct way {
  int ranks = 1;
  int group = 1;        ///< ranks that share the experts
  bool rotate = false;  ///< after every second step all experts move on by one rank
  int moves = 0;        ///< experts that may move, by their load, after every second step
  sync_options sync = {.bucket_bytes = 512};
  std::filesystem::path folder = {};  ///< a checkpoint is written and read after three steps
};

template <class T>
std::vector<double> losses(const way& w) {
  std::vector<double> result;
  std::mutex mutex;
  run_ranks(w.ranks, [&](rank_group& group) {
    const int rank = group.rank();
    context<cpu, rank_group> ctx({.threads = 1, .seed = 3}, std::move(group));
    spread_lm<T> model;
    model.for_each_parameter([](const parameter_name& name, auto& p) {  // before they are spread
      if (name.str().ends_with("experts.down")) p.traits().init.deviation *= 0.5;
    });
    for (index_t l = 0; l < 2 && w.ranks > 1; ++l)
      experts_of(model, l).distribute(folded_placement(8, w.ranks, w.group), rank);
    initialize(ctx, model);
    trainer t(ctx, model, adamw{}, {.clip = 0.5, .sync = w.sync});
    const share mine(rank, w.ranks, false);
    const training_batch b[] = {mine.batch()};
    std::vector<double> l;
    for (int i = 0; i < 6; ++i) {
      l.push_back(t.step(b, 1e-2).loss);
      if (i == 2 && !w.folder.empty())
        checkpoint::load(ctx, checkpoint::save(ctx, w.folder, t, {}), t);
      if ((w.rotate || w.moves > 0) && i % 2 == 1)
        t.relocate([&] {
          for (index_t layer = 0; layer < 2; ++layer) {
            auto& experts = experts_of(model, layer);
            std::vector<std::vector<index_t>> on;
            for (int r = 0; r < w.ranks; ++r) {
              const auto held = experts.where().held((r + 1) % w.ranks);
              on.emplace_back(held.begin(), held.end());
            }
            const placement to =
                w.rotate ? placement(8, on)
                         : improve_placement(experts.where(), t.load().row(layer), w.moves, 5).to;
            move_experts(ctx, experts, to, text("layers.", layer, ".moe.experts"), t.optimizer());
          }
        });
    }
    const std::lock_guard lock(mutex);
    if (result.empty()) result = l;
    expects(result == l, "rank ", rank, " has other losses");
  });
  return result;
}

}  // namespace

TEST_CASE("trainer with spread experts: the curve of one process") {
  const std::vector<double> alone = losses<double>({});
  for (const way& w : {way{.ranks = 2, .group = 2}, way{.ranks = 3, .group = 3},
                       way{.ranks = 4, .group = 4}, way{.ranks = 4, .group = 2}})
    CHECK(largest_difference(losses<double>(w), alone) < 1e-12);
  for (const way& w : {way{.ranks = 2, .group = 2}, way{.ranks = 4, .group = 2}}) {
    way sharded = w;
    sharded.sync.shard_optimizer = true;
    CHECK(losses<float>(sharded) == losses<float>(w));
    way late = w;
    late.sync.overlap = false;
    CHECK(losses<float>(late) == losses<float>(w));
  }
}

TEST_CASE("trainer with spread experts: moves change no bit while an expert has one holder") {
  const std::vector<double> still = losses<float>({.ranks = 4, .group = 4});
  CHECK(losses<float>({.ranks = 4, .group = 4, .rotate = true}) == still);
  // Replicas that the load asks for share an expert's sum among several ranks.
  CHECK(largest_difference(losses<float>({.ranks = 4, .group = 4, .moves = 3}), still) < 1e-5);
}

TEST_CASE("trainer with spread experts: one checkpoint, wherever they lie") {
  const auto where = std::filesystem::temp_directory_path() / "dsr1-spread-experts";
  for (const way& w : {way{.ranks = 3, .group = 3}, way{.ranks = 4, .group = 2}}) {
    std::filesystem::remove_all(where);
    way saved = w;
    saved.folder = where;
    CHECK(losses<float>(saved) == losses<float>(w));
  }
  std::filesystem::remove_all(where);
}
