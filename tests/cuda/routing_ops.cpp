// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Routing on a CUDA device, with the gates of models too.

#include "battery/routing_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/routing_ops.cuh>
#include <dsr1/moe/gate.hpp>

using namespace dsr1;

using backend = cuda_part<cuda_routing>;
static_assert(routing_ops<context<backend>, float> && routing_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda routing_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::route<TestType>(ctx);
  battery::affinities<TestType>(ctx);
  battery::log_sum_exp<TestType>(ctx);
  battery::count_experts<TestType>(ctx);
  battery::limit_capacity<TestType>(ctx);
  battery::sort_by_expert<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda routing_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::routing_errors<TestType>(ctx);
}

namespace {

template <class T>
using device_matrix = battery::device_matrix<context<backend>, T>;

/// Everything a gate does, on the device and on the CPU.
template <class T, class Gate>
void same_as_cpu(const std::string& what, const Gate& gate, index_t n, index_t experts, index_t k,
                 const std::vector<T>& x, const std::vector<T>& b) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  const auto dw = battery::normals<T>(n * k, 3), dp = battery::normals<T>(2 * experts, 4),
             start = battery::normals<T>(n * experts, 5);
  const std::vector<index_t> ends = {n / 3, n};
  std::vector<std::int32_t> index(battery::at(n * k));
  std::vector<T> weight(battery::at(n * k)), dlogits(battery::at(n * experts)),
      p(battery::at(n * experts)), dbalance = start;
  const auto in = battery::cmatrix_of(x, n, experts);
  const view<const T, 1> bias(b.data(), b.size());
  cpu::route(host, gate, in, bias, battery::matrix_of(index, n, k),
             battery::matrix_of(weight, n, k));
  cpu::route_backward(host, gate, in, bias, battery::cmatrix_of(index, n, k),
                      battery::cmatrix_of(weight, n, k), battery::cmatrix_of(dw, n, k),
                      battery::matrix_of(dlogits, n, experts));
  cpu::affinities(host, gate, in, battery::matrix_of(p, n, experts));
  cpu::affinities_backward(host, gate, in, battery::cmatrix_of(p, n, experts),
                           battery::cmatrix_of(dp, 2, experts), row_groups(ends), T(0.25),
                           battery::matrix_of(dbalance, n, experts));

  const device_matrix<T> logits(ctx, n, experts, x, {1, 2}), w(ctx, n, k), dweight(ctx, n, k, dw),
      d(ctx, n, experts, battery::margin{2, 3}), q(ctx, n, experts), dq(ctx, 2, experts, dp),
      balance(ctx, n, experts, start, {1, 0});
  const battery::device_vector<context<backend>, T> offsets(ctx, b);
  const battery::device_vector<context<backend>, std::int32_t> chosen(ctx, n * k);
  const auto table = chosen.out().reshaped(n, k);
  const view<const T, 1> offset = b.empty() ? view<const T, 1>() : offsets.in();
  backend::route(ctx, gate, logits.in(), offset, table, w.out());
  backend::route_backward(ctx, gate, logits.in(), offset, view<const std::int32_t, 2>(table),
                          w.in(), dweight.in(), d.out());
  backend::affinities(ctx, gate, logits.in(), q.out());
  backend::affinities_backward(ctx, gate, logits.in(), q.in(), dq.in(), row_groups(ends), T(0.25),
                               balance.out());
  battery::check_same(chosen.host(), index, what);
  battery::check_close(w.host(), battery::doubles(weight), what + ", weights");
  battery::check_close(d.host(), battery::doubles(dlogits), what + ", backward");
  battery::check_close(q.host(), battery::doubles(p), what + ", affinities");
  battery::check_close(balance.host(), battery::doubles(dbalance), what + ", balance");
}

}  // namespace

