// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The communicator of a run that is alone: one rank, nothing to send.
#pragma once

#include <dsr1/comm/concepts.hpp>

namespace dsr1 {

struct loopback {
  static constexpr int rank() { return 0; }
  static constexpr int size() { return 1; }
  template <class T>
  void all_reduce(view<T, 1>) {}
  void barrier() {}
};

static_assert(communicator<loopback>);

}  // namespace dsr1
