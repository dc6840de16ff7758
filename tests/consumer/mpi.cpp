// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A program that uses the component mpi. Started without mpirun it is one rank.

#include <cstdio>

#include <dsr1/mpi.hpp>

// [main]
int main(int argc, char** argv) {
  return dsr1::mpi_main(argc, argv, [](dsr1::rank_group& group) {
    float sum = 1;
    group.all_reduce(dsr1::view<float, 1>(&sum, 1));
    std::printf("rank %d of %d: %g\n", group.rank(), group.size(), static_cast<double>(sum));
    return sum == static_cast<float>(group.size()) ? 0 : 1;
  });
}
// [/main]
