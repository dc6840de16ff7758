// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The compressed all-reduce: its error bound, its bytes, its bits, and what error feedback keeps.

#include "sync/gradients.hpp"

using namespace gradients;

namespace {

constexpr index_t count = 9'001;

compression with(wire_code code, bool stochastic = false, bool feedback = false) {
  return {.format = {.code = code, .stochastic = stochastic},
          .error_feedback = feedback,
          .segment = 4096};
}

double levels(wire_code code) { return code == wire_code::int8 ? 127 : 7; }

/// The bound of the class comment for every number, from the gradients of all ranks.
std::vector<double> bound(const std::vector<std::vector<float>>& g, std::span<const owned_run> runs,
                          const wire_format& f) {
  std::vector<double> out(at(count));
  const double steps = (f.stochastic ? 1 : 0.5) / levels(f.code) * (1 + 0x1p-14);
  for (const owned_run& r : runs)
    for (index_t b = 0; b < f.blocks(r.size); ++b) {
      const index_t begin = r.at + b * f.block, end = std::min(begin + f.block, r.at + r.size);
      double sum_of_largest = 0, largest_sum = 0, largest_exact = 0;
      for (std::size_t rank = 0; rank < g.size(); ++rank) {
        double most = 0;
        for (index_t i = begin; i < end; ++i)
          most = std::max(most, std::abs(static_cast<double>(g[rank][at(i)])));
        if (static_cast<int>(rank) != r.owner) sum_of_largest += most;
        largest_exact += most;
      }
      for (index_t i = begin; i < end; ++i) {
        double sum = 0;
        for (const auto& one : g) sum += static_cast<double>(one[at(i)]);
        largest_sum = std::max(largest_sum, std::abs(sum));
      }
      const double first = sum_of_largest * steps;
      for (index_t i = begin; i < end; ++i)  // the amax of the sum as it was taken, not exactly
        out[at(i)] = first + (largest_sum + first) * steps + 0x1p-22 * largest_exact +
                     static_cast<double>(g.size()) * 0x1p-100;
    }
  return out;
}

}  // namespace

TEST_CASE("compressed_all_reduce: every number within the documented bound, same bits everywhere") {
  for (const int ranks : {1, 2, 3, 4})
    for (const wire_code code : {wire_code::int8, wire_code::int4})
      for (const bool stochastic : {false, true})
        for (int kind = 0; kind < 6; ++kind) {
          std::vector<std::vector<float>> g;
          for (int r = 0; r < ranks; ++r) g.push_back(gradients::of(kind, count, r));
          per_rank<std::vector<float>> results(ranks), again(ranks), beside(ranks);
          std::vector<double> allowed;
          with_ranks(ranks, [&](auto& ctx, rank_group& group) {
            const auto how = with(code, stochastic);
            const auto reduce = [&](auto& through) {
              compressed_all_reduce<float> all_reduce(group, count, how);
              if (group.rank() == 0 && allowed.empty())
                allowed = bound(g, all_reduce.runs(), how.format);
              auto v = g[static_cast<std::size_t>(group.rank())];
              all_reduce(ctx, through, all_of(v));
              return v;
            };
            results[group.rank()] = reduce(group);
            again[group.rank()] = reduce(group);
            async<rank_group> side(group.duplicate());
            beside[group.rank()] = reduce(side);
          });
          CAPTURE(ranks, name_of(code), stochastic, kinds[kind]);
          for (int r = 0; r < ranks; ++r) {
            REQUIRE(results[r] == results[0]);
            REQUIRE(again[r] == results[0]);
            REQUIRE(beside[r] == results[0]);
          }
          for (index_t i = 0; i < count; ++i) {
            double sum = 0;
            for (const auto& one : g) sum += static_cast<double>(one[at(i)]);
            const double e = std::abs(static_cast<double>(results[0][at(i)]) - sum);
            if (!(e <= allowed[at(i)])) {
              CAPTURE(i, e, allowed[at(i)]);
              REQUIRE(false);
            }
          }
        }
}

TEST_CASE(
    "compressed_all_reduce: bytes as foretold, int8 3.8 times fewer than fp32, int4 7 times") {
  constexpr index_t large = 200'000;
  for (const int ranks : {2, 3, 4})
    for (const wire_code code : {wire_code::f32, wire_code::bf16, wire_code::int8, wire_code::int4})
      with_ranks(ranks, [&](auto& ctx, rank_group& group) {
        compressed_all_reduce<float> all_reduce(group, large, {.format = {.code = code}});
        std::vector<float> v(large, 1);
        const auto before = group.counted().total().sent;
        all_reduce(ctx, group, all_of(v));
        const auto sent = group.counted().total().sent - before;
        expects(sent == static_cast<std::uint64_t>(all_reduce.bytes(group.rank())), "sent ", sent);
        const double fp32 = 2.0 * (ranks - 1) / ranks * 4 * large;
        const double times = fp32 / static_cast<double>(sent);
        const double least = code == wire_code::int4   ? 7
                             : code == wire_code::int8 ? 3.8
                             : code == wire_code::bf16 ? 1.9
                                                       : 0.98;
        expects(times >= least, ranks, " ranks, ", name_of(code), ": ", times, " times fewer");
      });
}

