// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sizes: the index type, the value that means "given at run time", and how the two meet.
#pragma once

#include <cstdint>

#include <dsr1/core/error.hpp>

namespace dsr1 {

using index_t = std::int64_t;

/// In a shape: this extent is not known at compile time; the constructor is given its value.
inline constexpr index_t dynamic = -1;

/// The extent that holds when `fixed` is what the type says and `given` what the constructor got.
/// Throws `error` when both are known and differ, or when neither is a positive number.
constexpr index_t resolve_extent(const char* name, index_t fixed, index_t given,
                                 index_t smallest = 1) {
  const index_t value = fixed == dynamic ? given : fixed;
  expects(fixed == dynamic || given == fixed || given == dynamic, name, " is ", given,
          ", but the type fixes it to ", fixed);
  expects(value >= smallest, name, " is ", value, ", expected at least ", smallest,
          fixed == dynamic ? " (a dynamic extent must be given to the constructor)" : "");
  return value;
}

constexpr index_t round_up(index_t value, index_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

constexpr index_t ceil_div(index_t value, index_t divisor) {
  return (value + divisor - 1) / divisor;
}

}  // namespace dsr1
