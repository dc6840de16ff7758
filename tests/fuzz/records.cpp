// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as the JSON of a contract, and the count of its elements.

#include <dsr1/rl/records.hpp>

#include "verified.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dsr1::records task({.longest = 1000});
  static const auto problem = task.make({.parties = {"A", "B"},
                                         .signed_on = {2021, 3, 4},
                                         .ends = {2025, 11, 30},
                                         .sum = 12500,
                                         .currency = "EUR",
                                         .law = "Norway"},
                                        "A contract.");
  verified(task, problem, data, size);
  const std::string_view answer(reinterpret_cast<const char*>(data), size);
  const dsr1::verdict v = task.verify(problem, answer);
  const dsr1::element_counts n = task.contract_elements(problem, answer);
  require(n.true_positive >= 0 && n.false_positive >= 0 && n.false_negative >= 0);
  require(n.true_positive + n.false_negative == 7);
  require(v[dsr1::level::task] == (n == dsr1::element_counts{7, 0, 0}));
  if (v[dsr1::level::logic]) require(n.false_positive == n.false_negative);
  return 0;
}
