// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Ranks as threads: what goes wrong in one is told to the others, and nobody waits for ever.

#include <array>
#include <atomic>
#include <vector>

#include "catch.hpp"

#include <dsr1/comm/threads.hpp>

using namespace dsr1;

namespace {

/// What every rank's operation threw, "" where it returned.
template <class F>
std::vector<std::string> errors_of(int ranks, F&& f, const link_options& options = {}) {
  std::vector<std::string> said(static_cast<std::size_t>(ranks));
  std::atomic<int> ended = 0;
  const auto run = [&] {
    run_ranks(
        ranks,
        [&](rank_group& group) {
          try {
            f(group);
          } catch (const std::exception& e) {
            said[static_cast<std::size_t>(group.rank())] = e.what();
            ++ended;
            throw;
          }
          ++ended;
        },
        options);
  };
  CHECK_THROWS_AS(run(), std::exception);
  CHECK(ended == ranks);
  return said;
}

void sum(rank_group& group, index_t n) {
  std::vector<float> v(static_cast<std::size_t>(n));
  group.all_reduce(view<float, 1>(v.data(), n));
}

}  // namespace

TEST_CASE("threads: a sum over the ranks") {
  for (const int ranks : {1, 2, 3, 4})
    run_ranks(ranks, [&](rank_group& group) {
      const int total = ranks * (ranks + 1) / 2;
      const auto sum = static_cast<float>(total);
      std::vector<float> v(100'000, static_cast<float>(group.rank() + 1));
      group.all_reduce(view<float, 1>(v.data(), 100'000));
      for (const float x : v) expects(x == sum, "sum ", x);
      rank_group other = group.duplicate();
      other.barrier();
    });
}

TEST_CASE("threads: other operations, types and roots than the others' are named on every rank") {
  const auto of = [&](const std::vector<std::string>& said, const std::string& a,
                      const std::string& b) {
    for (const std::string& s : said) CHECK(mentions(s, "the ranks do different things", a, b));
  };
  of(errors_of(3,
               [](rank_group& group) {
                 if (group.rank() == 1)
                   group.barrier();
                 else
                   sum(group, 8);
               }),
     "rank 1 ", "in all_reduce of 8 float32, exchange 0");
  of(errors_of(2,
               [](rank_group& group) {
                 std::array<double, 8> d = {};
                 if (group.rank() == 1)
                   group.all_reduce(view<double, 1>(d.data(), 8));
                 else
                   sum(group, 8);
               }),
     "all_reduce of 8 float32", "all_reduce of 8 float64");
  of(errors_of(2,
               [](rank_group& group) {
                 group.barrier();
                 sum(group, 8 + group.rank());
               }),
     "all_reduce of 8 float32, exchange 1", "all_reduce of 9 float32, exchange 1");
  of(errors_of(2,
               [](rank_group& group) {
                 std::array<float, 3> v = {};
                 group.broadcast(view<float, 1>(v.data(), 3), group.rank());
               }),
     "from rank 0", "from rank 1");
  of(errors_of(2,
               [](rank_group& group) {
                 std::array<std::int16_t, 3> v = {};
                 group.all_reduce(view<std::int16_t, 1>(v.data(), 3),
                                  group.rank() == 0 ? reduction::max : reduction::min);
               }),
     "all_reduce of 3 int16 (max)", "all_reduce of 3 int16 (min)");
}

TEST_CASE("threads: sizes that do not fit are named on both sides") {
  // Rank 0 sends 3 elements to rank 1, which expects 2.
  const auto said = errors_of(2, [](rank_group& group) {
    const bool first = group.rank() == 0;
    const std::vector<std::uint16_t> in(4);
    std::vector<std::uint16_t> out(4);
    const std::vector<index_t> sends =
        first ? std::vector<index_t>{1, 3} : std::vector<index_t>{1, 2};
    const std::vector<index_t> receives =
        first ? std::vector<index_t>{1, 1} : std::vector<index_t>{2, 2};
    group.all_to_all_v(view<const std::uint16_t, 1>(in.data(), first ? 4 : 3), sends,
                       view<std::uint16_t, 1>(out.data(), first ? 2 : 4), receives);
  });
  for (const std::string& s : said)
    CHECK(mentions(s, "in all_to_all uint16, exchange 0, rank 0 sends 6 bytes to rank 1, which",
                   "expects 4"));
}

TEST_CASE("threads: a rank that throws ends the operations of the others, with its words") {
  for (const int ranks : {2, 4}) {
    const auto said = errors_of(ranks, [](rank_group& group) {
      group.barrier();
      rank_group inner = group.split(0);
      if (group.rank() == 1) throw std::runtime_error("no more disk");
      inner.barrier();
    });
    for (std::size_t r = 0; r < said.size(); ++r)
      CHECK(said[r] == (r == 1 ? "no more disk" : "rank 1 ended with an error: no more disk"));
  }
}

TEST_CASE("threads: the first exception is the one that is rethrown") {
  for (int repetition = 0; repetition < 20; ++repetition)
    CHECK(message_of([] {
            run_ranks(3, [](rank_group& group) {
              rank_group inner = group.duplicate();
              if (group.rank() == 2) throw error("the cause");
              sum(inner, 10'000);
            });
          }) == "the cause");
}

TEST_CASE("threads: a rank that returns early is named by those who wait for it") {
  const auto said = errors_of(3, [](rank_group& group) {
    group.barrier();
    if (group.rank() == 1) return;
    sum(group, 10);
  });
  CHECK(said[1].empty());
  for (const std::size_t r : {0u, 2u})
    CHECK(mentions(said[r], "rank 1 left the group, while rank ",
                   " is in all_reduce of 10 float32, exchange 1"));
}

TEST_CASE("threads: a rank that leaves a group because of an error is named there after a while") {
  const auto said = errors_of(2, [](rank_group& group) {
    try {
      rank_group inner = group.duplicate();
      if (group.rank() == 1) throw std::runtime_error("kept to itself");
      inner.barrier();
    } catch (const std::runtime_error& e) {
      if (group.rank() == 0) throw;
    }
    group.barrier();
  });
  CHECK(mentions(said[0], "rank 1 left the group, while rank 0 is in barrier, exchange 0"));
  CHECK(mentions(said[1], "rank 0 ended with an error: rank 1 left the group"));
}

TEST_CASE("threads: a rank that does not come is named when the patience is over") {
  std::atomic<bool> over = false;
  const auto said = errors_of(3,
                              [&](rank_group& group) {
                                if (group.rank() == 2)
                                  while (!over) std::this_thread::yield();
                                try {
                                  sum(group, 3);
                                } catch (...) {
                                  over = true;
                                  throw;
                                }
                              },
                              {.patience = 0.1});
  int waited = 0;
  for (const std::string& s : said)
    waited += s.find("waited 0.1 s in all_reduce of 3 float32, exchange 0 for rank 2") !=
              std::string::npos;
  CHECK(waited >= 2);
}

TEST_CASE("threads: a group that is abandoned is of no use, with all that was made from it") {
  run_ranks(2, [](rank_group& group) {
    rank_group outer = group.duplicate(), inner = outer.duplicate();
    group.barrier();
    if (group.rank() == 0) outer.abandon("the reason");
    const std::string what = message_of([&] { inner.barrier(); });
    expects(what == "the reason", what);
    const std::string again = message_of([&] { static_cast<void>(outer.split(0)); });
    expects(again == "the reason", again);
    group.barrier();  // that one is as good as before
  });
}

TEST_CASE("threads: no ranks and no patience are refused") {
  const auto nothing = [](rank_group&) {};
  CHECK(message_of([&] { run_ranks(0, nothing); }) == "a group of 0 ranks, expected at least one");
  CHECK(message_of([&] { run_ranks(-3, nothing); }) ==
        "a group of -3 ranks, expected at least one");
  CHECK(message_of([&] { run_ranks(2, nothing, {.patience = 0}); }) ==
        "a patience of 0 s, expected more than 0");
}
