// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Under mpirun: a session beside one that exists.

#include "catch.hpp"
#include "mpi/world.hpp"

#include <dsr1/mpi/session.hpp>

using namespace dsr1;

TEST_CASE("mpi_session: where MPI is initialised already, it neither begins nor ends it") {
  {
    mpi_session session;
    rank_group world = session.world({.patience = 60});
    CHECK(world.rank() == the_world()->rank());
    CHECK(world.size() == the_world()->size());
    world.barrier();
  }
  int finalized = 1;
  check(MPI_Finalized(&finalized), "MPI_Finalized");
  CHECK(finalized == 0);
  the_world()->barrier();
}
