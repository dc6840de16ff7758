// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with coded weights on the CPU: against double, and what may not change a bit.

#include "battery/quant_ops.hpp"
#include "cpu/isa_guard.hpp"

using namespace dsr1;

static_assert(quant_ops<context<cpu>, float> && quant_ops<context<cpu>, double>);

TEST_CASE("cpu quant_ops: products, rows and parts, for every instruction set") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    battery::coded_matmul<float>(ctx);
    battery::coded_parts<float>(ctx);
    battery::coded_apart<float>(ctx);
    battery::coded_rows<float>(ctx);
  }
}

TEST_CASE("cpu quant_ops: products, rows and parts in double") {
  context<cpu> ctx({.threads = 2});
  battery::coded_matmul<double>(ctx);
  battery::coded_parts<double>(ctx);
  battery::coded_apart<double>(ctx);
  battery::coded_rows<double>(ctx);
}

TEST_CASE("cpu quant_ops: a token has the same bits alone and in every batch") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    battery::coded_tokens_are_independent<float>(ctx);
  }
  context<cpu> ctx({.threads = 2});
  battery::coded_tokens_are_independent<double>(ctx);
}

TEMPLATE_TEST_CASE("cpu quant_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 1});
  battery::coded_errors<TestType>(ctx);
}

namespace {

/// Enough work for several threads: three experts, one of them without tokens.
std::vector<float> large_product(coding type, isa which, int threads,
                                 activation_type activations = activation_type::exact) {
  const isa_guard guard(which);
  context<cpu> ctx({.threads = threads, .activations = activations});
  const std::vector<index_t> ends = {1, 1, 40};
  const auto w = battery::weights(type, 3, 300, 256);
  const auto x = battery::normals<float>(40 * 256, 1);
  std::vector<float> y(40 * 300);
  cpu::coded_matmul(ctx, battery::cmatrix_of(x, 40, 256), row_groups(ends), w,
                    battery::matrix_of(y, 40, 300), view<const float, 2>());
  return y;
}

}  // namespace

TEST_CASE("cpu quant_ops: threads change no bit, nor does AVX-512 instead of AVX2") {
  for (const auto how : {activation_type::exact, activation_type::int8})
    for (const coding_info& info : codings) {
      for (const isa which : available_isas()) {
        const auto one = large_product(info.type, which, 1, how);
        for (const int threads : {2, 5})
          battery::check_same(large_product(info.type, which, threads, how), one,
                              text(info.name, ", ", threads, " threads, ", name_of(which)));
      }
      if (has_isa(isa::avx512))
        battery::check_same(large_product(info.type, isa::avx512, 1, how),
                            large_product(info.type, isa::avx2, 1, how), std::string(info.name));
    }
}

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
        const auto x = battery::normals<T>(14 * columns, 1), bias = battery::normals<T>(4 * rows, 2);
        std::vector<T> y(battery::at(14 * rows)), same(battery::at(14 * rows));
        cpu::coded_matmul(ctx, battery::cmatrix_of(x, 14, columns), groups, w,
                          battery::matrix_of(y, 14, rows), battery::cmatrix_of(bias, 4, rows));
        const bool whole = (info.bits == 4 || info.type == coding::int8) && columns % 32 == 0;
        if (whole) {
          battery::check_close(
              y, battery::expected_product(rounded(battery::doubles(x)), groups, w,
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

TEST_CASE("cpu quant_ops: activations of 8 bits, for every instruction set and in double") {
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

TEST_CASE("cpu quant_ops: an activation of 8 bits that is not finite is seen in its row alone") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    // [activations]
    context<cpu> ctx({.threads = 2, .activations = activation_type::int8});
    // [/activations]
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
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
