// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What is special in the kernels of routing: searches, hashes, who is reported.

#include "battery/routing_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/routing_kernels.cuh>
#include <dsr1/cuda/routing_ops.cuh>

using namespace dsr1;

namespace {

using backend = cuda_part<cuda_routing>;
using ctx_type = context<backend>;
using battery::at;

template <class T>
__global__ void groups_of(view<const index_t, 1> ends, view<T, 1> out) {
  if (const index_t t = thread_number(); t < out.rows())
    out[t] = static_cast<T>(cuda_kernels::group_of_token(ends, t));
}

}  // namespace

TEST_CASE("cuda routing_kernels: the group of a token, past empty groups", "[cuda]") {
  ctx_type ctx;
  for (const std::vector<index_t>& ends :
       {std::vector<index_t>{5}, {0, 0, 3, 3, 4, 9}, {1, 2, 3, 4}}) {
    const battery::device_vector<ctx_type, index_t> there(ctx, ends);
    const battery::device_vector<ctx_type, std::int32_t> out(ctx, ends.back());
    launch_each(ctx, "groups_of", ends.back(), groups_of<std::int32_t>, there.in(), out.out());
    std::vector<std::int32_t> expected;
    for (std::size_t g = 0; g < ends.size(); ++g)
      while (static_cast<index_t>(expected.size()) < ends[g])
        expected.push_back(static_cast<std::int32_t>(g));
    battery::check_same(out.host(), expected, "groups");
  }
}

TEST_CASE("cuda routing_kernels: a capacity of experts that share a hash, as on the CPU",
          "[cuda]") {
  ctx_type ctx;
  context<cpu> host({.threads = 1});
  const index_t n = 120, k = 3;
  std::vector<std::int32_t> index;
  for (const std::int32_t e : battery::row_numbers(n * k, 9, 3))
    index.push_back(e < 0 ? -1 : static_cast<std::int32_t>(e / 3 + e % 3 * hashed_keys));
  auto weight = battery::normals<float>(n * k, 4);
  for (float& w : weight) w = std::round(4 * w);  // many are equal
  const auto table = battery::device_table(ctx, index, n, k);
  const battery::device_matrix<ctx_type, float> w(ctx, n, k, weight);
  for (const index_t capacity : {1, 7, 20, 200})
    for (const drop_rule rule : {drop_rule::by_weight, drop_rule::by_position}) {
      const battery::device_vector<ctx_type, std::int32_t> kept(ctx, n * k);
      backend::limit_capacity(ctx, table, w.in(), capacity, rule, kept.out().reshaped(n, k));
      std::vector<std::int32_t> expected(index.size());
      cpu::limit_capacity(host, battery::cmatrix_of(index, n, k), battery::cmatrix_of(weight, n, k),
                          capacity, rule, battery::matrix_of(expected, n, k));
      battery::check_same(kept.host(), expected, text("capacity ", capacity));
    }
}

TEST_CASE("cuda routing_kernels: of several wrong ones the first is reported", "[cuda]") {
  ctx_type ctx;
  const battery::softmax_top_k gate;
  const index_t n = 600, experts = 5, k = 2;
  auto x = battery::normals<float>(n * experts, 1);
  const float inf = std::numeric_limits<float>::infinity();
  x[at(599 * experts)] = x[at(77 * experts + 4)] = -inf;
  x[at(77 * experts + 1)] = x[at(300 * experts + 2)] = std::numeric_limits<float>::quiet_NaN();
  const battery::device_matrix<ctx_type, float> logits(ctx, n, experts, x), weight(ctx, n, k),
      counts(ctx, 1, experts);
  const battery::device_vector<ctx_type, std::int32_t> chosen(ctx, n * k), order(ctx, n * k);
  const auto index = chosen.out().reshaped(n, k);
  CHECK(mentions(message_of([&] {
                   backend::route(ctx, gate, logits.in(), view<const float, 1>(), index,
                                  weight.out());
                 }),
                 "token 77", "(nan)"));
  std::vector<std::int32_t> numbers(at(n * k), 4);
  numbers[at(500 * k)] = 6;
  numbers[at(33 * k + 1)] = 5;
  numbers[at(33 * k)] = -1;
  const auto bad = battery::device_table(ctx, numbers, n, k);
  std::vector<index_t> ends(at(experts)), all = {n};
  CHECK(message_of([&] {
          backend::sort_by_expert(ctx, bad, std::span<index_t>(ends), order.out(), index);
        }) == "token 33 chose expert 5, expected at most 4");
  CHECK(message_of([&] {
          backend::count_experts(ctx, bad, row_groups(all), counts.out(), accumulate::no);
        }) == "token 33 chose expert 5, expected at most 4");
}
