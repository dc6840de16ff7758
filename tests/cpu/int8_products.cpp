// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with activations of 8 bits on the CPU: against double, and what may not change a bit.

#include "battery/quant_ops.hpp"
#include "cpu/isa_guard.hpp"

#include <dsr1/cpu/int8_products.hpp>

using namespace dsr1;

namespace {

/// Numbers rounded to 8 bits, 32 columns at a time, as backend/options.hpp says.
std::vector<double> rounded(std::vector<double> x) {
  for (auto block = x.begin(); block != x.end(); block += 32) {
    double most = 0;
    for (int i = 0; i < 32; ++i) most = std::max(most, std::abs(block[i]));
    for (int i = 0; i < 32; ++i)
      block[i] = most > 0 ? std::nearbyint(block[i] * 127 / most) * most / 127 : 0;
  }
  return x;
}

/// Products with rounded activations, where the coding and the width let them be rounded.
template <class T>
void rounded_products(context<cpu>& ctx, context<cpu>& exact) {
  for (const coding_info& info : codings)
    for (const index_t columns : {32, 96, 100, 320})
      for (const index_t rows : {1, 8, 9, 16, 33, 300}) {
        if (info.bits == 4 && columns % 32 != 0) continue;
        ctx.workspace().reset();
        exact.workspace().reset();
        const std::vector<index_t> ends = {1, 1, 4, 14};
        const row_groups groups(ends);
        const auto w = battery::weights(info.type, 4, rows, columns);
        const auto x = battery::normals<T>(14 * columns, 1),
                   bias = battery::normals<T>(4 * rows, 2);
        std::vector<T> y(battery::at(14 * rows)), same(battery::at(14 * rows));
        cpu::coded_matmul(ctx, battery::cmatrix_of(x, 14, columns), groups, w,
                          battery::matrix_of(y, 14, rows), battery::cmatrix_of(bias, 4, rows));
        const bool whole = (info.bits == 4 || info.type == coding::int8) && columns % 32 == 0;
        if (whole) {
          battery::check_close(y,
                               battery::expected_product(rounded(battery::doubles(x)), groups, w,
                                                         battery::doubles(bias)),
                               "rounded activations by " + w.text());
        } else {
          cpu::coded_matmul(exact, battery::cmatrix_of(x, 14, columns), groups, w,
                            battery::matrix_of(same, 14, rows), battery::cmatrix_of(bias, 4, rows));
          battery::check_same(y, same, "exact activations by " + w.text());
        }
      }
}

}  // namespace

TEST_CASE("int8_products: activations of 8 bits, for every instruction set and in double") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2, .activations = activation_type::int8}), exact({.threads = 2});
    rounded_products<float>(ctx, exact);
    rounded_products<double>(ctx, exact);
    battery::coded_parts<float>(ctx);
    battery::coded_tokens_are_independent<float>(ctx);
    battery::coded_errors<float>(ctx);
  }
}

TEST_CASE("int8_products: rows so wide that a tile of them is more than a task should be") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2, .activations = activation_type::int8});
    const auto x = battery::normals<float>(2 * 8192, 1);
    const auto w = battery::weights(coding::int8, 1, 40, 8192);
    std::vector<float> y(2 * 40);
    const std::vector<index_t> ends = {2};
    cpu::coded_matmul(ctx, battery::cmatrix_of(x, 2, 8192), row_groups(ends), w,
                      battery::matrix_of(y, 2, 40), view<const float, 2>());
    battery::check_close(
        y, battery::expected_product(rounded(battery::doubles(x)), row_groups(ends), w, {}),
        "wide rows");
  }
}

TEST_CASE("int8_products: an activation that is not finite is seen in its row alone") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    // [activations]
    context<cpu> ctx({.threads = 2, .activations = activation_type::int8});
    // [/activations]
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      ctx.workspace().reset();
      auto x = battery::normals<float>(7 * 64, 1);
      x[3 * 64 + 40] = bad;
      std::vector<float> y(7 * 9);
      const std::vector<index_t> ends = {7};
      cpu::coded_matmul(ctx, battery::cmatrix_of(x, 7, 64), row_groups(ends),
                        battery::weights(coding::mxfp4, 1, 9, 64), battery::matrix_of(y, 7, 9),
                        view<const float, 2>());
      for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::isnan(y[i]) == (i / 9 == 3));
    }
  }
}
