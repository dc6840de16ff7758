// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums over runs: who gets what, in which bits, in how many bytes, and whose number was bad.

#include "sync/gradients.hpp"

using namespace gradients;

namespace {

struct piece {
  index_t size;
  int owner;
  std::vector<int> holders;
};

/// Runs that some ranks hold and others do not, as rank `rank` sees them, and its vector's size.
std::vector<owned_run> mixed_runs(int ranks, int rank, index_t& size) {
  const std::vector<piece> pieces =
      ranks == 1   ? std::vector<piece>{{700, 0, {0}}, {5, 0, {0}}}
      : ranks == 2 ? std::vector<piece>{{700, 1, {0, 1}}, {300, 0, {0}}, {513, 0, {0, 1}}}
                   : std::vector<piece>{{700, 2, {0, 1, 2}}, {300, 0, {0, 2}},   {1, 1, {1}},
                                        {0, 1, {0, 1}},      {2000, 1, {1, 2}},  {256, 2, {2}},
                                        {65, 0, {0, 1, 2}},  {900, 2, {0, 1, 2}}};
  std::vector<owned_run> runs;
  size = 0;
  for (const piece& p : pieces) {
    owned_run r{.size = p.size, .owner = p.owner, .holders = p.holders};
    if (r.held_by(rank)) {
      r.at = size + 3;  // something of nobody in between
      size = r.at + r.size;
    }
    runs.push_back(r);
  }
  return runs;
}

std::vector<wire_format> formats() {
  return {{},
          {.code = wire_code::bf16},
          {.code = wire_code::fp8, .block = 64},
          {.code = wire_code::int8},
          {.code = wire_code::int8, .block = 32, .stochastic = true},
          {.code = wire_code::int4, .block = 64}};
}

/// How far a decoded number may be from the coded one, as part of the largest of its run.
double part_of(const wire_format& f) {
  const double q = f.code == wire_code::f32    ? 0
                   : f.code == wire_code::bf16 ? 0x1p-8
                   : f.code == wire_code::fp8  ? 0x1p-4
                   : f.code == wire_code::int8 ? 1 / 254.0
                                               : 1 / 14.0;
  return (f.stochastic ? 2 : 1) * q * (1 + 0x1p-14);
}

}  // namespace

TEMPLATE_TEST_CASE("run_reducer: holders get the sum, others nothing, in the bytes foretold", "",
                   float, double) {
  using T = TestType;
  for (const int ranks : {1, 2, 3, 4})
    for (const wire_format& f : formats())
      with_ranks(ranks, [&](auto& ctx, rank_group& group) {
        index_t size = 0;
        const auto runs = mixed_runs(ranks, group.rank(), size);
        std::vector<T> v(at(size), T(-7));
        for (std::size_t i = 0; i < runs.size(); ++i)
          if (runs[i].at >= 0) {
            const auto g = gradients::of<T>(0, runs[i].size, group.rank(), static_cast<int>(i));
            std::copy(g.begin(), g.end(), v.begin() + runs[i].at);
          }
        run_reducer<T> reducer(f);
        for (int half = 0; half < 2; ++half) {
          const auto before = group.counted().total();
          const auto random = wire_stream(1, 0, group.rank(), half);
          if (half == 0)
            reducer.reduce(ctx, group, runs, all_of(v), {}, random);
          else
            reducer.spread(ctx, group, runs, all_of(v), {}, random);
          const auto sent = group.counted().total().sent - before.sent;
          const auto foretold =
              static_cast<std::uint64_t>(half == 0 ? reduce_bytes<T>(runs, f, group.rank())
                                                   : spread_bytes<T>(runs, f, group.rank()));
          expects(sent == foretold, "sent ", sent, " bytes, foretold ", foretold);
        }
        for (std::size_t i = 0; i < runs.size(); ++i) {
          const owned_run& r = runs[i];
          if (r.at < 0) continue;
          std::vector<T> sum(at(r.size));
          double margin = 0, largest = 0;
          for (const int p : r.holders) {
            const auto g = gradients::of<T>(0, r.size, p, static_cast<int>(i));
            double most = 0;
            for (std::size_t k = 0; k < g.size(); ++k) {
              sum[k] = p == r.holders.front() ? g[k] : sum[k] + g[k];
              most = std::max(most, std::abs(static_cast<double>(g[k])));
            }
            if (p != r.owner) margin += most * part_of(f);
          }
          for (const T x : sum) largest = std::max(largest, std::abs(static_cast<double>(x)));
          margin += (largest + margin) * part_of(f);
          if (f.code != wire_code::f32) margin += largest * 1e-6;  // of the sum itself
          for (index_t k = 0; k < r.size; ++k) {
            const double e = std::abs(static_cast<double>(v[at(r.at + k)] - sum[at(k)]));
            expects(e <= margin, f.text(), ": run ", i, ", number ", k, " is off by ", e,
                    ", allowed ", margin);
          }
          expects(r.at < 1 || v[at(r.at - 1)] == T(-7), "something of nobody was written");
        }
      });
}

