// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every number has one owner, whole tensors and slices alike.

#include <map>
#include <mutex>

#include "sync/model.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/sync/partition.hpp>

using namespace sync_test;

TEST_CASE("partition: every number of every tensor is owned once, in whole units") {
  for (const int ranks : {1, 2, 3, 4})
    for (const index_t bytes : {64, 400, 1 << 20}) {
      std::map<std::string, std::vector<int>> owners;
      std::mutex mutex;
      run_ranks(ranks, [&](rank_group& group) {
        some_model m(held_by(group.rank(), ranks));
        const parameter_list<float> list(m);
        const partition parts(group, list, {.bucket_bytes = bytes, .block = 16}, unit_of);
        const std::lock_guard lock(mutex);
        for (const piece& p : parts.owned()) {
          const auto& [name, q] = list[p.parameter];
          std::vector<int>& of = owners[name];
          of.resize(static_cast<std::size_t>(q->whole_size()));
          expects(p.begin % unit_of(name, *q) == 0 && p.size % unit_of(name, *q) == 0, name);
          for_each_whole_range(*q, p.begin, p.size, [&](index_t local, index_t whole, index_t n) {
            expects(local - p.begin == whole - p.whole_begin, name, ": a piece in two places");
            for (index_t i = 0; i < n; ++i) ++of[static_cast<std::size_t>(whole + i)];
          });
        }
        for (const bucket& b : parts.buckets()) {
          index_t size = 0;
          for (const piece& p : b.pieces) size += p.size;
          expects(size == b.size, "a bucket of ", b.size, " with pieces of ", size);
          for (const owned_run& r : b.runs)
            expects(r.held_by(group.rank()) == (r.at >= 0), "a run at ", r.at);
        }
      });
      CHECK(owners.size() == 5);
      for (const auto& [name, of] : owners) {
        INFO(name);
        CHECK(std::count(of.begin(), of.end(), 1) == static_cast<std::ptrdiff_t>(of.size()));
      }
    }
}

TEST_CASE("partition: shares of what all ranks hold are even") {
  run_ranks(4, [](rank_group& group) {
    some_model m(held_by(group.rank(), 4));
    const parameter_list<float> list(m);
    const partition parts(group, list, {.bucket_bytes = 1 << 20, .block = 4}, unit_of);
    index_t table = 0;
    for (const piece& p : parts.owned())
      if (list[p.parameter].name == "table") table += p.size;
    expects(table > 350 / 4 - 30 && table < 350 / 4 + 30, "a share of ", table, " of 350");
  });
}

TEST_CASE("partition: ranks with other models, a slice that nobody holds") {
  const auto message = [](auto held) {
    return message_of([&] {
      run_ranks(2, [&](rank_group& group) {
        some_model m(held(group.rank()));
        partition(group, parameter_list<float>(m), {}, unit_of);
      });
    });
  };
  CHECK(mentions(message([](int rank) {
                   return rank == 0 ? std::vector<index_t>{0, 1, 2} : std::vector<index_t>{3, 5};
                 }),
                 "parameter up: no rank holds slice 4"));
  CHECK(mentions(
      message([](int rank) {
        return rank == 0 ? std::vector<index_t>{0, 1, 2, 2} : std::vector<index_t>{3, 4, 5};
      }),
      "parameter up: rank 0 holds slice 2 twice"));
  CHECK(mentions(message_of([&] {
                   run_ranks(2, [&](rank_group& group) {
                     some_model m(held_by(group.rank(), 2));
                     if (group.rank() == 1) m.norm = parameter<float>({6});
                     partition(group, parameter_list<float>(m), {}, unit_of);
                   });
                 }),
                 "the ranks disagree on the names and sizes of the model's parameters"));
}