TEST_CASE("compressed_all_reduce: with error feedback nothing is lost, only late") {
  for (const int ranks : {1, 2, 3, 4})
    for (const wire_code code : {wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4})
      for (const bool stochastic : {false, true}) {
        per_rank<std::vector<double>> owed(ranks);
        std::vector<double> delivered(at(count)), given(at(count));
        with_ranks(ranks, [&](auto& ctx, rank_group& group) {
          compressed_all_reduce<float> all_reduce(group, count, with(code, stochastic, true));
          for (int step = 0; step < 12; ++step) {
            auto v = gradients::of(step % 3, count, group.rank(), step);
            all_reduce(ctx, group, all_of(v));
            if (group.rank() == 0)
              for (std::size_t i = 0; i < v.size(); ++i) delivered[i] += static_cast<double>(v[i]);
          }
          owed[group.rank()].assign(all_reduce.residual().begin(), all_reduce.residual().end());
        });
        std::vector<double> size(at(count));
        for (int r = 0; r < ranks; ++r)
          for (int step = 0; step < 12; ++step) {
            const auto g = gradients::of(step % 3, count, r, step);
            for (std::size_t i = 0; i < g.size(); ++i) {
              given[i] += static_cast<double>(g[i]);
              size[i] += std::abs(static_cast<double>(g[i]));
            }
          }
        double largest = 0;
        for (const double s : size) largest = std::max(largest, s);
        for (std::size_t i = 0; i < delivered.size(); ++i) {
          double sum = delivered[i];
          for (const auto& o : owed.all()) sum += o[i];
          CAPTURE(ranks, name_of(code), stochastic, i);
          // Rounding of sums of numbers as large as the block's largest.
          if (!(std::abs(sum - given[i]) <= 2e-6 * largest)) REQUIRE(false);
        }
      }
}

TEST_CASE("compressed_all_reduce: its state goes on to the same bits, or to other ranks") {
  const auto how = with(wire_code::int4, true, true);
  std::vector<std::vector<float>> saved(3), after(3), resumed(3), moved(2);
  std::uint64_t steps = 0;
  const auto step = [](auto& ctx, auto& group, auto& all_reduce, int n) {
    auto v = gradients::of(2, count, group.rank(), n);
    all_reduce(ctx, group, all_of(v));
    return v;
  };
  with_ranks(3, [&](auto& ctx, rank_group& group) {
    compressed_all_reduce<float> all_reduce(group, count, how);
    for (int n = 0; n < 3; ++n) step(ctx, group, all_reduce, n);
    const auto me = static_cast<std::size_t>(group.rank());
    saved[me].assign(all_reduce.residual().begin(), all_reduce.residual().end());
    if (me == 0) steps = all_reduce.steps();
    after[me] = step(ctx, group, all_reduce, 3);
  });
  const std::vector<std::span<const float>> spans(saved.begin(), saved.end());
  with_ranks(3, [&](auto& ctx, rank_group& group) {
    // [restore]
    compressed_all_reduce<float> all_reduce(group, count, how);
    all_reduce.restore(spans, steps);  // the residuals that the ranks of the run had
    // [/restore]
    resumed[static_cast<std::size_t>(group.rank())] = step(ctx, group, all_reduce, 3);
  });
  CHECK(resumed == after);
  with_ranks(2, [&](auto&, rank_group& group) {
    compressed_all_reduce<float> all_reduce(group, count, how);
    all_reduce.restore(spans, steps);
    moved[static_cast<std::size_t>(group.rank())].assign(all_reduce.residual().begin(),
                                                         all_reduce.residual().end());
    for (const owned_run& r : all_reduce.runs())
      for (index_t i = r.at; r.owner != group.rank() && i < r.at + r.size; ++i)
        expects(all_reduce.residual()[at(i)] == 0, "owed to another owner");
  });
  for (index_t i = 0; i < count; ++i) {
    double before = 0, now = 0;
    for (const auto& s : saved) before += static_cast<double>(s[at(i)]);
    for (const auto& m : moved) now += static_cast<double>(m[at(i)]);
    if (!(std::abs(before - now) <= 1e-7 * std::abs(before))) REQUIRE(false);
  }
}