TEST_CASE("run_reducer: all holders have the same bits, in f32 those of all_reduce") {
  for (const int ranks : {2, 3, 4})
    for (const wire_format& f : formats()) {
      per_rank<std::vector<float>> results(ranks), plain(ranks);
      with_ranks(ranks, [&](auto& ctx, rank_group& group) {
        auto v = gradients::of(1, 10'000, group.rank()), w = v;
        const auto runs = even_runs(10'000, f.block, ranks);
        run_reducer<float> reducer(f);
        const auto random = wire_stream(1, 0, group.rank(), 0);
        reducer.reduce(ctx, group, runs, all_of(v), {}, random);
        reducer.spread(ctx, group, runs, all_of(v), {}, random);
        group.all_reduce(all_of(w));
        results[group.rank()] = v;
        plain[group.rank()] = w;
      });
      for (int r = 0; r < ranks; ++r) {
        CHECK(results[r] == results[0]);
        if (f.code == wire_code::f32) CHECK(results[r] == plain[r]);
      }
    }
}

TEST_CASE("run_reducer: spreading alone sends an owner's numbers in bf16") {
  with_ranks(3, [&](auto& ctx, rank_group& group) {
    const auto runs = even_runs(1000, 256, 3);
    std::vector<float> v(1000, static_cast<float>(group.rank()) + 1.001f);
    run_reducer<float> reducer({.code = wire_code::bf16});
    reducer.spread(ctx, group, runs, all_of(v), {}, random_stream(1));
    for (const owned_run& r : runs)
      for (index_t i = r.at; i < r.at + r.size; ++i)
        expects(v[at(i)] == static_cast<float>(bf16(static_cast<float>(r.owner) + 1.001f)), i);
  });
}

TEST_CASE("run_reducer: a number that is not finite is named: rank, run, place") {
  for (const wire_format& f : formats())
    for (const int guilty : {0, 1, 2})
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        const std::string message = message_of([&] {
          with_ranks(3, [&](auto& ctx, rank_group& group) {
            std::vector<float> v(3000, 1);
            const auto runs = even_runs(3000, 256, 3);  // rank 1 owns from 1024 on
            if (group.rank() == guilty) v[1024 + 512] = bad;
            run_reducer<float> reducer(
                f, [](index_t run, index_t i) { return text("gradient of w", run, "[", i, "]"); });
            reducer.reduce(ctx, group, runs, all_of(v), {}, random_stream(1));
            group.barrier();
          });
        });
        CAPTURE(f.text(), guilty, message);
        CHECK(mentions(message, text("rank ", guilty, " contributed a number that is not finite"),
                       "gradient of w1[512]"));
      }
  CHECK(mentions(message_of([&] {
                   with_ranks(2, [&](auto& ctx, rank_group& group) {
                     std::vector<float> v(600, 1.5e38f);
                     run_reducer<float> reducer({.code = wire_code::int8});
                     const auto runs = even_runs(600, 256, 2);
                     reducer.reduce(ctx, group, runs, all_of(v), {}, random_stream(1));
                     group.barrier();
                   });
                 }),
                 "sum over the ranks is too large", "number 0 of run"));
}

TEST_CASE("run_reducer: errors") {
  context<cpu> ctx({.threads = 1});
  loopback alone;
  std::vector<float> v(10), residual(9);
  run_reducer<float> reducer;
  const auto message = [&](owned_run r, view<float, 1> error) {
    return message_of([&] {
      reducer.reduce(ctx, alone, std::vector<owned_run>{std::move(r)}, all_of(v), error,
                     random_stream(1));
    });
  };
  CHECK(mentions(message({.size = 11, .owner = 0, .holders = {0}, .at = 0}, {}), "run 0 lies at 0",
                 "11 numbers", "within the vector of 10"));
  CHECK(mentions(message({.size = 1, .owner = 1, .holders = {0, 1}, .at = 0}, {}),
                 "owned by rank 1", "among 1 ranks"));
  CHECK(mentions(message({.size = 1, .owner = 0, .holders = {0}, .at = 0}, all_of(residual)),
                 "residual has 9", "expected 10"));
}
