// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Experts over ranks give what one process gives, to the bit where that is promised.

#include "catch.hpp"
#include "moe/ranks.hpp"

#include <dsr1/moe/balance_experts.hpp>

using namespace dsr1;
using namespace expert_ranks;

namespace {

const char* const expert_tensors[] = {"experts.up", "experts.down", "experts.up_bias",
                                      "experts.down_bias"};

/// Everything to the bit but the router, whose gradient is a sum over the ranks.
template <class T>
void check_exact(const outcome<T>& ranks, const outcome<T>& one) {
  CHECK(same(ranks.y, one.y));
  CHECK(same(ranks.dx, one.dx));
  for (const char* name : expert_tensors) {
    INFO(name);
    CHECK(same(ranks.gradients.at(name), one.gradients.at(name)));
  }
  CHECK(same(ranks.gradients.at("balance"), one.gradients.at("balance")));  // counts
  CHECK(apart(ranks.gradients.at("router.weight"), one.gradients.at("router.weight")) <
        battery::tolerance<T>());
}

/// Where experts have several holders, their gradients are sums over them too. In double the CPU's
/// products of one row are other kernels than those of many, so nothing is exact.
template <class T>
void check_close(const outcome<T>& ranks, const outcome<T>& one) {
  CHECK(apart(ranks.y, one.y) < battery::tolerance<T>());
  CHECK(apart(ranks.dx, one.dx) < battery::tolerance<T>());
  for (const auto& [name, g] : one.gradients) {
    INFO(name);
    CHECK(apart(ranks.gradients.at(name), g) < battery::tolerance<T>());
  }
}

}  // namespace

TEST_CASE("expert_parallel: 1 to 4 ranks give the bits of one process") {
  const std::vector<std::vector<index_t>> parts = {{23}, {12, 11}, {7, 15, 1}, {6, 6, 6, 5}};
  for (const auto& tokens : parts) {
    task t{.tokens = tokens, .where = even_placement(8, static_cast<int>(tokens.size()))};
    INFO(tokens.size() << " ranks");
    check_exact(over_ranks<float>(t), in_one_process<float>(t));
    check_close(over_ranks<double>(t), in_one_process<double>(t));
  }
}

TEST_CASE("expert_parallel: slots in any order, uneven and empty ranks, more threads, steps") {
  task t{.tokens = {9, 14, 8}, .where = placement(8, {{5, 0, 3}, {7, 1, 2, 6, 4}, {}})};
  t.steps = 3;
  t.threads = 2;
  const auto one = in_one_process<float>(t);
  const auto ranks = over_ranks<float>(t);
  CHECK(same(ranks.y, one.y));
  CHECK(same(ranks.dx, one.dx));
  CHECK(same(ranks.gradients.at("experts.up"), one.gradients.at("experts.up")));
  t.where = even_placement(8, 3);
  CHECK(same(over_ranks<float>(t).y, one.y));
}

TEST_CASE("expert_parallel: any number of experts, top-k and width") {
  for (const index_t experts : {1, 5, 13})
    for (const index_t top_k : {1, 2, 7}) {
      if (top_k > experts) continue;
      for (const int ranks : {2, 3}) {
        task t{.shape = {.dim = 3, .hidden = 7, .experts = experts, .top_k = top_k},
               .tokens = std::vector<index_t>(static_cast<std::size_t>(ranks), 10),
               .where = experts >= ranks ? even_placement(experts, ranks)
                                         : folded_placement(experts, ranks, 1)};
        INFO(experts << " experts, top " << top_k << ", " << ranks << " ranks");
        const auto one = in_one_process<float>(t);
        const auto r = over_ranks<float>(t);
        CHECK(same(r.y, one.y));
        CHECK(same(r.dx, one.dx));
      }
    }
}

TEST_CASE("expert_parallel: ranks without tokens, experts without tokens") {
  for (const auto& tokens : std::vector<std::vector<index_t>>{{0, 5, 0}, {4, 0, 1}, {0, 0, 0}}) {
    task t{.tokens = tokens, .where = even_placement(8, 3)};
    t.hot = 100;  // all choose expert 0; with few tokens some experts have none
    check_exact(over_ranks<float>(t), in_one_process<float>(t));
  }
}

TEST_CASE("expert_parallel: replicas, and data times expert parallelism") {
  task t{.tokens = {6, 6, 6, 5}, .where = folded_placement(8, 4, 2)};
  const auto one = in_one_process<double>(t);
  check_close(over_ranks<double>(t), one);
  t.where = placement(8, {{0, 1, 2, 3}, {3, 4, 5}, {6, 0}, {7, 1, 0}});
  check_close(over_ranks<double>(t), one);
  t.where = balanced_placement(std::vector<double>{9, 1, 1, 2, 5, 1, 1, 3}, 4, 13, 2);
  check_close(over_ranks<double>(t), one);
  t.where = folded_placement(8, 4, 1);  // all experts everywhere: no row travels
  const auto local = over_ranks<double>(t);
  check_close(local, one);
  for (const traffic& sent : local.sent) CHECK(sent.total(purpose::combine).sent == 0);
}

