// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The main program of the tests that run under mpirun: all ranks run the same cases in order.

#if DSR1_CATCH2_VERSION == 2
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#else
#include <catch2/catch_session.hpp>
#endif

#include <dsr1/mpi/session.hpp>

#include "mpi/world.hpp"

dsr1::rank_group*& the_world() {
  static dsr1::rank_group* group = nullptr;
  return group;
}

int main(int argc, char** argv) {
  Catch::Session cases;
  const int parsed = cases.applyCommandLine(argc, argv);
  if (parsed != 0) return parsed;
  return dsr1::mpi_main(argc, argv,
                        [&](dsr1::rank_group& world) {
                          the_world() = &world;
                          return cases.run();
                        },
                        {.patience = 60});
}
