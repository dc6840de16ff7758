// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as an answer to the numbers game, in all its forms.

#include <array>

#include <dsr1/rl/countdown.hpp>

#include "verified.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dsr1::countdown_form;
  static const std::array tasks = {dsr1::countdown({.form = countdown_form::bare}),
                                   dsr1::countdown({.form = countdown_form::tagged}),
                                   dsr1::countdown({.form = countdown_form::thinking})};
  static const dsr1::countdown::problem problem = {.prompt = "3,7,25=46:",
                                                   .solution = "3*7+25",
                                                   .key = "3,7,25=46",
                                                   .numbers = {3, 7, 25},
                                                   .target = 46};
  for (const dsr1::countdown& task : tasks) verified(task, problem, data, size);
  return 0;
}
