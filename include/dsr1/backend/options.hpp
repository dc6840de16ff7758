// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How a context is set up.
#pragma once

#include <cstdint>

namespace dsr1 {

/// What products with coded weights compute with (activations: the numbers of tokens).
///     exact   the numbers themselves
///     int8    per 32 columns code = x / s to the nearest whole number, ties to even, with
///             s = max |x| / 127 (dynamic quantization of activations): faster, within s / 2 of
///             every number. With mxfp4, int4 and int8 weights whose columns are a multiple of 32;
///             others take the numbers themselves.
enum class activation_type { exact, int8 };

/// What dense and grouped products of floats compute with, forward and backward (doubles stay
/// exact).
///     exact   the numbers themselves
///     bf16    c_ij = sum over p of bf16(a_ip) bf16(b_pj): each operand rounded to bfloat16, to
///             nearest, ties to even, and summed in float. An operand is within 2^-8 of its number,
///             so c_ij is within 2^-7 of the sum of |a_ip b_pj|, and what float sums add.
///             On a CUDA device only, by its tensor cores.
enum class product_type { exact, bf16 };

struct context_options {
  int threads = 0;         ///< CPU threads; 0 means as many as the hardware has
  std::uint64_t seed = 0;  ///< key of every random stream of the run
  int device = 0;          ///< which accelerator, for a backend that has several
  /// Accelerators: waits for each operation, so that an error names the one that failed.
  bool wait_for_each = false;
  activation_type activations = activation_type::exact;  ///< for generating, not for training
  product_type products = product_type::exact;           ///< numbers in memory stay floats
};

}  // namespace dsr1
