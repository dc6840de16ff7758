// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The experts of a layer spread over ranks, and moved where the load wants them.
//
// Four ranks run as threads; under MPI only the line that starts them is another one. Each has
// tokens of its own and two of the eight experts. What they compute together has the bits of one
// process that holds everything.

#include <cmath>
#include <cstdio>
#include <vector>

#include <dsr1/comm.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/moe.hpp>
#include <dsr1/nn.hpp>

namespace {

constexpr int ranks = 4, tokens = 64, dim = 32;  // tokens of each rank
constexpr dsr1::moe_shape shape{.dim = dim, .hidden = 48, .experts = 8, .top_k = 2};

std::vector<float> tokens_of(int rank) {
  std::vector<float> x(tokens * dim);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] =
        0.4f + std::sin(0.37f * static_cast<float>(i + x.size() * static_cast<std::size_t>(rank)));
  return x;
}

}  // namespace

int main() {
  dsr1::context<dsr1::cpu> alone({.seed = 1});
  dsr1::moe<shape> whole;
  dsr1::initialize(alone, whole);
  std::vector<std::vector<float>> expected;
  for (int r = 0; r < ranks; ++r) {
    const std::vector<float> x = tokens_of(r);
    dsr1::moe<shape>::saved saved;
    const auto y = whole.forward(alone, dsr1::view<const float, 2>(x.data(), tokens, dim), saved);
    expected.emplace_back(y.data, y.data + y.size());
  }

  std::vector<int> wrong(ranks, 0);
  dsr1::run_ranks(ranks, [&](dsr1::rank_group& group) {
    const int rank = group.rank();
    // [layer]
    using experts = dsr1::expert_parallel<dsr1::glu_experts<float>>;
    using layer_type = dsr1::moe<shape, dsr1::softmax_gate, dsr1::bias_balance, float, experts>;

    dsr1::context<dsr1::cpu, dsr1::rank_group> ctx({.threads = 1, .seed = 1}, group.duplicate());
    layer_type layer;
    layer.experts().distribute(dsr1::even_placement(shape.experts, ranks), rank);
    dsr1::initialize(ctx, layer);  // of the experts only those that lie here
    // [/layer]

    const std::vector<float> x = tokens_of(rank);
    const std::vector<float>& right = expected[static_cast<std::size_t>(rank)];
    layer_type::saved saved;
    const auto run = [&] {
      ctx.workspace().reset();
      dsr1::clear_gradients(layer);
      const auto y = layer.forward(ctx, dsr1::view<const float, 2>(x.data(), tokens, dim), saved);
      for (dsr1::index_t i = 0; i < y.size(); ++i)
        wrong[static_cast<std::size_t>(rank)] += y.data[i] != right[static_cast<std::size_t>(i)];
      layer.backward(ctx, y, saved);
    };
    run();

    // [balance]
    // What each expert had to do, on all ranks together, moves at most two experts a time.
    auto& counts = layer.balance_bias();
    ctx.comm().all_reduce(counts.gradients().as(counts.size()));
    dsr1::load_matrix load;
    dsr1::collect_load(ctx, layer, load);
    const auto proposal = dsr1::improve_placement(layer.experts().where(), load.row(0), 2, 3);
    layer.experts().move(ctx, proposal.to);
    // [/balance]
    run();

    if (rank > 0) return;
    const auto sent = [&](dsr1::purpose p) {
      return static_cast<unsigned long long>(ctx.comm().counted().total(p).sent);
    };
    std::printf(
        "fullest rank %.0f rows, after %d moves %.0f; rank 0 sent %llu bytes of tokens, "
        "%llu of results, %llu of weights\n",
        proposal.before, static_cast<int>(proposal.moves), proposal.after,
        sent(dsr1::purpose::dispatch), sent(dsr1::purpose::combine), sent(dsr1::purpose::weights));
  });

  int all = 0;
  for (const int n : wrong) all += n;
  std::puts(all == 0 ? "ok: the bits of one process, before and after the move" : "WRONG");
  return all == 0 ? 0 : 1;
}
