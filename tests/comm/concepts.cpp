// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What the concept asks of a communicator, and that each missing part is noticed.

#include <vector>

#include "catch.hpp"

#include <dsr1/comm/loopback.hpp>

using namespace dsr1;

namespace {

/// Two ranks that hold the same numbers: the smallest communicator of one's own.
struct doubling : loopback {
  int reductions = 0;
  int rank() const { return 1; }
  int size() const { return 2; }
  template <class T>
  void all_reduce(view<T, 1> v) {
    ++reductions;
    for (T& x : v) x += x;
  }
};
static_assert(communicator<doubling>);

struct without_barrier : loopback {
  void barrier() = delete;
};
struct only_float : loopback {
  void all_reduce(view<float, 1>) {}
};
struct rank_that_changes : loopback {
  int rank() { return 0; }
};
struct rank_of_text : loopback {
  const char* rank() const { return ""; }
};
struct uncounted : loopback {
  void counted() const {}
};
static_assert(!communicator<without_barrier>);
static_assert(!communicator<only_float>);
static_assert(!communicator<rank_that_changes>,
              "rank and size are asked of a constant communicator");
static_assert(!communicator<rank_of_text>);
static_assert(!communicator<uncounted>);
static_assert(!communicator<int>);

template <communicator Comm>
double mean_over_ranks(Comm& comm, view<double, 1> v) {
  comm.all_reduce(v);
  comm.barrier();
  return v[0] / comm.size();
}

}  // namespace

TEST_CASE("communicator: a function written for the concept takes any model of it") {
  doubling comm;
  std::vector<double> v = {3};
  CHECK(mean_over_ranks(comm, view<double, 1>(v.data(), 1)) == 3);
  CHECK(v[0] == 6);
  CHECK(comm.reductions == 1);
}
