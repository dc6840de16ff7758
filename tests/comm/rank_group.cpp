// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A group of ranks: the battery, and what is refused before anything is sent.

#include <atomic>
#include <limits>
#include <thread>

#include "battery/communicator.hpp"
#include "battery/decorators.hpp"
#include "catch.hpp"

#include <dsr1/comm/loopback.hpp>
#include <dsr1/comm/threads.hpp>

using namespace dsr1;
using battery::all_of;

TEST_CASE("communicator battery: loopback") {
  loopback comm;
  battery::communicator(comm);
}

TEST_CASE("communicator battery: a rank that is alone") {
  rank_group alone;
  battery::communicator(alone);
}

TEST_CASE("communicator battery: threads") {
  for (const int ranks : {1, 2, 3, 4})
    run_ranks(ranks, [](rank_group& group) { battery::communicator(group); });
}

TEST_CASE("communicator battery: threads, with checksums") {
  run_ranks(3, [](rank_group& group) { battery::communicator(group); }, {.checksums = true});
}

TEST_CASE("communicator battery: random delays change nothing") {
  for (const unsigned seed : {1u, 2u, 3u})
    for (const int ranks : {2, 4})
      run_ranks(ranks, [&](rank_group& group) {
        rank_group slow = battery::delayed(group.duplicate(), seed);
        for (const index_t n : {1, 100, 5000}) {
          battery::all_reduce<float>(slow, n);
          battery::all_gather<double>(slow, n);
          battery::all_to_all<std::byte>(slow, n);
          battery::broadcast<float>(slow, n);
        }
        battery::groups(slow);
        battery::handles(slow);
        battery::repetition(slow);
      });
}

TEST_CASE("rank_group: float sums are taken in the order of the ranks") {
  const float parts[] = {1e8f, 1, -1e8f, 1};  // 1e8 + 1 is 1e8
  for (const index_t n : {1, 10'000})
    run_ranks(4, [&](rank_group& group) {
      std::vector<float> v(static_cast<std::size_t>(n), parts[group.rank()]);
      group.all_reduce(all_of(v));
      for (const float x : v) expects(x == 1, "the sum is ", x, ", expected 1");
    });
}

TEST_CASE("rank_group: a NaN of any rank stays one in a maximum and a minimum") {
  for (const int culprit : {0, 1, 2})
    run_ranks(3, [&](rank_group& group) {
      for (const reduction how : {reduction::sum, reduction::max, reduction::min}) {
        float x = group.rank() == culprit ? std::numeric_limits<float>::quiet_NaN() : 1;
        group.all_reduce(view<float, 1>(&x, 1), how);
        expects(x != x, "the NaN of rank ", culprit, " became ", x);
      }
    });
}

TEST_CASE("rank_group: bad arguments are named before anything is sent") {
  run_ranks(2, [](rank_group& group) {
    const auto says = [&](auto&& f, const std::string& what) {
      try {
        f();
      } catch (const error& e) {
        expects(std::string(e.what()).find(what) != std::string::npos, "\"", e.what(),
                "\", expected \"", what, "\"");
        return;
      }
      throw error("no error, expected \"" + what + "\"");
    };
    std::vector<float> v(6), out(6);
    const std::vector<float> in(6);
    using counts = std::vector<index_t>;
    says([&] { group.broadcast(all_of(v), 2); }, "broadcast from rank 2 of 2");
    says([&] { group.broadcast(all_of(v), -1); }, "broadcast from rank -1 of 2");
    says([&] { group.all_gather(all_of(in), counts{6}, all_of(out)); },
         "all_gather: 1 counts for 2 ranks");
    says(
        [&] {
          group.all_gather(all_of(in), counts{7, -1}, all_of(out));
        },
        "all_gather: a count of -1, expected none below zero");
    says(
        [&] {
          group.all_gather(all_of(in), counts{6, 6}, all_of(out));
        },
        "all_gather: the counts add up to 12, the elements are 6");
    says(
        [&] {
          group.reduce_scatter(all_of(in), counts{3, 3}, all_of(out));
        },
        text("reduce_scatter: rank ", group.rank(), " has 6 elements, its count is 3"));
    says(
        [&] {
          const counts sends = group.rank() == 0 ? counts{2, 4} : counts{4, 2};
          group.all_to_all_v(all_of(in), sends, all_of(out), counts{3, 3});
        },
        text("all_to_all_v: rank ", group.rank(), " sends 2 elements to itself and expects 3"));
    says([&] { group.split(-1); }, "split of a group with the colour -1, expected at least 0");
    group.barrier();  // the group is as good as before
  });
}

TEST_CASE("rank_group: differing values are named, with the ranks that have them") {
  run_ranks(4, [](rank_group& group) {
    const bool other = group.rank() % 2 == 1;
    const std::string what = message_of([&] { group.agree("the seed", other ? 255 : 1); });
    expects(what ==
                "the ranks disagree on the seed: rank 0 has 0000000000000001, ranks 1, 3 "
                "another, rank 1 00000000000000ff",
            what);
    group.agree("the seed", 5);
  });
}

TEST_CASE("rank_group: a second thread inside a group is refused") {
  std::atomic<int> refused = 0;
  run_ranks(2, [&](rank_group& group) {
    if (group.rank() == 1) {
      while (refused == 0) std::this_thread::yield();
      group.barrier();
      return;
    }
    // One of the two is first and waits for rank 1; the other one must be told.
    const auto enter = [&] {
      try {
        group.barrier();
      } catch (const error& e) {
        expects(std::string(e.what()) ==
                    "rank 0: barrier while another thread is inside this group; give it a "
                    "`duplicate`",
                e.what());
        ++refused;
      }
    };
    std::thread second(enter);
    enter();
    second.join();
  });
  CHECK(refused == 1);
}

TEST_CASE("rank_group: bytes that change on their way are noticed when checksums are on") {
  for (const bool checksums : {true, false}) {
    const auto run = [&] {
      run_ranks(3,
                [](rank_group& group) {
                  rank_group bad = group.duplicate().through([&](auto inner) {
                    return std::make_unique<battery::tampering_transport>(
                        std::move(inner), [&](int peer, std::span<std::byte> bytes) {
                          if (group.rank() == 1 && peer == 2) bytes[3] ^= std::byte{16};
                        });
                  });
                  std::vector<float> v(5, 1);
                  bad.all_reduce(all_of(v));
                },
                {.checksums = checksums});
    };
    if (checksums)
      CHECK(mentions(message_of(run), "in all_reduce of 5 float32, exchange 0",
                     "the message of 20 bytes from rank 2 to rank 1 arrived with other bytes"));
    else
      run();
  }
}

TEST_CASE("rank_group: what is sent is counted under the purpose of the time") {
  run_ranks(2, [](rank_group& group) {
    std::vector<float> v(10);
    group.all_reduce(all_of(v));
    expects(group.count_as(purpose::gradient) == purpose::control, "the first purpose");
    group.all_reduce(all_of(v));
    group.agree("something", 1);
    rank_group other = group.split(0);
    expects(group.count_as(purpose::weights) == purpose::gradient, "the second purpose");
    const traffic::entry gradients = group.counted().total(purpose::gradient);
    expects(gradients.calls == 1 && gradients.sent == 40 && gradients.received == 40,
            gradients.sent, " bytes of gradients, expected 40");
    expects(group.counted().total(purpose::control).sent == 40 + 8 + 8, "setting up is control");
    expects(group.counted().total(purpose::weights).calls == 0, "nothing of weights");
  });
}
