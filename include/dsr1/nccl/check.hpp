// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The check of what NCCL returns, and NCCL's names of the number types.
#pragma once

#include <nccl.h>

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <dsr1/core/error.hpp>
#include <dsr1/core/float16.hpp>
#include <dsr1/cuda/check.hpp>

namespace dsr1 {

/// Throws `error` naming the function and NCCL's text. An operation under way is no error.
inline void check(ncclResult_t code, std::string_view function, where at = where::current()) {
  if (code != ncclSuccess && code != ncclInProgress)
    throw error(text(function, " failed: ", ncclGetErrorString(code)), at);
}

/// Types that NCCL can add; all others can be moved, as bytes.
template <class T>
concept nccl_number =
    (std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && sizeof(T) != 2 && sizeof(T) <= 8) ||
    std::is_same_v<T, bf16> || std::is_same_v<T, half>;

template <nccl_number T>
constexpr ncclDataType_t nccl_type() {
  if constexpr (std::is_same_v<T, bf16>)
    return ncclBfloat16;
  else if constexpr (std::is_same_v<T, half>)
    return ncclFloat16;
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? ncclFloat32 : ncclFloat64;
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? ncclInt8 : sizeof(T) == 4 ? ncclInt32 : ncclInt64;
  else
    return sizeof(T) == 1 ? ncclUint8 : sizeof(T) == 4 ? ncclUint32 : ncclUint64;
}

}  // namespace dsr1
