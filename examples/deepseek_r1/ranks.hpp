// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The ranks of a run: threads of this program, or the processes that mpirun started.
#pragma once

#include <functional>

#include <dsr1/comm/rank_group.hpp>

namespace seed {

/// Runs f on every rank and returns what it returned on rank 0. Under mpirun the ranks are its
/// processes, else `ranks` threads. Throws `error` when both are given and differ, and when the
/// program was started by mpirun and built without MPI. When a rank ends with an error all end.
int on_ranks(int ranks, const std::function<int(dsr1::rank_group&)>& f);

/// How many of a group's ranks share this machine.
int ranks_here(const dsr1::rank_group& group);

}  // namespace seed
