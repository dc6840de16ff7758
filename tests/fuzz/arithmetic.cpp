// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as the result of a sum.

#include <dsr1/rl/arithmetic.hpp>

#include "verified.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dsr1::arithmetic task({.operators = "+-*"});
  static const auto sum = task.make(37, '+', 58);
  static const auto difference = task.make(3, '-', 58);
  verified(task, sum, data, size);
  verified(task, difference, data, size);
  return 0;
}
