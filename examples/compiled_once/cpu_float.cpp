// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The operations of the CPU backend in float, compiled once for a program of many files.

#include <dsr1/cpu/instances.hpp>

namespace dsr1 {
DSR1_CPU_INSTANCES(, loopback, float)
DSR1_CPU_INSTANCES(, rank_group, float)
}  // namespace dsr1
