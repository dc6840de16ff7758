// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as a program: it is refused, or runs and ends.

#include <dsr1/rl/program.hpp>

#include "verified.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dsr1::program task({.largest_input = 6});  // 6! is small enough
  static const auto problem = task.make("1s[dr*s1-]p", {0, 1, 3, 4});
  verified(task, problem, data, size);
  return 0;
}
