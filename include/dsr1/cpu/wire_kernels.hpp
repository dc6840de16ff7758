// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One block of numbers to bytes and back, for every instruction set: the same bytes and bits.
#pragma once

#include <cmath>

#include <dsr1/cpu/simd.hpp>
#include <dsr1/cpu/wire_lanes.hpp>
#include <dsr1/cpu/wire_plain.hpp>

#if defined(__x86_64__)

namespace dsr1::simd {

#define DSR1_ISA avx2
#define DSR1_TARGET DSR1_AVX2
#include <dsr1/cpu/kernels/wire.inc>
#undef DSR1_ISA
#undef DSR1_TARGET

#define DSR1_ISA avx512
#define DSR1_TARGET DSR1_AVX512
#include <dsr1/cpu/kernels/wire.inc>
#undef DSR1_ISA
#undef DSR1_TARGET

}  // namespace dsr1::simd

#endif  // __x86_64__