TEST_CASE("expert_parallel: twice the same bits, recomputed too") {
  task t{.tokens = {8, 3, 12}, .where = placement(8, {{0, 1, 2, 7}, {3, 4, 7}, {5, 6, 0}})};
  const auto first = over_ranks<float>(t);
  CHECK(over_ranks<float>(t) == first);
  CHECK((over_ranks<float, recompute<spread_layer<float>>>(t) == first));
}

TEST_CASE("expert_parallel: bytes are a function of the counts") {
  task t{.tokens = {9, 4, 0, 10}, .where = placement(8, {{0, 1, 2, 3}, {3, 4, 5}, {6, 0}, {7, 1}})};
  const auto r = over_ranks<float>(t);
  // Rows to others, counted by hand from the choices of one process.
  context<cpu> ctx({.threads = 1, .seed = 3});
  single_layer<float> layer(t.shape);
  prepare(ctx, layer, 0);
  const auto x = battery::normals<float>(23 * 6, 5);
  single_layer<float>::saved s;
  layer.forward(ctx, battery::matrix_of(x, 23, 6), s);
  std::vector<std::uint64_t> out(4), in(4);
  index_t token = 0;
  for (std::size_t rank = 0; rank < 4; ++rank) {
    const auto asked = t.where.asked_by(static_cast<int>(rank));
    for (index_t i = 0; i < t.tokens[rank]; ++i, ++token)
      for (index_t j = 0; j < 3; ++j) {
        const auto h =
            static_cast<std::size_t>(asked[static_cast<std::size_t>(s.index(token, j))].rank);
        if (h == rank) continue;
        ++out[rank];
        ++in[h];
      }
  }
  for (std::size_t rank = 0; rank < 4; ++rank) {
    const auto slots = static_cast<std::uint64_t>(t.where.held(static_cast<int>(rank)).size());
    CHECK(r.sent[rank].total(purpose::dispatch).sent == 4 * (11 - slots) + 2 * out[rank] * 6 * 4);
    CHECK(r.sent[rank].total(purpose::combine).sent == 2 * in[rank] * 6 * 4);
    CHECK(r.sent[rank].total(purpose::weights).sent == 0);
  }
}

TEST_CASE("expert_parallel: coded rows give the same bits wherever the experts lie") {
  const wire_format bf16{.code = wire_code::bf16};
  struct coded {
    expert_wire wire;
    double y, dx;  // bounds, of the largest
  };
  const coded all[] = {
      {{.dispatch = bf16, .combine = bf16, .gradient = bf16}, 0.02, 0.03},
      {{.dispatch = {.code = wire_code::int8, .block = 128}, .combine = bf16}, 0.05, 0.05},
      {{.dispatch = {.code = wire_code::fp8, .block = 128}, .combine = bf16}, 0.15, 0.15},
  };
  for (const auto& [wire, y, dx] : all) {
    INFO(wire.dispatch.text());
    task t{.shape = {.dim = 136, .hidden = 20, .experts = 8, .top_k = 3, .expert_bias = true},
           .tokens = {23},
           .wire = wire};
    const auto plain = in_one_process<float>(t);
    const auto one = over_ranks<float>(t);  // coded as well, though nothing travels
    CHECK_FALSE(same(one.y, plain.y));
    CHECK(apart(one.y, plain.y) < y);
    CHECK(apart(one.dx, plain.dx) < dx);
    CHECK(apart(one.gradients.at("experts.up"), plain.gradients.at("experts.up")) < dx);
    t.tokens = {12, 11};
    t.where = even_placement(8, 2);
    check_exact(over_ranks<float>(t), one);
    t.tokens = {7, 16, 0};
    t.where = placement(8, {{5, 0, 3}, {7, 1, 2, 6, 4}, {}});
    check_exact(over_ranks<float>(t), one);
    t.tokens = {6, 6, 6, 5};
    t.where = folded_placement(8, 4, 2);
    const auto folded = over_ranks<float>(t);
    CHECK(same(folded.y, one.y));
    CHECK(same(folded.dx, one.dx));
  }
}

