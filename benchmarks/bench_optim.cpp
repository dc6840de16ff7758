// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Optimizer steps and the global norm in bytes per second, beside what memory allows in the same
// run.
//
// Bytes are those that the operation must move: AdamW reads value, gradient and two states and
// writes all but the gradient, 28 bytes per parameter. Compare steps with memory/update (which
// writes where it has read, as they do), the norm with memory/read. --json prints Google
// Benchmark's JSON; all its own options work too. DSR1_BENCH_MIB: parameters in Mi, default 64.

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <dsr1/cpu.hpp>
#include <dsr1/optim.hpp>

using namespace dsr1;

namespace {

index_t parameters() {
  const char* mebi = std::getenv("DSR1_BENCH_MIB");
  return (mebi ? std::max(1L, std::atol(mebi)) : 64) << 20;
}

/// A model of one large matrix, cut as a weight of 1024 inputs would be, or of many small ones.
struct weights {
  std::vector<parameter<float>> all;

  weights(context<cpu>& ctx, index_t count, index_t rows, index_t columns, bool gradients = true) {
    for (index_t i = 0; i < count; ++i) {
      all.emplace_back(std::initializer_list<index_t>{rows, columns});
      all.back().allocate(ctx.memory(), gradients);
      cpu::fill(ctx, all.back().values().as(rows * columns), 0.5f);
      if (!gradients) continue;
      all.back().next_gradient();
      cpu::fill(ctx, all.back().gradients().as(rows * columns), 0.25f);
    }
  }
  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    index_t i = 0;
    for (auto& p : all) visitor(parameter_name(i++, parameter_name("weight")), p);
  }
};

void report(benchmark::State& state, double bytes_per_round) {
  state.SetBytesProcessed(
      static_cast<std::int64_t>(bytes_per_round * static_cast<double>(state.iterations())));
}

/// f(pointer, count) on pieces of 1 MiB of 64 Mi floats, on all threads.
template <class F>
void memory(benchmark::State& state, double bytes_per_element, int arrays, F&& f) {
  context<cpu> ctx({.threads = static_cast<int>(state.range(0))});
  const index_t n = parameters(), piece = index_t{1} << 18;
  std::vector<buffer<float>> x;
  for (int i = 0; i < arrays; ++i) {
    x.emplace_back(n);
    cpu::fill(ctx, x.back().as(n), 0.0f);
  }
  for (auto _ : state)
    parallel_for(ctx, n / piece, [&](index_t task, int) {
      f(x[0].data() + task * piece, x.back().data() + task * piece, piece);
    });
  report(state, bytes_per_element * static_cast<double>(n));
}

void memory_copy(benchmark::State& state) {
  memory(state, 8, 2, [](const float* from, float* to, index_t n) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
  });
}

void memory_update(benchmark::State& state) {
  simd::dispatch<float>(chosen_isa(), [&](auto set) {
    memory(state, 8, 1, [](const float*, float* x, index_t n) {
      simd::row_kernels<decltype(set)>::scaled_add(0.0f, x, x, n, false);
    });
  });
}

void memory_read(benchmark::State& state) {
  memory(state, 4, 1, [](const float* x, const float*, index_t n) {
    std::uint64_t sum[8] = {}, word[8];
    for (index_t i = 0; i < n; i += 16) {
      std::memcpy(word, x + i, sizeof word);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) sum[j] ^= word[j];
    }
    benchmark::DoNotOptimize(sum);
  });
}

template <class Policy>
void step(benchmark::State& state, double bytes_per_parameter, index_t matrices) {
  context<cpu> ctx({.threads = static_cast<int>(state.range(0))});
  const index_t each = parameters() / matrices;
  weights model(ctx, matrices, each / 256, 256);
  Policy policy;
  if constexpr (requires { policy.momentum; }) policy.momentum = 0.9;
  optimizer<Policy> opt(ctx, parameter_list<float>(model), policy);
  opt.step(ctx, 1e-4);
  for (auto _ : state) opt.step(ctx, 1e-4, 0.5);
  report(state, bytes_per_parameter * static_cast<double>(each * matrices));
}

void adamw_step(benchmark::State& state) { step<adamw>(state, 28, 1); }
void adamw_step_of_1024_tensors(benchmark::State& state) { step<adamw>(state, 28, 1024); }
void sgd_momentum_step(benchmark::State& state) { step<sgd>(state, 20, 1); }
void lion_step(benchmark::State& state) { step<lion>(state, 20, 1); }

void norm(benchmark::State& state) {
  context<cpu> ctx({.threads = static_cast<int>(state.range(0))});
  weights model(ctx, 1, parameters() / 256, 256);
  const parameter_list<float> list(model);
  for (auto _ : state) benchmark::DoNotOptimize(global_norm(ctx, list));
  report(state, 4 * static_cast<double>(parameters()));
}

/// Five iterations on 32 experts' matrices [512, 256]; 4 m n^2 + 2 n^3 operations each.
void orthogonal(benchmark::State& state) {
  context<cpu> ctx({.threads = static_cast<int>(state.range(0))});
  constexpr index_t experts = 32, rows = 512, columns = 256;
  buffer<float> x(experts * rows * columns);
  for (auto _ : state) {
    cpu::fill_normal(ctx, x.as(x.size()), random_stream(1), 1);
    newton_schulz(ctx, x.as(experts, rows, columns));
  }
  const double flop =
      5.0 * experts * (4.0 * rows * columns * columns + 2.0 * columns * columns * columns);
  state.counters["FLOP/s"] =
      benchmark::Counter(flop, benchmark::Counter::kIsIterationInvariantRate);
}

void add(const char* name, void (*f)(benchmark::State&)) {
  auto* b = benchmark::RegisterBenchmark(name, f)->ArgName("threads")->Arg(1)->UseRealTime()->Unit(
      benchmark::kMillisecond);
  if (const int all = static_cast<int>(std::thread::hardware_concurrency()); all > 1) b->Arg(all);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  char json_format[] = "--benchmark_format=json";
  for (char*& a : arguments)
    if (std::strcmp(a, "--json") == 0) a = json_format;
  add("memory/copy", memory_copy);
  add("memory/update", memory_update);
  add("memory/read", memory_read);
  add("adamw", adamw_step);
  add("adamw/1024_tensors", adamw_step_of_1024_tensors);
  add("sgd_momentum", sgd_momentum_step);
  add("lion", lion_step);
  add("global_norm", norm);
  add("newton_schulz", orthogonal);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
