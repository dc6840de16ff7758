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

struct context_options {
  int threads = 0;         ///< CPU threads; 0 means as many as the hardware has
  std::uint64_t seed = 0;  ///< key of every random stream of the run
  int device = 0;          ///< which accelerator, for a backend that has several
  /// Accelerators: waits for each operation, so that an error names the one that failed.
  bool wait_for_each = false;
  activation_type activations = activation_type::exact;  ///< for generating, not for training
};

}  // namespace dsr1
