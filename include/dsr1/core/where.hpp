// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A source position without <source_location>, which clang 14 with libstdc++ lacks.
#pragma once

namespace dsr1 {

/// Source position of a call; filled in by the compiler when used as a default argument.
struct where {
  const char* file = "";
  int line = 0;

  static constexpr where current(const char* file = __builtin_FILE(),
                                 int line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

}  // namespace dsr1
