// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Prints the table of check_checkpoint; apart, because nvcc does not take fmt.

#include "report.hpp"

#include <fmt/format.h>

void checkpoint::report::print() const {
  for (const finding& f : rows_)
    fmt::print(
        "  {:<18} {:<16} {:>4} tensors  max error {:8.2e}  relative {:8.2e}  allowed "
        "{:8.2e}  {}\n",
        f.form, f.kind, f.tensors, f.difference.absolute, f.difference.relative(), f.tolerance,
        f.passed() ? "ok" : "MISS");
}
