// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Experts move while training goes on, and no bit of the loss knows.

#include "catch.hpp"
#include "moe/ranks.hpp"

#include <dsr1/moe/balance_experts.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/moe/move_experts.hpp>
#include <dsr1/optim/adamw.hpp>

using namespace dsr1;
using namespace expert_ranks;

namespace {

constexpr moe_shape shape{.dim = 6, .hidden = 5, .experts = 8, .top_k = 3, .expert_bias = true};

/// Losses of a few AdamW steps on 3 ranks; before step i the experts move to plan[i].
/// Every expert has one holder at a time, so gradients need no sum over holders; the router's do.
std::vector<double> train(const std::vector<placement>& plan) {
  std::vector<double> losses;
  run_ranks(3, [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1, .seed = 3}, group.duplicate());
    spread_layer<float> layer(shape);
    layer.experts().distribute(plan.front(), group.rank());
    prepare(ctx, layer, 0);
    optimizer<adamw> adam(ctx, parameter_list<float>(layer));
    const index_t tokens = 5 + group.rank();
    spread_layer<float>::saved s;
    for (std::size_t step = 0; step < plan.size(); ++step) {
      // [move]
      if (step > 0) move_experts(ctx, layer.experts(), plan[step], "experts", adam);
      // [/move]
      ctx.workspace().reset();
      clear_gradients(layer);
      const auto stream = 50 + 3 * step + static_cast<std::size_t>(group.rank());
      const auto x = battery::normals<float>(tokens * 6, stream);
      const auto y = layer.forward(ctx, battery::matrix_of(x, tokens, 6), s);
      double loss = 0;  // |y - 1|^2 / 2
      for (index_t i = 0; i < y.size(); ++i) {
        y.data[i] -= 1;
        loss += y.data[i] * y.data[i] / 2;
      }
      ctx.comm().all_reduce(view<double, 1>(&loss, 1));
      layer.backward(ctx, y, s);
      layer.for_each_parameter([&](const parameter_name&, parameter<float>& p) {
        if (p.slices() == nullptr) ctx.comm().all_reduce(p.gradients().as(p.size()));
      });
      adam.step(ctx, 1e-2);
      if (group.rank() == 0) losses.push_back(loss);
    }
  });
  return losses;
}

}  // namespace

TEST_CASE("move_experts: placement moves change no bit of the loss") {
  const placement a = even_placement(8, 3), b(8, {{7, 1}, {0, 4, 2}, {3, 5, 6}}),
                  c(8, {{}, {0, 4, 2, 1, 7}, {6, 3, 5}});
  const auto still = train({a, a, a, a, a, a});
  CHECK(still.back() < 0.95 * still.front());
  CHECK(train({a, b, b, c, c, a}) == still);
  CHECK(train({c, a, c, b, a, b}) == still);
}

TEST_CASE("move_experts: live counts, a proposal, the move, the same loss") {
  struct result {
    std::vector<float> before, after;
    double most_before = 0, most_after = 0;
    index_t moves = 0, bytes = 0;
  };
  std::vector<result> all(4);
  run_ranks(4, [&](rank_group& group) {
    result& r = all[static_cast<std::size_t>(group.rank())];
    context<cpu, rank_group> ctx({.threads = 1, .seed = 3}, group.duplicate());
    spread_layer<float> layer(shape);
    layer.experts().distribute(even_placement(8, 4), group.rank());
    prepare(ctx, layer, 0.1);  // expert 0 is liked
    const auto x = battery::normals<float>(16 * 6, 7 + static_cast<std::size_t>(group.rank()));
    spread_layer<float>::saved s;
    const auto run = [&](std::vector<float>& y) {
      ctx.workspace().reset();
      clear_gradients(layer);
      const auto out = layer.forward(ctx, battery::matrix_of(x, 16, 6), s);
      y.assign(out.data, out.data + out.size());
      layer.backward(ctx, out, s);
    };
    run(r.before);
    // [live]
    // The counts of the global batch, the same on every rank, propose a placement near this one.
    auto& counts = layer.balance_bias();
    ctx.comm().all_reduce(counts.gradients().as(counts.size()));
    load_matrix load;
    collect_load(ctx, layer, load);
    const placement_proposal proposal =
        improve_placement(layer.experts().where(), load.row(0), /*moves=*/3, /*capacity=*/3);
    layer.experts().move(ctx, proposal.to);
    // [/live]
    run(r.after);
    r.most_before = proposal.before;
    r.most_after = proposal.after;
    r.moves = proposal.moves;
    r.bytes = static_cast<index_t>(ctx.comm().counted().total(purpose::weights).sent);
    expects(layer.experts().where() == proposal.to, "the layer is where it was");
  });
  index_t bytes = 0;
  for (const result& r : all) {
    CHECK(r.after == r.before);
    CHECK(r.most_after < r.most_before);
    CHECK(r.moves >= 1);
    CHECK(r.moves <= 3);
    CHECK(r.moves == all[0].moves);
    bytes += r.bytes;
  }
  CHECK(bytes == all[0].moves * shape.expert_parameters() * 4);
}

TEST_CASE("move_experts: traits, memory and gradients of those that moved") {
  run_ranks(2, [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1, .seed = 3}, group.duplicate());
    for (const bool gradients : {true, false}) {
      expert_parallel<> experts({.dim = 4, .hidden = 2, .experts = 3});
      // A rank without experts learns from the others whether they are trained.
      experts.distribute(placement(3, {{0, 1, 2}, {}}), group.rank());
      initialize(ctx, experts, gradients);
      experts.up().traits().rate = 0.25;
      const auto* const address = &experts.up();
      experts.move(ctx, placement(3, {{1}, {2, 0}}));
      expects(address == &experts.up() && experts.up().traits().rate == 0.25, "another parameter");
      expects(experts.up().extent(0) == 1 + group.rank(), "extent ", experts.up().extent(0));
      expects(experts.up().trainable() == gradients, "trainable ", experts.up().trainable());
      expects(!experts.up().gradient_written(), "a gradient is left");
      glu_experts<> whole({.dim = 4, .hidden = 2, .experts = 3});
      initialize(ctx, whole);
      for (index_t i = 0; i < experts.down().extent(0); ++i) {
        const index_t e = experts.down().slices()->held[static_cast<std::size_t>(i)];
        for (index_t j = 0; j < 8; ++j)
          expects(experts.down().values()[i * 8 + j] == whole.down().values()[e * 8 + j], "expert ",
                  e, " has other numbers");
      }
    }
  });
}

TEST_CASE("move_experts: errors") {
  context<cpu> ctx({.threads = 1});
  expert_parallel<> experts({.dim = 4, .hidden = 2, .experts = 3});
  const placement other(3, {{2, 0, 1}});
  CHECK(mentions(message_of([&] { experts.move(ctx, other); }), "move before memory", "up",
                 "distribute"));
  initialize(ctx, experts);
  CHECK(mentions(message_of([&] { experts.move(ctx, even_placement(4, 1)); }), "placement of 4",
                 "layer of 3"));
  optimizer<adamw> adam(ctx, parameter_list<float>(experts));
  CHECK(mentions(message_of([&] { move_experts(ctx, experts, other, "layers.1", adam); }),
                 "no state", "'layers.1'"));
  adam.for_each_state([](const std::string& name, buffer<float>& b) {
    if (name == "up.1") b = buffer<float>(5);
  });
  CHECK(mentions(message_of([&] { move_experts(ctx, experts, other, "", adam); }), "up.1",
                 "5 numbers", "48"));
}
