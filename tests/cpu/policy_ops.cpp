// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The policy's view of rows of logits on the CPU.

#include "battery/policy_ops.hpp"
#include "cpu/isa_guard.hpp"

using namespace dsr1;

static_assert(policy_ops<context<cpu>, float> && policy_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu policy_ops: battery on every instruction set", "", float, double) {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    battery::policy_rows<TestType>(ctx);
    battery::policy_rows_are_independent<TestType>(ctx);
    battery::policy_extremes<TestType>(ctx);
    battery::policy_not_finite<TestType>(ctx);
    battery::policy_errors<TestType>(ctx);
  }
}

namespace {

/// All results of some rows, one after another.
template <class T>
std::vector<T> results(int threads) {
  context<cpu> ctx({.threads = threads});
  const index_t rows = 130, columns = 500;
  const auto x = battery::normals<T>(rows * columns, 1), q = battery::normals<T>(rows * columns, 2);
  std::vector<std::int32_t> actions;
  for (index_t t = 0; t < rows; ++t) actions.push_back(static_cast<std::int32_t>(t) - 1);
  std::vector<T> out(static_cast<std::size_t>(3 * rows)), gradient = x;
  const view<T, 2> results(out.data(), 3, rows);
  const view<const std::int32_t, 1> chosen(actions.data(), rows);
  cpu::policy_rows(ctx, battery::matrix_of(x, rows, columns), battery::matrix_of(q, rows, columns),
                   chosen, 1.1, results[0], results[1], results[2]);
  const view<const T, 2> slopes = results;
  cpu::policy_gradient_rows(ctx, battery::matrix_of(gradient, rows, columns),
                            battery::matrix_of(q, rows, columns), chosen, 1.1, slopes[0], slopes[1],
                            slopes[2]);
  out.insert(out.end(), gradient.begin(), gradient.end());
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("cpu policy_ops: the number of threads changes no bit", "", float, double) {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    const auto one = results<TestType>(1);
    for (const int threads : {2, 3, 5})
      battery::check_same(results<TestType>(threads), one, text(threads, " threads"));
  }
}

TEST_CASE("cpu policy_ops: AVX2 and AVX-512 give the same bits") {
  if (!has_isa(isa::avx512)) return;
  const auto with = [](isa which) {
    const isa_guard guard(which);
    return results<float>(1);
  };
  battery::check_same(with(isa::avx512), with(isa::avx2), "AVX-512 against AVX2");
}
