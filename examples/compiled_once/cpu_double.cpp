// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The operations of the CPU backend in double, compiled once for a program of many files.

#include <dsr1/cpu/instances.hpp>

namespace dsr1 {
DSR1_CPU_INSTANCES(, loopback, double)
DSR1_CPU_INSTANCES(, rank_group, double)
}  // namespace dsr1
