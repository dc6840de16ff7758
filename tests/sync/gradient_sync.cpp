// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gradients of several ranks summed bucket by bucket; the trainer's tests have whole models.

#include <limits>
#include <mutex>

#include "sync/model.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/sync/gradient_sync.hpp>

using namespace sync_test;

namespace {

float number(int rank, std::uint64_t tensor, index_t whole) {
  return static_cast<float>(random_stream(static_cast<std::uint64_t>(rank), tensor)
                                .normal(static_cast<std::uint64_t>(whole)));
}

/// Gradients that depend on rank and place; rank 1 has none for "up", whose experts had no tokens.
void fill_gradients(some_model& m, int rank) {
  std::uint64_t tensor = 0;
  m.for_each_parameter([&](const parameter_name& name, parameter<float>& p) {
    ++tensor;
    p.clear_gradient();
    if (rank == 1 && name.str() == "up") {
      std::fill(p.gradients().begin(), p.gradients().end(),
                std::numeric_limits<float>::quiet_NaN());
      return;
    }
    p.next_gradient();
    for_each_whole_range(p, 0, p.size(), [&](index_t local, index_t whole, index_t n) {
      for (index_t i = 0; i < n; ++i) p.gradients()[local + i] = number(rank, tensor, whole + i);
    });
  });
}

/// The sum over the ranks that hold it, in their order.
float expected(int ranks, std::uint64_t tensor, const std::string& name, index_t whole,
               index_t slice) {
  float sum = 0;
  bool first = true;
  for (int r = 0; r < ranks; ++r) {
    const auto held = held_by(r, ranks);
    if (slice >= 0 && std::find(held.begin(), held.end(), slice) == held.end()) continue;
    const float x = r == 1 && name == "up" ? 0 : number(r, tensor, whole);
    sum = first ? x : sum + x;
    first = false;
  }
  return sum;
}

}  // namespace

TEST_CASE("gradient_sync: sums in the order of the ranks, whatever is announced when") {
  for (const int ranks : {2, 3, 4})
    for (const bool overlap : {true, false})
      run_ranks(ranks, [&](rank_group& group) {
        const int rank = group.rank();
        context<cpu, rank_group> ctx({.threads = 1}, std::move(group));
        some_model m(held_by(rank, ranks));
        initialize(ctx, m);
        const parameter_list<float> list(m);
        gradient_sync<decltype(ctx), float> sync(
            ctx, list, {.overlap = overlap, .bucket_bytes = 400}, unit_of);
        for (index_t step = 1; step <= 3; ++step) {
          fill_gradients(m, rank);
          sync.begin(step);
          if (ctx.listener() != nullptr) {  // some early, one twice, in no order
            ctx.listener()->ready(&m.norm);
            ctx.listener()->ready(&m.up);
            ctx.listener()->ready(&m.norm);
          }
          sync.finish();
          expects(ctx.listener() == nullptr, "still listening");
          std::uint64_t tensor = 0;
          m.for_each_parameter([&](const parameter_name& name, parameter<float>& p) {
            ++tensor;
            for_each_whole_range(p, 0, p.size(), [&](index_t local, index_t whole, index_t n) {
              for (index_t i = 0; i < n; ++i) {
                const index_t slice = p.slices() ? (whole + i) / p.slice_size() : -1;
                const float want = expected(ranks, tensor, name.str(), whole + i, slice);
                // An expert of one rank that had no tokens keeps its unwritten gradient.
                const bool unwritten = !p.gradient_written();
                expects(unwritten || p.gradients()[local + i] == want, name.str(), " at ",
                        whole + i, " is ", p.gradients()[local + i], ", expected ", want);
              }
            });
          });
        }
      });
}

