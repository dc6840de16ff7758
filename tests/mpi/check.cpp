// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What MPI's functions return becomes an error with MPI's own words.

#include "catch.hpp"

#include <dsr1/mpi/check.hpp>

using namespace dsr1;

TEST_CASE("mpi: a return code becomes an error that names the function and MPI's text") {
  check(MPI_SUCCESS, "MPI_Send");
  const std::string text = message_of([] { check(MPI_ERR_TAG, "MPI_Send"); });
  CHECK(mentions(text, "MPI_Send failed: ", mpi_text(MPI_ERR_TAG)));
  CHECK(mpi_text(MPI_ERR_TAG) != mpi_text(MPI_ERR_COUNT));
}
