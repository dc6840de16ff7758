// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The check of what the CUDA runtime returns.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// Throws `error` naming the function and CUDA's text.
inline void check(cudaError_t code, std::string_view function, where at = where::current()) {
  if (code != cudaSuccess) throw error(text(function, " failed: ", cudaGetErrorString(code)), at);
}

}  // namespace dsr1
