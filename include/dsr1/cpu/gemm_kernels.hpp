// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The register tile, the packing and the block product that all fast CPU products share.
#pragma once

#include <cstdint>
#include <cstring>

#include <dsr1/cpu/simd.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1::simd {

template <class Isa>
struct gemm_kernels;

#define DSR1_KERNELS <dsr1/cpu/kernels/gemm.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