TEST_CASE("expert_parallel: gradients by finite differences over two ranks") {
  const moe_shape shape{.dim = 4, .hidden = 3, .experts = 5, .top_k = 2, .expert_bias = true};
  double worst = 0;
  index_t checked = 0;
  std::string where;
  run_ranks(2, [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1, .seed = 3}, group.duplicate());
    moe<moe_shape{}, sigmoid_gate, no_balance, double, expert_parallel<glu_experts<double>>> layer(
        shape);
    // Expert 1 has a replica on each rank.
    layer.experts().distribute(placement(5, {{0, 1, 4}, {3, 1, 2}}), group.rank());
    initialize(ctx, layer);
    layer.for_each_parameter([](const parameter_name& name, parameter<double>& p) {
      if (name.str() == "router.weight")
        for (double& v : p.values()) v *= 3;
    });
    const index_t tokens = group.rank() == 0 ? 5 : 3;
    const auto stream = static_cast<std::uint64_t>(group.rank());
    auto x = battery::normals<double>(tokens * 4, 20 + stream);
    const auto r = battery::normals<double>(tokens * 4, 30 + stream);
    decltype(layer)::saved s;
    const auto loss = [&] {
      ctx.workspace().reset();
      const auto y = layer.forward(ctx, battery::matrix_of(std::as_const(x), tokens, 4), s);
      double sum = 0;
      for (index_t i = 0; i < y.size(); ++i) sum += y.data[i] * r[static_cast<std::size_t>(i)];
      ctx.comm().all_reduce(view<double, 1>(&sum, 1));
      return sum;
    };
    loss();
    const auto back = layer.backward(ctx, battery::matrix_of(r, tokens, 4), s);
    const std::vector<double> dx(back.data, back.data + back.size());
    // The ranks try the elements of rank 0, then those of rank 1; `also` moves the other's replica.
    const auto check = [&](const std::string& name, double* value, double analytic, bool shared) {
      const double step = 1e-5, kept = value ? *value : 0;
      if (value) *value = kept + step;
      const double above = loss();
      if (value) *value = kept - step;
      const double below = loss();
      if (value) *value = kept;
      double total = analytic;
      if (shared) ctx.comm().all_reduce(view<double, 1>(&total, 1));
      if (!value || (shared && group.rank() > 0)) return;
      const double error = std::abs(total - (above - below) / (2 * step));
      if (error >= worst) where = name;
      worst = std::max(worst, error);
      ++checked;
    };
    layer.for_each_parameter([&](const parameter_name& name, parameter<double>& p) {
      if (name.str() == "balance") return;
      const std::vector<double> g(p.gradients().begin(), p.gradients().end());
      if (p.slices() == nullptr) {
        for (index_t i = 0; i < p.size(); ++i)
          check(name.str(), &p.values()[i], g[static_cast<std::size_t>(i)], true);
        return;
      }
      for (index_t e = 0; e < 5; ++e) {
        const auto& held = p.slices()->held;
        const auto slot = std::find(held.begin(), held.end(), e) - held.begin();
        const bool mine = slot < static_cast<index_t>(held.size());
        for (index_t i = 0; i < p.slice_size(); ++i) {
          const index_t at = slot * p.slice_size() + i;
          double* const value = mine ? &p.values()[at] : nullptr;
          const double analytic = mine ? g[static_cast<std::size_t>(at)] : 0;
          check(name.str(), value, analytic, e == 1);
        }
        group.barrier();  // `worst` has one writer at a time
      }
    });
    for (int owner = 0; owner < 2; ++owner) {
      for (index_t i = 0; i < (owner == 0 ? 5 : 3) * 4; ++i)
        check("x", owner == group.rank() ? &x[static_cast<std::size_t>(i)] : nullptr,
              owner == group.rank() ? dx[static_cast<std::size_t>(i)] : 0, false);
      group.barrier();
    }
  });
  INFO(where);
  CHECK(worst < 1e-7);
  CHECK(checked == 5 * 4 + 5 * (6 * 4 + 4 * 3 + 6 + 4) + 8 * 4);
}

TEST_CASE("expert_parallel: without ranks it is the experts themselves") {
  task t;
  const auto one = in_one_process<float>(t);
  context<cpu> ctx({.threads = 1, .seed = 3});
  spread_layer<float> layer(t.shape);
  prepare(ctx, layer, 0);
  CHECK(layer.experts().up().slices() == nullptr);
  outcome<float> o = empty_outcome<float>(t);
  run_part(ctx, layer, t, 0, 23, o.y.data(), o.dx.data());
  CHECK(same(o.y, one.y));
  CHECK(same(o.dx, one.dx));
}

