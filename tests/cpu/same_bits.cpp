// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What may not change a bit of any operation: threads, strides, a second run, AVX2 or AVX-512.

#include "battery/attention_cache.hpp"
#include "battery/trace.hpp"
#include "cpu/isa_guard.hpp"

using namespace dsr1;

TEMPLATE_TEST_CASE("cpu: any number of threads gives the same bits, for every operation", "", float,
                   double) {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    context<cpu> one({.threads = 1});
    const auto expected = battery::trace_of<TestType>(one);
    for (const int threads : {2, 3, 5}) {
      context<cpu> ctx({.threads = threads});
      battery::check_same(battery::trace_of<TestType>(ctx), expected,
                          text(threads, " threads, ", name_of(which)));
    }
  }
}

TEMPLATE_TEST_CASE("cpu: no operation's bits depend on strides or on what ran before", "", float,
                   double) {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    const auto expected = battery::trace_of<TestType>(ctx);
    battery::check_same(battery::trace_of<TestType>(ctx), expected,
                        text("again, ", name_of(which)));
    battery::check_same(battery::trace_of<TestType>(ctx, {1, 0}), expected,
                        text("slices, ", name_of(which)));
    battery::check_same(battery::trace_of<TestType>(ctx, {5, 11}), expected,
                        text("slices, ", name_of(which)));
  }
}

TEST_CASE("cpu: AVX2 and AVX-512 give the same bits, for every operation") {
  if (!has_isa(isa::avx512)) return;
  const auto with = [](isa which) {
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    return battery::trace_of<float>(ctx);
  };
  battery::check_same(with(isa::avx512), with(isa::avx2), "AVX-512 against AVX2");
}

TEST_CASE("cpu: the portable kernels agree with the vector kernels but for rounding") {
  if (!has_isa(isa::avx2)) return;
  const auto with = [](isa which) {
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    return battery::trace_of<float>(ctx);
  };
  const auto a = with(isa::generic), b = with(isa::avx2);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].first == "rms_norm") {  // may round to the other neighbour in bfloat16
      const auto d = testing::compare(a[i].second.data(), b[i].second.data(),
                                      static_cast<index_t>(b[i].second.size()));
      CHECK(d.relative() < 0x1p-8);
    } else {
      battery::check_close(a[i].second, battery::doubles(b[i].second), a[i].first);
    }
  }
}

TEST_CASE("cpu: one row and a batch give the same bits on every instruction set") {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    battery::rows_are_independent<float>(ctx);
    battery::attention_cached<float>(ctx);
  }
}

TEST_CASE("cpu: the battery passes on every instruction set") {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    INFO(name_of(which));
    context<cpu> ctx({.threads = 2});
    battery::matmul<float>(ctx);
    battery::m_grouped<float>(ctx, 40, 33);
    battery::k_grouped<float>(ctx, 9, 40);
    battery::attention<float>(ctx);
    battery::attention_of_one_tensor<float>(ctx);
    battery::rotate<float>(ctx);
  }
}
