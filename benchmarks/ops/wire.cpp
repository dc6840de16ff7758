// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers to bytes and back, on arrays larger than the caches: bound by memory.

#include <string>

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr index_t count = index_t{1} << 24;  // 64 MiB of floats

struct wire_arrays {
  wire_format format;
  tensor x{1, count}, residual{1, count, 2};
  buffer<std::byte> memory;

  explicit wire_arrays(const wire_format& f) : format(f), memory(f.bytes(count)) {}
  view<std::byte, 2> bytes() { return memory.as(1, format.bytes(count)); }
  view<const std::byte, 2> coded() { return bytes(); }
  double coded_bytes() const { return static_cast<double>(format.bytes(count)); }
};

void pack(benchmark::State& state, context_type& ctx, const wire_format& format, bool feedback) {
  wire_arrays a(format);
  std::uint64_t first = 0;
  const view<float, 2> residual = feedback ? a.residual.out() : view<float, 2>();
  measure(state, ctx, {.bytes = (feedback ? 3 : 1) * a.x.bytes() + a.coded_bytes()}, [&] {
    cpu::wire_pack(ctx, format, a.x.in(), residual, random_stream(1), first, a.bytes());
    first += format.draws(count);
  });
}

void unpack(benchmark::State& state, context_type& ctx, const wire_format& format, bool add) {
  wire_arrays a(format);
  cpu::wire_pack(ctx, format, a.x.in(), view<float, 2>(), random_stream(1), 0, a.bytes());
  measure(state, ctx, {.bytes = (add ? 2 : 1) * a.x.bytes() + a.coded_bytes()}, [&] {
    if (add)
      cpu::wire_unpack_add(ctx, format, a.coded(), a.x.out());
    else
      cpu::wire_unpack(ctx, format, a.coded(), a.x.out());
  });
}

}  // namespace

void add_wire() {
  for (const wire_code code :
       {wire_code::f32, wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4}) {
    const wire_format f{.code = code};
    const std::string name = text("wire/", name_of(code));
    add_with_context(name + "/pack", [f](auto& s, auto& c) { pack(s, c, f, false); });
    add_with_context(name + "/pack_feedback", [f](auto& s, auto& c) { pack(s, c, f, true); });
    add_with_context(name + "/unpack", [f](auto& s, auto& c) { unpack(s, c, f, false); });
    add_with_context(name + "/unpack_add", [f](auto& s, auto& c) { unpack(s, c, f, true); });
    if (code == wire_code::f32) continue;
    const wire_format random{.code = code, .stochastic = true};
    add_with_context(name + "/pack_stochastic",
                     [random](auto& s, auto& c) { pack(s, c, random, false); });
  }
  add_with_context("wire/first_not_finite", [](auto& state, auto& ctx) {
    tensor x(1, count);
    const view<const float, 1> v = x.in().flat();
    measure(state, ctx, {.bytes = x.bytes()},
            [&] { benchmark::DoNotOptimize(cpu::first_not_finite(ctx, v)); });
  });
}

}  // namespace bench
