// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The policy's view of rows of logits on a CUDA device.

#include "battery/policy_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/policy_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_policy>;
static_assert(policy_ops<context<backend>, float> && policy_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda policy_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::policy_rows<TestType>(ctx);
  battery::policy_rows_are_independent<TestType>(ctx);
  battery::policy_extremes<TestType>(ctx);
  battery::policy_not_finite<TestType>(ctx);
  battery::policy_errors<TestType>(ctx);
}

namespace {

/// Log-probabilities, entropies, divergences and gradients of some rows, one after another.
template <class T, class Ctx>
std::vector<T> results(Ctx& ctx, const std::vector<T>& x, const std::vector<T>& q,
                       const std::vector<std::int32_t>& chosen) {
  using battery::device_matrix, battery::device_vector;
  const auto rows = static_cast<index_t>(chosen.size());
  const index_t columns = static_cast<index_t>(x.size()) / rows;
  const device_matrix<Ctx, T> logits(ctx, rows, columns, x),
      reference(ctx, q.empty() ? 0 : rows, columns, q);
  const device_vector<Ctx, std::int32_t> actions(ctx, chosen);
  const device_vector<Ctx, T> lp(ctx, rows), entropy(ctx, rows), divergence(ctx, rows),
      slopes(ctx, battery::normals<T>(rows, 9));
  Ctx::backend::policy_rows(ctx, logits.in(), reference.in(), actions.in(), 0.8, lp.out(),
                            entropy.out(), divergence.out());
  Ctx::backend::policy_gradient_rows(ctx, logits.out(), reference.in(), actions.in(), 0.8,
                                     slopes.in(), slopes.in(), slopes.in());
  std::vector<T> out;
  for (const auto& part : {lp.host(), entropy.host(), divergence.host(), logits.host()})
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("cuda policy_ops: a large vocabulary, as the CPU", "[cuda]", float, double) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  for (const index_t columns : {511, 512, 513, 30'011})
    for (const bool with_reference : {false, true}) {
      const auto x = battery::normals<TestType>(3 * columns, 1, 5),
                 q = with_reference ? battery::normals<TestType>(3 * columns, 2, 5)
                                    : std::vector<TestType>();
      const std::vector<std::int32_t> chosen = {static_cast<std::int32_t>(columns - 1), -1, 0};
      battery::check_close(results(ctx, x, q, chosen),
                           battery::doubles(results(host, x, q, chosen)),
                           text(columns, " columns"));
    }
}

TEMPLATE_TEST_CASE("cuda policy_ops: rising logits move every top, and a model is at no distance",
                   "[cuda]", float, double) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  const index_t columns = 5000;
  std::vector<TestType> x, falling;
  for (index_t i = 0; i < columns; ++i) x.push_back(static_cast<TestType>(i) / TestType(300));
  falling.assign(x.rbegin(), x.rend());
  const std::vector<std::int32_t> chosen = {4000};
  battery::check_close(results(ctx, x, falling, chosen),
                       battery::doubles(results(host, x, falling, chosen)), "against falling ones");
  CHECK(results(ctx, x, x, chosen)[2] == 0);
  const auto any = battery::normals<TestType>(columns, 3, 4);
  CHECK(results(ctx, any, any, chosen)[2] == 0);
}
