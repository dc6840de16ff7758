// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which instruction set the kernels use: found once at run time, never by compiler flags.
#pragma once

#include <cstdlib>
#include <string_view>

#include <dsr1/core/error.hpp>

/// A kernel function compiled for one instruction set, inlined into its caller.
#define DSR1_INLINE __attribute__((always_inline)) inline

namespace dsr1 {

/// Kernels exist for these; `generic` runs everywhere and is also the path of `double`.
enum class isa { generic, avx2, avx512 };

constexpr std::string_view name_of(isa which) {
  return which == isa::avx512 ? "avx512" : which == isa::avx2 ? "avx2" : "generic";
}

/// The best instruction set of this processor for which there are kernels.
inline isa best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return isa::avx2;
#endif
  return isa::generic;
}

/// The instruction set to use: the best one, or what the environment variable DSR1_ISA names.
/// Throws `error` when it names an unknown one or one that this processor lacks.
inline isa chosen_isa() {
  const isa best = best_isa();
  const char* wanted = std::getenv("DSR1_ISA");
  if (wanted == nullptr || *wanted == '\0') return best;
  for (const isa candidate : {isa::generic, isa::avx2, isa::avx512}) {
    if (name_of(candidate) != wanted) continue;
    expects(candidate <= best, "DSR1_ISA is ", wanted, ", but this processor offers at most ",
            name_of(best));
    return candidate;
  }
  throw error(text("DSR1_ISA is ", wanted, ", expected generic, avx2 or avx512"));
}

}  // namespace dsr1
