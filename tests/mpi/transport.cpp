// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Under mpirun: messages between processes.

#include <vector>

#include "battery/communicator.hpp"
#include "battery/decorators.hpp"
#include "catch.hpp"
#include "mpi/world.hpp"

#include <dsr1/comm/throttled.hpp>
#include <dsr1/mpi/transport.hpp>

using namespace dsr1;

TEST_CASE("communicator battery: mpi") {
  rank_group group = fresh_world();
  battery::communicator(group);
  rank_group slow = throttle(fresh_world(), {.bits_per_second = 1e11, .latency = 1e-6});
  battery::groups(slow);
  battery::handles(slow);
}

TEST_CASE("communicator battery: mpi, with checksums, in pieces, and with random delays") {
  rank_group group = battery::delayed(
      rank_group(std::make_unique<mpi_transport>(
          MPI_COMM_WORLD, link_options{.patience = 60, .checksums = true, .piece_bytes = 10'000})),
      1);
  battery::all_reduce<float>(group, 100'000);
  battery::all_to_all<double>(group, 3000);
  battery::groups(group);
  battery::handles(group);
  battery::repetition(group);
}

TEST_CASE("mpi: a sum over the ranks, of all sizes of messages") {
  rank_group group = fresh_world();
  for (const index_t n : {0, 1, 2, 100, 959, 960, 961, 20'000, 5'000'000}) {
    std::vector<float> v(static_cast<std::size_t>(n), static_cast<float>(group.rank() + 1));
    group.all_reduce(view<float, 1>(v.data(), n));
    const int ranks = group.size(), total = ranks * (ranks + 1) / 2;
    const auto sum = static_cast<float>(total);
    CHECK(v == std::vector<float>(v.size(), sum));
  }
}

TEST_CASE("mpi: a message is sent in pieces when MPI could not count it") {
  rank_group group(std::make_unique<mpi_transport>(
      MPI_COMM_WORLD, link_options{.patience = 60, .piece_bytes = 1000}));
  std::vector<std::uint8_t> v(12'345);
  for (const int root : {0, group.size() - 1}) {
    if (group.rank() == root)
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<std::uint8_t>(i * 7 / 3);
    group.broadcast(view<std::uint8_t, 1>(v.data(), 12'345), root);
    for (std::size_t i = 0; i < v.size(); ++i)
      REQUIRE(v[i] == static_cast<std::uint8_t>(i * 7 / 3));
    std::fill(v.begin(), v.end(), std::uint8_t{0});
  }
  rank_group half = group.split(group.rank() % 2, -group.rank());
  std::vector<std::int32_t> all(static_cast<std::size_t>(half.size()) * 5000);
  const std::vector<std::int32_t> mine(5000, group.rank());
  half.all_gather(view<const std::int32_t, 1>(mine.data(), 5000),
                  view<std::int32_t, 1>(all.data(), static_cast<index_t>(all.size())));
  for (std::size_t i = 5000; i < all.size(); i += 5000) CHECK(all[i] == all[i - 5000] - 2);
}

TEST_CASE("mpi: ranks that do different things are told so, all of them") {
  if (the_world()->size() == 1) return;
  for (const index_t n : {3, 100'000}) {
    rank_group group = fresh_world();
    std::vector<float> v(static_cast<std::size_t>(n));
    const std::string what = message_of([&] {
      if (group.rank() == 1)
        group.barrier();
      else
        group.all_reduce(view<float, 1>(v.data(), n));
    });
    CHECK(mentions(what, "the ranks do different things: rank ", "rank 1 ",
                   "in barrier, exchange 0", text("all_reduce of ", n, " float32, exchange 0")));
  }
}

TEST_CASE("mpi: a rank that does not come is named when the patience is over") {
  if (the_world()->size() == 1) return;
  {
    rank_group group(
        std::make_unique<mpi_transport>(MPI_COMM_WORLD, link_options{.patience = 0.2}));
    if (group.rank() == 1) {
      the_world()->barrier();
    } else {
      const std::string what = message_of([&] { group.barrier(); });
      CHECK(mentions(what, "waited 0.2 s in barrier, exchange 0 for rank"));
      the_world()->barrier();
    }
  }
  the_world()->barrier();
}
