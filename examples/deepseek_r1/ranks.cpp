// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0

#include "ranks.hpp"

#include <cstdlib>
#include <string>

#include <dsr1/comm/threads.hpp>
#ifdef DEEPSEEK_R1_MPI
#include <dsr1/mpi.hpp>
#endif

namespace seed {
namespace {

/// The first of these variables of the environment that is set; 0 when none is.
int number_in(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name)) return std::atoi(value);
  return 0;
}
/// The number of processes that mpirun (Open MPI, MPICH and its relatives) started; 0 without it.
int processes() { return number_in({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}); }

}  // namespace

int on_ranks(int ranks, const std::function<int(dsr1::rank_group&)>& f) {
  if (const int started = processes(); started > 0) {
    dsr1::expects(ranks == 0 || ranks == started, "--ranks ", ranks, ", but mpirun started ",
                  started, " processes; leave the option out");
#ifdef DEEPSEEK_R1_MPI
    int argc = 0;
    char** argv = nullptr;
    return dsr1::mpi_main(argc, argv, [&](dsr1::rank_group& world) { return f(world); });
#else
    dsr1::expects(started == 1, "mpirun started ", started,
                  " processes, but this program was built without MPI");
#endif
  }
  int status = 0;
  dsr1::run_ranks(std::max(1, ranks), [&](dsr1::rank_group& group) {
    const int mine = f(group);
    if (group.rank() == 0) status = mine;
  });
  return status;
}

int ranks_here(const dsr1::rank_group& group) {
  if (processes() == 0) return group.size();
  return std::max(1, number_in({"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}));
}

}  // namespace seed
