// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A program whose rank 1 comes to a bad end, in the way that is asked for; ends.py watches it.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <dsr1/comm/async.hpp>
#include <dsr1/mpi/session.hpp>

using dsr1::expects;
using dsr1::rank_group;

namespace {

void sum(rank_group& group, dsr1::index_t n) {
  std::vector<float> v(static_cast<std::size_t>(n), 1);
  group.all_reduce(dsr1::view<float, 1>(v.data(), n));
}

void bad_end(rank_group& group, const std::string& way) {
  if (way == "throws") throw dsr1::error("no more disk");
  if (way == "throws in a part") {
    const rank_group part = group.split(0);
    expects(part.size() == 3, "the size of the part");
    throw dsr1::error("no more disk");
  }
  if (way == "killed") std::raise(SIGKILL);
  if (way == "exits with 0") std::exit(0);
  if (way == "exits with 3") std::_Exit(3);
  if (way == "vanishes") std::_Exit(0);
  if (way == "hangs") std::this_thread::sleep_for(std::chrono::hours(1));
  if (way == "mismatch") group.barrier();
  if (way == "too much") sum(group, 5000);
}

int run(rank_group& group, const std::string& way) {
  for (int i = 0; i < 20; ++i) sum(group, 30'000);
  if (group.rank() == 1) {
    if (way == "returns") return 0;
    bad_end(group, way);
  }
  if (way == "throws in a part") {
    rank_group part = group.split(0);
    sum(part, 10);
  }
  if (way == "pending") {
    // The operation that waits for rank 1 is on a thread of its own; rank 1 never starts it.
    dsr1::async side(group.duplicate());
    if (group.rank() == 1) throw dsr1::error("no more disk");
    side.start([](rank_group& g) { g.barrier(); }).wait();
  }
  sum(group, 30'000);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  const double patience = way == "hangs" ? 2 : 60;
  return dsr1::mpi_main(argc, argv, [&](rank_group& group) { return run(group, way); },
                        {.patience = patience});
}