TEST_CASE("expert_parallel: the slices count and begin as parts of the whole") {
  const moe_shape shape{.dim = 6, .hidden = 5, .experts = 8, .top_k = 3};
  single_layer<float> one(shape);
  context<cpu> ctx({.threads = 1, .seed = 3});
  initialize(ctx, one);
  const parameter_count whole = count_parameters(one, 3);
  for (int rank = 0; rank < 3; ++rank) {
    spread_layer<float> layer(shape);
    layer.experts().distribute(even_placement(8, 3), rank);
    const parameter_count n = count_parameters(layer, 3);
    CHECK(n.total == whole.total);
    CHECK(n.active == whole.active);
    initialize(ctx, layer);
    const auto& up = layer.experts().up();
    for (index_t i = 0; i < up.extent(0); ++i)
      for (index_t j = 0; j < up.slice_size(); ++j)
        REQUIRE(
            layer.experts().up().values()[i * up.slice_size() + j] ==
            one.experts()
                .up()
                .values()[up.slices()->held[static_cast<std::size_t>(i)] * up.slice_size() + j]);
  }
}

TEST_CASE("expert_parallel: errors") {
  const task t;
  // What both ranks say; one that ends with an error tells the other before it leaves.
  const auto on_two = [&](auto&& prepare_layer) {
    std::string messages[2];
    run_ranks(2, [&](rank_group& group) {
      context<cpu, rank_group> ctx({.threads = 1}, group.duplicate());
      try {
        spread_layer<float> layer(t.shape);
        prepare_layer(ctx, layer);
        initialize(ctx, layer);
        const auto x = battery::normals<float>(3 * 6, 1);
        spread_layer<float>::saved s;
        layer.forward(ctx, battery::matrix_of(x, 3, 6), s);
      } catch (const error& e) {
        messages[group.rank()] = e.what();
        ctx.comm().abandon(e.what());
      }
    });
    return messages[0] + "; " + messages[1];
  };
  CHECK(mentions(on_two([](auto&, auto&) {}), "2 ranks", "not distributed", "before"));
  CHECK(mentions(on_two([](auto& ctx, auto& layer) {
                   layer.experts().distribute(even_placement(8, 4), ctx.comm().rank());
                 }),
                 "of 2", "distributed for rank", "of 4"));
  CHECK(mentions(
      on_two([](auto&, auto& layer) { layer.experts().distribute(even_placement(8, 2), 1); }),
      "this is rank 0 of 2", "for rank 1 of 2"));
  CHECK(mentions(on_two([](auto& ctx, auto& layer) {
                   std::vector<std::vector<index_t>> held = {{0, 1, 2, 3}, {4, 5, 6, 7}};
                   if (ctx.comm().rank() == 1) std::swap(held[1][0], held[1][1]);
                   layer.experts().distribute(placement(8, held), ctx.comm().rank());
                 }),
                 "disagree on where the experts lie"));
  CHECK(mentions(on_two([](auto& ctx, auto& layer) {
                   layer.experts().distribute(even_placement(8, 2), ctx.comm().rank());
                   if (ctx.comm().rank() == 1)
                     layer.experts().wire({.combine = {.code = wire_code::bf16}});
                 }),
                 "disagree on how rows between experts are coded"));
  spread_layer<float> layer(t.shape);
  CHECK(mentions(message_of([&] { layer.experts().distribute(even_placement(7, 2), 0); }),
                 "placement of 7", "layer of 8"));
  CHECK(mentions(message_of([&] { layer.experts().distribute(even_placement(8, 2), 2); }), "rank 2",
                 "over 2"));
  CHECK(mentions(message_of([&] {
                   layer.experts().wire({.dispatch = {.code = wire_code::fp8, .stochastic = true}});
                 }),
                 "fp8", "stochastic", "nearest"));
  CHECK(mentions(
      message_of([&] { layer.experts().wire({.combine = {.code = wire_code::int8, .block = 3}}); }),
      "block of 3"));
  context<cpu> ctx({.threads = 1});
  expert_parallel<> experts({.dim = 6, .hidden = 5, .experts = 2});
  initialize(ctx, experts);
  CHECK(mentions(message_of([&] { experts.distribute(even_placement(2, 2), 0); }),
                 "memory was taken", "up", "before"));
  const auto x = battery::normals<float>(35, 1);
  const index_t ends[] = {3, 5};
  expert_parallel<>::saved s;
  CHECK(mentions(
      message_of([&] { experts.forward(ctx, battery::matrix_of(x, 5, 7), row_groups(ends), s); }),
      "7 columns", "expected 6"));
  const index_t more[] = {3, 5, 5};
  CHECK(mentions(
      message_of([&] { experts.forward(ctx, battery::matrix_of(x, 5, 6), row_groups(more), s); }),
      "3 groups", "each of 2 experts"));
  CHECK(mentions(
      message_of([&] { experts.forward(ctx, battery::matrix_of(x, 4, 6), row_groups(ends), s); }),
      "4 rows", "made for 5"));
}