TEST_CASE("gradient_sync: bytes equal to those predicted from the runs") {
  for (const wire_code code : {wire_code::f32, wire_code::int8})
    for (const bool shard : {false, true})
      run_ranks(3, [&](rank_group& group) {
        const int rank = group.rank();
        context<cpu, rank_group> ctx({.threads = 1}, std::move(group));
        some_model m(held_by(rank, 3));
        initialize(ctx, m);
        const parameter_list<float> list(m);
        const sync_options options{.gradients = {.code = code, .block = 16},
                                   .shard_optimizer = shard,
                                   .bucket_bytes = 400};
        gradient_sync<decltype(ctx), float> sync(ctx, list, options, unit_of);
        const std::uint64_t before = sync.counted().total(purpose::gradient).sent;
        fill_gradients(m, rank);
        sync.begin(1);
        sync.finish();
        if (shard) sync.spread_weights();
        std::uint64_t gradients = 0, weights = 0;
        for (const bucket& b : sync.parts().buckets()) {
          const wire_format format = b.exact ? wire_format{} : options.gradients;
          gradients += static_cast<std::uint64_t>(reduce_bytes(b.runs, format, rank));
          if (b.exact || !shard)
            gradients += static_cast<std::uint64_t>(spread_bytes(b.runs, format, rank));
          else
            weights += static_cast<std::uint64_t>(spread_bytes(b.runs, wire_format{}, rank));
        }
        expects(sync.counted().total(purpose::gradient).sent - before == gradients,
                "gradients: predicted ", gradients);
        expects(sync.counted().total(purpose::weights).sent == weights, "weights: predicted ",
                weights);
      });
}

TEST_CASE("gradient_sync: what rounding lost comes with the next steps") {
  // The same gradients in every step: the mean of what is delivered approaches them.
  const int ranks = 3, steps = 40;
  std::vector<double> worst;
  for (const bool feedback : {false, true}) {
    double most = 0;
    std::mutex mutex;
    run_ranks(ranks, [&](rank_group& group) {
      const int rank = group.rank();
      context<cpu, rank_group> ctx({.threads = 1}, std::move(group));
      some_model m(held_by(rank, ranks));
      initialize(ctx, m);
      const parameter_list<float> list(m);
      gradient_sync<decltype(ctx), float> sync(
          ctx, list,
          {.gradients = {.code = wire_code::int4, .block = 16}, .error_feedback = feedback},
          unit_of);
      std::vector<double> sum(350);
      for (index_t step = 1; step <= steps; ++step) {
        fill_gradients(m, rank);
        sync.begin(step);
        sync.finish();
        for (std::size_t i = 0; i < sum.size(); ++i)
          sum[i] += static_cast<double>(m.table.gradients()[static_cast<index_t>(i)]);
      }
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i < sum.size(); ++i)
        most = std::max(
            most, std::abs(sum[i] / steps - static_cast<double>(expected(
                                                ranks, 1, "table", static_cast<index_t>(i), -1))));
    });
    worst.push_back(most);
  }
  CHECK(worst[1] < 0.1 * worst[0]);
}

TEST_CASE("gradient_sync: a gradient that is not finite is named with rank and parameter") {
  for (const wire_code code : {wire_code::f32, wire_code::int8})
    CHECK(mentions(message_of([&] {
                     run_ranks(3, [&](rank_group& group) {
                       const int rank = group.rank();
                       context<cpu, rank_group> ctx({.threads = 1}, std::move(group));
                       some_model m(held_by(rank, 3));
                       initialize(ctx, m);
                       const parameter_list<float> list(m);
                       gradient_sync<decltype(ctx), float> sync(
                           ctx, list, {.gradients = {.code = code}}, unit_of);
                       fill_gradients(m, rank);
                       if (rank == 1)
                         m.table.gradients()[17] = std::numeric_limits<float>::quiet_NaN();
                       sync.begin(1);
                       sync.finish();
                     });
                   }),
                   "rank 1 contributed a number that is not finite", "table, element"));
}

TEST_CASE("gradient_sync: ranks with other formats are told") {
  CHECK(mentions(message_of([] {
                   run_ranks(2, [&](rank_group& group) {
                     const int rank = group.rank();
                     context<cpu, rank_group> ctx({.threads = 1}, std::move(group));
                     some_model m(held_by(rank, 2));
                     initialize(ctx, m);
                     const parameter_list<float> list(m);
                     gradient_sync<decltype(ctx), float> sync(
                         ctx, list,
                         {.gradients = {.code = rank == 0 ? wire_code::int8 : wire_code::bf16}},
                         unit_of);
                   });
                 }),
                 "the ranks disagree on the format of gradients"));
}
