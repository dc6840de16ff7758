// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One rank of compare_all_reduce.py: MPI_Allreduce in fp32 and the compressed all-reduce on the
// same vector, alternately, in one MPI job.
//   bench_all_reduce BYTES ROUNDS [segment=NUMBERS] [code ...]    codes: f32 bf16 fp8 int8 int4
// With `--threads N` before BYTES the ranks are threads and nothing is compared with MPI:
//   bench_all_reduce --threads N BYTES ROUNDS [code ...]
// Rank 0 prints one line of JSON per work: seconds of every round, of the slowest rank.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <dsr1/comm/threads.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/mpi.hpp>
#include <dsr1/sync/compressed_all_reduce.hpp>

#include "machine.hpp"

using namespace dsr1;

namespace {

struct options {
  index_t bytes = 64 << 20;
  int rounds = 5;
  index_t segment = compression{}.segment;
  std::vector<wire_code> codes;
};

options parse(int argc, char** argv, int first) {
  options o;
  if (argc > first) o.bytes = std::atoll(argv[first]);
  if (argc > first + 1) o.rounds = std::atoi(argv[first + 1]);
  for (int i = first + 2; i < argc; ++i) {
    if (std::strncmp(argv[i], "segment=", 8) == 0) o.segment = std::atoll(argv[i] + 8);
    for (std::size_t c = 0; c < wire_code_names.size(); ++c)
      if (wire_code_names[c] == argv[i]) o.codes.push_back(static_cast<wire_code>(c));
  }
  if (o.codes.empty()) o.codes = {wire_code::int8};
  expects(o.bytes > 0 && o.rounds > 0, "bench_all_reduce of ", o.bytes, " bytes in ", o.rounds,
          " rounds, expected more than none of each");
  return o;
}

/// Seconds of the slowest rank.
template <class F>
double timed(rank_group& group, F&& f) {
  group.barrier();
  const double start = machine::seconds();
  f();
  double seconds = machine::seconds() - start;
  group.all_reduce(view<double, 1>(&seconds, 1), reduction::max);
  return seconds;
}

void print(rank_group& group, const std::string& work, const std::vector<double>& seconds,
           double sent, double error) {
  if (group.rank() != 0) return;
  std::string list;
  for (const double s : seconds) list += (list.empty() ? "" : ", ") + std::to_string(s);
  std::printf(
      "{\"work\": \"%s\", \"ranks\": %d, \"bytes_sent\": %.0f, \"error\": %.3g, "
      "\"seconds\": [%s]}\n",
      work.c_str(), group.size(), sent, error, list.c_str());
  std::fflush(stdout);
}

/// Largest error as part of the largest exact sum.
double error_of(const std::vector<float>& v, int ranks) {
  double worst = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double exact = ranks * (ranks + 1) / 2 * (static_cast<double>(i % 97) - 48);
    worst = std::max(worst, std::abs(static_cast<double>(v[i]) - exact));
  }
  return worst / (ranks * (ranks + 1) / 2 * 48.0);
}

void fill(std::vector<float>& v, int rank) {
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>(rank + 1) * (static_cast<float>(i % 97) - 48);
}

void measure(rank_group& group, const options& o, bool mpi) {
  context<cpu> ctx({.threads = 1});
  async<rank_group> side(group.duplicate());
  const auto n = o.bytes / static_cast<index_t>(sizeof(float));
  std::vector<float> v(static_cast<std::size_t>(n)), out;
  if (mpi) out.resize(v.size());
  std::vector<std::vector<double>> seconds(o.codes.size() + 1);
  std::vector<double> errors(o.codes.size() + 1), sent(o.codes.size() + 1);
  std::vector<std::unique_ptr<compressed_all_reduce<float>>> works;
  for (const wire_code c : o.codes)
    works.push_back(std::make_unique<compressed_all_reduce<float>>(
        group, n,
        compression{.format = {.code = c}, .error_feedback = false, .segment = o.segment}));
  for (int round = 0; round <= o.rounds; ++round) {  // the first opens connections; not counted
    for (std::size_t w = 0; w < o.codes.size() + 1; ++w) {
      if (w == 0 && !mpi) continue;
      fill(v, group.rank());
      const double s = timed(group, [&] {
        if (w == 0)
          check(MPI_Allreduce(v.data(), out.data(), static_cast<int>(n), MPI_FLOAT, MPI_SUM,
                              MPI_COMM_WORLD),
                "MPI_Allreduce");
        else
          (*works[w - 1])(ctx, side, view<float, 1>(v.data(), n));
      });
      if (round > 0) seconds[w].push_back(s);
      errors[w] = error_of(w == 0 ? out : v, group.size());
      if (w > 0) sent[w] = static_cast<double>(works[w - 1]->bytes(group.rank()));
    }
  }
  if (mpi) print(group, "mpi fp32", seconds[0], 0, errors[0]);
  for (std::size_t w = 1; w < seconds.size(); ++w)
    print(group, std::string(name_of(o.codes[w - 1])), seconds[w], sent[w], errors[w]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "--threads") == 0) {
    const options o = parse(argc, argv, 3);
    run_ranks(std::atoi(argv[2]), [&](rank_group& group) { measure(group, o, false); });
    return 0;
  }
  link_options link;
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], "piece=", 6) == 0)
      link.piece_bytes = static_cast<std::size_t>(std::atoll(argv[i] + 6));
  return mpi_main(
      argc, argv, [&](rank_group& group) { measure(group, parse(argc, argv, 1), true); }, link);
}