TEMPLATE_TEST_CASE("cuda routing_ops: the gates of models, as on the CPU", "[cuda]", float,
                   double) {
  using T = TestType;
  struct size {
    index_t tokens, experts, k;
  };
  for (const auto& [n, experts, k] : {size{1, 8, 2}, size{33, 128, 8}, size{40, 256, 8}}) {
    const auto x = battery::normals<T>(n * experts, 1), b = battery::normals<T>(experts, 2, 0.1);
    const std::vector<T> none;
    const std::string what = text(n, " tokens to ", k, " of ", experts);
    same_as_cpu("softmax, " + what, softmax_gate{}, n, experts, k, x, none);
    same_as_cpu("softmax without normalisation, groups by their best, " + what,
                softmax_gate{.normalize = false,
                             .scale = 16,
                             .groups = 4,
                             .top_groups = 2,
                             .group_rule = group_score::best},
                n, experts, k, x, b);
    same_as_cpu("sigmoid with groups, " + what,
                sigmoid_gate{.scale = 2.5, .epsilon = 1e-20, .groups = 4, .top_groups = 2}, n,
                experts, k, x, b);
    same_as_cpu("sqrt of softplus, " + what, sqrt_softplus_gate{}, n, experts, k, x, b);
    for (const bool weigh : {false, true})
      same_as_cpu("softmax of the chosen, " + what, top_k_softmax_gate{.weigh_with_bias = weigh}, n,
                  experts, k, x, b);
  }
}

TEMPLATE_TEST_CASE(
    "cuda routing_ops: ties go to the lowest expert, and one token alone is the same", "[cuda]",
    float, double) {
  using T = TestType;
  context<backend> ctx;
  const index_t n = 70, experts = 48, k = 6;
  auto x = battery::normals<T>(n * experts, 1);
  for (T& v : x) v = std::round(v);
  same_as_cpu("ties", top_k_softmax_gate{}, n, experts, k, x, std::vector<T>());
  const sigmoid_gate gate{.groups = 8, .top_groups = 4};
  const device_matrix<T> logits(ctx, n, experts, x), all(ctx, n, k), one(ctx, n, k);
  const battery::device_vector<context<backend>, std::int32_t> chosen(ctx, n * k),
      alone(ctx, n * k);
  const view<const T, 1> none;
  backend::route(ctx, gate, logits.in(), none, chosen.out().reshaped(n, k), all.out());
  for (index_t t = 0; t < n; ++t)
    backend::route(ctx, gate, logits.in().slice_rows(t, 1), none,
                   alone.out().reshaped(n, k).slice_rows(t, 1), one.out().slice_rows(t, 1));
  CHECK(chosen.host() == alone.host());
  CHECK(all.host() == one.host());
}

#if defined(DSR1_HOST_CUDA)

TEST_CASE("cuda routing_ops: who waits for the device") {
  context<backend> ctx;
  const battery::softmax_top_k gate;
  const index_t n = 9, experts = 4, k = 2;
  const device_matrix<float> logits(ctx, n, experts, battery::normals<float>(n * experts, 1)),
      weight(ctx, n, k), p(ctx, n, experts), counts(ctx, 1, experts);
  const battery::device_vector<context<backend>, std::int32_t> chosen(ctx, n * k), kept(ctx, n * k),
      order(ctx, n * k);
  const battery::device_vector<context<backend>, float> lse(ctx, n);
  const auto index = chosen.out().reshaped(n, k);
  const view<const std::int32_t, 2> choices = index;
  const view<const float, 1> none;
  std::vector<index_t> ends(battery::at(experts)), all = {n};
  const auto waits = [&](auto&& f) {
    const auto before = host_cuda::facts().synchronisations;
    f();
    return host_cuda::facts().synchronisations - before;
  };
  CHECK(waits([&] { backend::route(ctx, gate, logits.in(), none, index, weight.out()); }) == 1);
  CHECK(waits([&] {
          backend::sort_by_expert(ctx, choices, std::span<index_t>(ends), order.out(),
                                  kept.out().reshaped(n, k));
        }) == 1);
  CHECK(waits([&] {
          backend::count_experts(ctx, choices, row_groups(all), counts.out(), accumulate::no);
        }) == 1);
  CHECK(waits([&] {
          backend::route_backward(ctx, gate, logits.in(), none, choices, weight.in(), weight.in(),
                                  p.out());
          backend::affinities(ctx, gate, logits.in(), p.out());
          backend::affinities_backward(ctx, gate, logits.in(), p.in(), counts.in(), row_groups(all),
                                       1, p.out());
          backend::log_sum_exp(ctx, logits.in(), lse.out());
          backend::log_sum_exp_backward(ctx, logits.in(), lse.in(), lse.in(), p.out());
          backend::limit_capacity(ctx, choices, weight.in(), 3, drop_rule::by_weight,
                                  kept.out().reshaped(n, k));
        }) == 0);
}

#endif
