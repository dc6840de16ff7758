// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The machine itself; the groups tensor, norm, glu and rows, on arrays larger than the caches.

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr index_t rows = 32'768, columns = 1024;  // 128 MiB

void multiply_add_peak(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  double best = 0;
  for (auto _ : state) {
    const double start = machine::seconds();
    best = std::max(best, machine::peak_fma_gflops(threads));
    state.SetIterationTime(machine::seconds() - start);
  }
  state.counters["GFLOP/s"] = best;
}

void memory_bandwidth(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  memory(threads);
  for (auto _ : state) state.SetIterationTime(1);  // measured once, shown once
  state.counters["read_GB/s"] = memory(threads).read;
  state.counters["copy_GB/s"] = memory(threads).copy;
}

}  // namespace

void add_machine() {
  add("machine/multiply_add", multiply_add_peak);
  add("machine/memory", memory_bandwidth);
}

void add_tensor() {
  add_with_context("tensor/fill", [](auto& state, auto& ctx) {
    tensor x(rows, columns);
    measure(state, ctx, {.bytes = x.bytes()}, [&] { cpu::fill(ctx, x.out().flat(), 0.5f); });
  });
  add_with_context("tensor/fill_normal", [](auto& state, auto& ctx) {
    tensor x(1024, columns);
    measure(state, ctx, {.bytes = x.bytes()},
            [&] { cpu::fill_normal(ctx, x.out().flat(), random_stream(1), 1); });
  });
  add_with_context("tensor/copy", [](auto& state, auto& ctx) {
    tensor x(rows, columns), y(rows, columns);
    measure(state, ctx, {.bytes = 2 * x.bytes()}, [&] { cpu::copy(ctx, x.in(), y.out()); });
  });
  add_with_context("tensor/add", [](auto& state, auto& ctx) {
    tensor x(rows, columns), y(rows, columns);
    measure(state, ctx, {.bytes = 3 * x.bytes()}, [&] { cpu::add(ctx, x.in(), y.out()); });
  });
  add_with_context("tensor/scale", [](auto& state, auto& ctx) {
    tensor x(rows, columns);
    measure(state, ctx, {.bytes = 2 * x.bytes()}, [&] { cpu::scale(ctx, x.out().flat(), 1.0f); });
  });
  add_with_context("tensor/dot", [](auto& state, auto& ctx) {
    tensor x(1, 1 << 20);
    const view<const float, 1> v = x.in().flat();
    measure(state, ctx, {.bytes = 2 * x.bytes()},
            [&] { benchmark::DoNotOptimize(cpu::dot(ctx, v, v)); });
  });
  add_with_context("norm/rms_norm", [](auto& state, auto& ctx) {
    tensor x(rows, columns), y(rows, columns), w(1, columns), r(1, rows);
    measure(state, ctx, {.bytes = 2 * x.bytes()}, [&] {
      cpu::rms_norm(ctx, x.in(), w.in().flat(), 1e-5, norm_rounding::none, y.out(), r.out().flat());
    });
  });
  add_with_context("norm/rms_norm_backward", [](auto& state, auto& ctx) {
    tensor dy(rows, columns), x(rows, columns, 2), dx(rows, columns);
    tensor w(1, columns), r(1, rows), dw(1, columns);
    measure(state, ctx, {.bytes = 3 * x.bytes()}, [&] {
      cpu::rms_norm_backward(ctx, dy.in(), x.in(), w.in().flat(), r.in().flat(), dx.out(),
                             dw.out().flat(), accumulate::no);
    });
  });
  add_with_context("glu/gated_unit", [](auto& state, auto& ctx) {
    tensor x(rows, columns), y(rows, columns / 2);
    measure(state, ctx, {.bytes = x.bytes() + y.bytes()},
            [&] { cpu::gated_unit(ctx, glu::clamped_swiglu(), x.in(), y.out()); });
  });
  add_with_context("glu/gated_unit_backward", [](auto& state, auto& ctx) {
    tensor x(rows, columns), dx(rows, columns), dy(rows, columns / 2);
    measure(state, ctx, {.bytes = 2 * x.bytes() + dy.bytes()}, [&] {
      cpu::gated_unit_backward(ctx, glu::clamped_swiglu(), dy.in(), x.in(), dx.out());
    });
  });
  add_with_context("rows/gather", [](auto& state, auto& ctx) {
    tensor x(rows, columns), y(rows, columns);
    const auto order = choices(rows, 1, rows);
    measure(state, ctx, {.bytes = 2 * x.bytes()},
            [&] { cpu::gather_rows(ctx, x.in(), order.as(rows), y.out()); });
  });
  add_with_context("rows/scatter_add", [](auto& state, auto& ctx) {
    tensor x(rows, columns), y(rows / 4, columns);
    const auto order = choices(rows / 4, 1, rows);
    measure(state, ctx, {.bytes = 3 * y.bytes()},
            [&] { cpu::scatter_add_rows(ctx, y.in(), order.as(rows / 4), x.out()); });
  });
}

}  // namespace bench
