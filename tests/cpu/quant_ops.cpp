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
