// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The element types of safetensors files.
#pragma once

#include <array>
#include <complex>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include <dsr1/core/float16.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// Those of https://docs.rs/safetensors but the ones smaller than a byte (F4, F6), which we store
/// as blocks of U8.
enum class dtype {
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  u64,
  u32,
  u16,
  f8_e8m0,
  c64
};

struct dtype_info {
  dtype type;
  std::string_view name;  ///< as the files spell it
  index_t bytes;          ///< of an element
};

/// In the order of `dtype`.
inline constexpr std::array<dtype_info, 17> dtypes = {{{dtype::f64, "F64", 8},
                                                       {dtype::f32, "F32", 4},
                                                       {dtype::f16, "F16", 2},
                                                       {dtype::bf16, "BF16", 2},
                                                       {dtype::f8_e4m3, "F8_E4M3", 1},
                                                       {dtype::f8_e5m2, "F8_E5M2", 1},
                                                       {dtype::i64, "I64", 8},
                                                       {dtype::i32, "I32", 4},
                                                       {dtype::i16, "I16", 2},
                                                       {dtype::i8, "I8", 1},
                                                       {dtype::u8, "U8", 1},
                                                       {dtype::boolean, "BOOL", 1},
                                                       {dtype::u64, "U64", 8},
                                                       {dtype::u32, "U32", 4},
                                                       {dtype::u16, "U16", 2},
                                                       {dtype::f8_e8m0, "F8_E8M0", 1},
                                                       {dtype::c64, "C64", 8}}};

constexpr const dtype_info& info_of(dtype type) { return dtypes[static_cast<std::size_t>(type)]; }

constexpr std::optional<dtype> dtype_of(std::string_view name) {
  for (const dtype_info& d : dtypes)
    if (d.name == name) return d.type;
  return std::nullopt;
}

/// True for the types that a floating-point parameter may be read from without further numbers.
constexpr bool is_floating(dtype type) {
  return type == dtype::f64 || type == dtype::f32 || type == dtype::f16 || type == dtype::bf16;
}

/// The type whose elements are a T.
template <class T>
constexpr dtype dtype_for() {
  if constexpr (std::is_same_v<T, double>)
    return dtype::f64;
  else if constexpr (std::is_same_v<T, float>)
    return dtype::f32;
  else if constexpr (std::is_same_v<T, half>)
    return dtype::f16;
  else if constexpr (std::is_same_v<T, bf16>)
    return dtype::bf16;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return dtype::i64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return dtype::i32;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return dtype::i16;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return dtype::i8;
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return dtype::u64;
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return dtype::u32;
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return dtype::u16;
  else if constexpr (std::is_same_v<T, std::complex<float>>)
    return dtype::c64;
  else if constexpr (std::is_same_v<T, bool>)
    return dtype::boolean;
  else {
    static_assert(std::is_same_v<T, std::uint8_t>,
                  "safetensors files have no type for these elements");
    return dtype::u8;
  }
}

}  // namespace dsr1