TEST_CASE("compressed_all_reduce: a state of another size is refused") {
  loopback alone;
  compressed_all_reduce<float> all_reduce(alone, count, with(wire_code::int8, false, true));
  const std::vector<float> few(7);
  const auto message = [&](const std::vector<std::span<const float>>& saved) {
    return message_of([&] { all_reduce.restore(saved, 0); });
  };
  CHECK(mentions(message({few}), "rank 0 has 7 numbers", "expected 9001"));
  CHECK(mentions(message({}), "residuals of no ranks"));
}

TEST_CASE("compressed_all_reduce: stochastic rounding is right on average") {
  constexpr index_t few = 512;
  constexpr int times = 2000;
  std::vector<double> sum(few), squares(few), exact(few);
  for (int r = 0; r < 2; ++r)
    for (index_t i = 0; i < few; ++i)
      exact[at(i)] += static_cast<double>(gradients::of(0, few, r)[at(i)]);
  with_ranks(2, [&](auto& ctx, rank_group& group) {
    compressed_all_reduce<float> all_reduce(group, few, with(wire_code::int4, true));
    for (int t = 0; t < times; ++t) {
      auto v = gradients::of(0, few, group.rank());
      all_reduce(ctx, group, all_of(v));
      for (std::size_t i = 0; i < v.size() && group.rank() == 0; ++i) {
        const double e = static_cast<double>(v[i]) - exact[i];
        sum[i] += e;
        squares[i] += e * e;
      }
    }
  });
  for (std::size_t i = 0; i < exact.size(); ++i) {
    CAPTURE(i, sum[i] / times);
    if (!(std::abs(sum[i]) <= 6 * std::sqrt(squares[i]) + 20)) REQUIRE(false);
  }
}

TEST_CASE("compressed_all_reduce: ranks that disagree are told so") {
  const auto disagree = [](compression one, compression other, index_t rows = count) {
    return message_of([&] {
      with_ranks(2, [&](auto&, rank_group& group) {
        compressed_all_reduce<float> all_reduce(group, group.rank() ? rows : count,
                                                group.rank() ? other : one);
      });
    });
  };
  const auto a = with(wire_code::int8);
  CHECK(mentions(disagree(a, with(wire_code::int4)), "disagree on the wire format",
                 "0001030000000100", "0001040000000100"));
  CHECK(mentions(disagree(a, with(wire_code::int8, true)), "disagree on the wire format"));
  CHECK(mentions(disagree(a, a, 9000), "disagree on the size of the vector"));
  auto b = a;
  b.segment = 5;
  CHECK(mentions(disagree(a, b), "disagree on the segment"));
  CHECK(mentions(message_of([] {
                   loopback alone;
                   context<cpu> ctx({.threads = 1});
                   compressed_all_reduce<float> all_reduce(alone, 10);
                   std::vector<float> v(9);
                   all_reduce(ctx, alone, all_of(v));
                 }),
                 "of 9 numbers", "expected 10"));
}

TEST_CASE("compressed_all_reduce: a bad number ends all ranks, also with exchanges beside") {
  for (const bool beside : {false, true}) {
    const std::string message = message_of([&] {
      with_ranks(3, [&](auto& ctx, rank_group& group) {
        compressed_all_reduce<float> all_reduce(group, count, with(wire_code::int8));
        auto v = gradients::of(0, count, group.rank());
        if (group.rank() == 2) v[5000] = std::numeric_limits<float>::quiet_NaN();
        async<rank_group> side(group.duplicate());
        if (beside)
          all_reduce(ctx, side, all_of(v));
        else
          all_reduce(ctx, group, all_of(v));
        group.barrier();
      });
    });
    CAPTURE(message);
    CHECK(mentions(message, "rank 2 contributed a number that is not finite"));
  }
}

TEST_CASE("compressed_all_reduce: how it is used") {
  // [use]
  run_ranks(4, [](rank_group& group) {  // four threads, or processes under MPI
    context<cpu> ctx({.threads = 1});
    std::vector<float> gradient(100'000, 0.5f + static_cast<float>(group.rank()));
    compressed_all_reduce<float> all_reduce(group, 100'000, {.format = {.code = wire_code::int8}});
    all_reduce(ctx, group, view<float, 1>(gradient.data(), 100'000));  // 0.5 + 1.5 + 2.5 + 3.5
    expects(std::abs(gradient[0] - 8) < 1e-4f, gradient[0], " expected 8");
  });
  // [/use]
  // [beside]
  run_ranks(2, [](rank_group& group) {
    context<cpu> ctx({.threads = 1});
    std::vector<float> gradient(100'000, 1);
    async<rank_group> side(group.duplicate());  // a thread that sends and receives
    compressed_all_reduce<float> all_reduce(group, 100'000);
    all_reduce(ctx, side, view<float, 1>(gradient.data(), 100'000));  // the same bits
  });
  // [/beside]
}
