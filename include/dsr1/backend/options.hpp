// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How a context is set up.
#pragma once

#include <cstdint>

namespace dsr1 {

struct context_options {
  int threads = 0;         ///< CPU threads; 0 means as many as the hardware has
  std::uint64_t seed = 0;  ///< key of every random stream of the run
  int device = 0;          ///< which accelerator, for a backend that has several
  /// Accelerators: waits for each operation, so that an error names the one that failed.
  bool wait_for_each = false;
};

}  // namespace dsr1
