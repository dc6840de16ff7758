// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What this machine can do at best, measured in the same run as what we reach.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

#include <dsr1/cpu/simd.hpp>
#include <dsr1/cpu/thread_pool.hpp>

namespace machine {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// CPU time of all threads of this process.
inline double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

namespace detail {

// Different in every lane, so that the compiler cannot compute two equal chains once.
inline float starts[64];

// Independent chains of multiply-adds in twelve registers, which nothing leaves.
template <class S>
struct fma_loop;

#define DSR1_FMA_LOOP(S, TARGET, VECS)                                                     \
  template <>                                                                              \
  struct fma_loop<S> {                                                                     \
    static constexpr double flops = 2.0 * S::width * VECS;                                 \
    TARGET static float run(long loops) {                                                  \
      const S::vec a = S::load(starts + 40), b = S::load(starts + 48);                     \
      S::vec x[VECS];                                                                      \
      _Pragma("GCC unroll 12") for (int i = 0; i < VECS; ++i) x[i] = S::load(starts + i);  \
      for (long n = 0; n < loops; ++n)                                                     \
        _Pragma("GCC unroll 12") for (int i = 0; i < VECS; ++i) x[i] = S::fma(x[i], a, b); \
      float sum = 0;                                                                       \
      _Pragma("GCC unroll 12") for (int i = 0; i < VECS; ++i) sum += S::sum(x[i]);         \
      return sum;                                                                          \
    }                                                                                      \
  };
DSR1_FMA_LOOP(dsr1::simd::generic<float>, , 3)
#if defined(__x86_64__)
DSR1_FMA_LOOP(dsr1::simd::avx2, DSR1_AVX2, 6)
DSR1_FMA_LOOP(dsr1::simd::avx512, DSR1_AVX512, 12)
#endif
#undef DSR1_FMA_LOOP

}  // namespace detail

/// Best rate of fp32 multiply-adds over some runs, in GFLOP/s (a multiply-add counts as two). The
/// runs are about a millisecond long, so that some of them are not interrupted on a busy machine.
inline double peak_fma_gflops(int threads, int runs = 40) {
  dsr1::thread_pool pool(threads);
  double best = 0;
  volatile float sink = 0;
  for (int i = 0; i < 64; ++i) detail::starts[i] = 0.5f + 0.001f * static_cast<float>(i);
  dsr1::simd::dispatch<float>(dsr1::chosen_isa(), [&](auto instructions) {
    using loop = detail::fma_loop<decltype(instructions)>;
    constexpr long loops = 300'000;
    for (int r = 0; r < runs; ++r) {
      const double start = seconds();
      pool.run(threads, [&](dsr1::index_t, int) { sink = loop::run(loops); });
      best = std::max(best, loop::flops * loops * threads / (seconds() - start) * 1e-9);
    }
  });
  return best;
}

struct bandwidth {
  double read = 0;         ///< GB/s
  double read_median = 0;  ///< GB/s, of all pieces
  double copy = 0;         ///< GB/s, bytes read plus bytes written
};

/// Best rates (and the median) over memory far larger than the caches, taken piece by piece: pieces
/// of about a millisecond, so that some of them are not interrupted on a busy machine.
inline bandwidth memory_bandwidth(int threads, int rounds = 4) {
  constexpr dsr1::index_t words = dsr1::index_t{1} << 25;  // 256 MiB
  std::vector<std::uint64_t> from(words, 1), to(words, 2);
  dsr1::thread_pool pool(threads);
  bandwidth best;
  volatile std::uint64_t sink = 0;
  constexpr dsr1::index_t piece = dsr1::index_t{1} << 21;  // 16 MiB a thread
  const dsr1::index_t pieces = words / (piece * threads);
  const auto rate = [&](dsr1::index_t i, double bytes, auto f) {
    const double start = seconds();
    pool.run(threads, [&](dsr1::index_t t, int) { f((i * threads + t) * piece); });
    return bytes * static_cast<double>(piece * threads) / (seconds() - start) * 1e-9;
  };
  std::vector<double> reads;
  for (dsr1::index_t i = 0; i < rounds * pieces; ++i) {
    reads.push_back(rate(i % pieces, 8, [&](dsr1::index_t first) {
      const std::uint64_t* p = from.data() + first;
      std::uint64_t sum[8] = {};
      for (dsr1::index_t j = 0; j < piece; j += 8)
        for (int k = 0; k < 8; ++k) sum[k] += p[j + k];
      for (const std::uint64_t s : sum) sink = s;
    }));
    best.copy = std::max(best.copy, rate(i % pieces, 16, [&](dsr1::index_t first) {
                           std::copy_n(from.data() + first, piece, to.data() + first);
                         }));
  }
  best.read = *std::max_element(reads.begin(), reads.end());
  best.read_median = median(reads);
  return best;
}

}  // namespace machine
