// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Optimizer steps on the CPU.

#include "battery/optimizer_ops.hpp"
#include "cpu/isa_guard.hpp"

using namespace dsr1;

static_assert(optimizer_ops<context<cpu>, float> && optimizer_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu optimizer_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::adamw<TestType>(ctx);
  battery::sgd<TestType>(ctx);
  battery::lion<TestType>(ctx);
  battery::muon<TestType>(ctx);
  battery::squared_norms<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu optimizer_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 1});
  battery::optimizer_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu optimizer_ops: any number of threads gives the same bits", "", float,
                   double) {
  std::vector<TestType> first;
  for (const int threads : {1, 2, 3, 8}) {
    context<cpu> ctx({.threads = threads});
    const auto bits = battery::optimizer_bits<TestType>(ctx);
    if (first.empty()) first = bits;
    battery::check_same(bits, first, text(threads, " threads"));
  }
}

TEST_CASE("cpu optimizer_ops: the instruction sets agree, AVX2 and AVX-512 to the bit") {
  std::vector<double> generic;
  std::vector<float> vectors;
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    battery::adamw<float>(ctx);
    battery::sgd<float>(ctx);
    battery::lion<float>(ctx);
    battery::muon<float>(ctx);
    battery::squared_norms<float>(ctx);
    const auto bits = battery::optimizer_bits<float>(ctx);
    const std::string what(name_of(which));
    if (which == isa::generic) {
      generic = battery::doubles(bits);
    } else {
      if (vectors.empty()) vectors = bits;
      battery::check_same(bits, vectors, what);
      battery::check_close(bits, generic, what);
    }
  }
}
