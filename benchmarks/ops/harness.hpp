// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How bench_ops measures: warm calls, FLOP or bytes, and the machine's limit beside them.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <dsr1/cpu.hpp>

#include "machine.hpp"

namespace bench {

using namespace dsr1;
using context_type = context<cpu>;

/// What one call has to do: multiply-adds count as two; bytes are those that must move at least.
struct work {
  double flop = 0;
  double bytes = 0;
};

/// The multiply-add peak of now: it is measured again when the last time is two seconds ago,
/// because the speed of a shared machine drifts.
inline double peak_gflops(int threads) {
  struct reading {
    double time = -10, value = 0;
  };
  static std::map<int, reading> readings;
  reading& r = readings[threads];
  if (machine::seconds() - r.time > 2) r.value = machine::peak_fma_gflops(threads);
  r.time = machine::seconds();
  return r.value;
}

/// Memory bandwidth, measured once in a run for each number of threads.
inline const machine::bandwidth& memory(int threads) {
  static std::map<int, machine::bandwidth> readings;
  const auto found = readings.find(threads);
  if (found != readings.end()) return found->second;
  return readings[threads] = machine::memory_bandwidth(threads);
}

/// With one thread its CPU time, so that time given to other programs does not count; with more the
/// time of the clock, which shows also how well they share the work.
inline double seconds(int threads) {
  if (threads > 1) return machine::seconds();
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Times every call of f but the first two: one finds out how large the workspace must be, the next
/// touches the block that `reset` then made.
///   GFLOP/s or GB/s   from the median call
///   of_peak           the same over the multiply-add peak
///   of_memory         the same over the larger of the read and the copy bandwidth; above 1 when
///                     what is touched fits the caches
///   best              the same as of_peak or of_memory, from the fastest call: on a machine that
///                     others use too, the figure to compare, since the limits are best cases too
template <class F>
void measure(benchmark::State& state, context_type& ctx, work w, F&& f) {
  const int threads = ctx.device().pool().size();
  const double peak = w.flop > 0 ? peak_gflops(threads) : 0;
  const double limit =
      w.bytes > 0 ? std::max(memory(threads).read, memory(threads).copy) : 0;  // before the timing
  f();
  f();
  std::vector<double> times;
  for (auto _ : state) {
    const double start = seconds(threads);
    f();
    benchmark::ClobberMemory();
    times.push_back(seconds(threads) - start);
    state.SetIterationTime(times.back());
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2], best = times.front();
  if (w.flop > 0) {
    state.counters["GFLOP/s"] = w.flop / median * 1e-9;
    state.counters["of_peak"] = w.flop / median * 1e-9 / peak;
    state.counters["best"] = w.flop / best * 1e-9 / peak;
  } else if (w.bytes > 0) {
    state.counters["GB/s"] = w.bytes / median * 1e-9;
    state.counters["of_memory"] = w.bytes / median * 1e-9 / limit;
    state.counters["best"] = w.bytes / best * 1e-9 / limit;
  }
}

/// Numbers in [-1, 1), not all the same, made quickly.
inline buffer<float> random_numbers(index_t count, std::uint64_t seed = 1) {
  buffer<float> x(count);
  std::uint64_t s = seed;
  for (float& v : x) {
    s = s * 6364136223846793005u + 1442695040888963407u;
    v = static_cast<float>(static_cast<std::int64_t>(s) >> 32) * 0x1p-31f;
  }
  return x;
}

/// A matrix and its memory.
struct tensor {
  buffer<float> memory;
  index_t rows, columns;

  tensor(index_t r, index_t c, std::uint64_t seed = 1)
      : memory(random_numbers(r * c, seed)), rows(r), columns(c) {}
  view<float, 2> out() { return memory.as(rows, columns); }
  view<const float, 2> in() const { return memory.as(rows, columns); }
  dsr1::matrix<const float> mat() const { return in(); }
  double bytes() const { return 4.0 * static_cast<double>(rows * columns); }
};

/// Even choices: token t of [tokens, k] chooses k different ones of `experts`, scattered.
inline buffer<std::int32_t> choices(index_t tokens, index_t k, index_t experts) {
  buffer<std::int32_t> index(tokens * k);
  std::uint64_t s = 7;
  for (index_t t = 0; t < tokens; ++t) {
    s = s * 6364136223846793005u + 1442695040888963407u;
    for (index_t j = 0; j < k; ++j)
      index[t * k + j] =
          static_cast<std::int32_t>((static_cast<index_t>(s >> 40) + j * (experts / k)) % experts);
  }
  return index;
}

inline index_t at(const benchmark::State& state, int i) {
  return static_cast<index_t>(state.range(i));
}
inline double product(std::initializer_list<index_t> factors) {
  double p = 1;
  for (const index_t f : factors) p *= static_cast<double>(f);
  return p;
}

/// Registers f(state) with one thread and, where there are more, with two.
template <class F>
benchmark::internal::Benchmark* add(const std::string& name, F&& f) {
  auto* b = benchmark::RegisterBenchmark(name.c_str(), std::forward<F>(f));
  b->UseManualTime()->Unit(benchmark::kMicrosecond)->MinTime(0.15)->ArgName("threads")->Arg(1);
  if (std::thread::hardware_concurrency() > 1) b->Arg(2);
  return b;
}

/// The same for a function that makes its own context: f(state, ctx).
template <class F>
void add_with_context(const std::string& name, F f) {
  add(name, [f](benchmark::State& state) {
    context_type ctx({.threads = static_cast<int>(state.range(0))});
    f(state, ctx);
  });
}

void add_machine();
void add_tensor();
void add_linear();
void add_quant();
void add_attention();
void add_routing();
void add_loss();
void add_layers();
void add_decode();
void add_data();
void add_wire();

}  // namespace bench
