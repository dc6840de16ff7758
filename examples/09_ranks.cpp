// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Ranks: the same program on several, which add their numbers up while they compute.
//
// Here the ranks are threads of one process. Under mpirun only the last function is another one
// (docs/launch.md); what the ranks do takes a `rank_group` either way.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include <dsr1/comm.hpp>

namespace {

constexpr dsr1::index_t count = 200'000;

/// What this rank computes: its part of a sum that all ranks need.
void compute(std::vector<double>& v, int rank, int layer) {
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = std::sin(static_cast<double>(i) * (layer + 1)) / (rank + 1);
}

// [sum]
/// Sums two layers over the ranks; the first is on its way while the second is computed.
double sum_of_layers(dsr1::rank_group& group) {
  std::vector<double> first(count), second(count);
  dsr1::async side(group.duplicate());  // a thread and a group of its own

  compute(first, group.rank(), 0);
  const dsr1::handle pending = side.start([&](dsr1::rank_group& comm) {
    comm.count_as(dsr1::purpose::gradient);
    comm.all_reduce(dsr1::view<double, 1>(first.data(), count));
  });
  compute(second, group.rank(), 1);  // meanwhile
  group.all_reduce(dsr1::view<double, 1>(second.data(), count));
  pending.wait();  // throws what the operation threw

  double sum = 0;
  for (dsr1::index_t i = 0; i < count; ++i)
    sum += first[static_cast<std::size_t>(i)] + second[static_cast<std::size_t>(i)];

  // Every rank has the same bits, or all of them are told who has others.
  std::uint64_t bits = 0;
  std::memcpy(&bits, &sum, sizeof(bits));
  group.agree("the sum", bits);
  if (group.rank() == 0)
    std::printf(
        "rank 0 sent %.2f MB of gradients\n",
        static_cast<double>(side.comm().counted().total(dsr1::purpose::gradient).sent) / 1e6);
  return sum;
}
// [/sum]

/// The same by one rank alone, in the order of the ranks.
double expected(int ranks) {
  double sum = 0;
  std::vector<double> v(count), all(count), both(count);
  for (int layer = 0; layer < 2; ++layer) {
    for (int r = 0; r < ranks; ++r) {
      compute(v, r, layer);
      for (std::size_t i = 0; i < v.size(); ++i) all[i] = r == 0 ? v[i] : all[i] + v[i];
    }
    for (std::size_t i = 0; i < v.size(); ++i) both[i] = layer == 0 ? all[i] : both[i] + all[i];
  }
  for (const double x : both) sum += x;
  return sum;
}

}  // namespace

int main() {
  // [run]
  std::vector<double> sums(4);
  dsr1::run_ranks(4, [&](dsr1::rank_group& group) {
    sums[static_cast<std::size_t>(group.rank())] = sum_of_layers(group);
  });
  // [/run]

  bool ok = true;
  for (const double sum : sums) ok = ok && sum == expected(4);
  std::printf("the sum over 4 ranks is %.12f\n%s\n", sums[0], ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
