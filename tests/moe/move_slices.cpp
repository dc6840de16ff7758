// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Slices end up where the new placement wants them, each sent at most once.

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/moe/move_slices.hpp>

using namespace dsr1;

namespace {

float number(index_t expert, index_t i) { return static_cast<float>(100 * expert + i); }

/// Moves slices that say whose they are; checks them, and returns the numbers sent by all.
index_t moved(const placement& from, const placement& to, index_t slice_size) {
  std::vector<traffic> sent(static_cast<std::size_t>(from.ranks()));
  std::vector<int> right(sent.size(), 1);
  run_ranks(from.ranks(), [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1}, group.duplicate());
    const int me = group.rank();
    const auto fill = [&](const placement& p) {
      std::vector<float> v;
      for (const index_t e : p.held(me))
        for (index_t i = 0; i < slice_size; ++i) v.push_back(number(e, i));
      return v;
    };
    const std::vector<float> before = fill(from), after = fill(to);
    buffer<float> slices(static_cast<index_t>(before.size()));
    std::copy(before.begin(), before.end(), slices.begin());
    move_slices(ctx, from, to, slice_size, slices);
    right[static_cast<std::size_t>(me)] = slices.size() == static_cast<index_t>(after.size()) &&
                                          std::equal(after.begin(), after.end(), slices.begin());
    sent[static_cast<std::size_t>(me)] = ctx.comm().counted();
  });
  index_t bytes = 0;
  for (const int ok : right) CHECK(ok == 1);
  for (const traffic& t : sent) bytes += static_cast<index_t>(t.total(purpose::weights).sent);
  return bytes / 4;
}

}  // namespace

TEST_CASE("move_slices: between any two placements") {
  const std::vector<placement> all = {
      even_placement(6, 3),
      placement(6, {{5, 1}, {0, 4, 2}, {3}}),
      placement(6, {{5, 1, 0}, {}, {0, 4, 2, 3}}),
      placement(6, {{}, {0, 1, 2, 3, 4, 5}, {0, 5}}),
      folded_placement(6, 3, 1),
  };
  for (const placement& from : all)
    for (const placement& to : all)
      for (const index_t size : {1, 5}) CHECK(moved(from, to, size) == size * transfers(from, to));
  CHECK(moved(even_placement(3, 1), placement(3, {{2, 0, 1}}), 4) == 0);  // alone: only order
  CHECK(moved(all[0], all[2], 0) == 0);
}

TEST_CASE("move_slices: errors") {
  context<cpu> ctx({.threads = 1});
  buffer<float> slices(6);
  const placement one = even_placement(3, 1);
  CHECK(mentions(message_of([&] { move_slices(ctx, even_placement(3, 2), one, 2, slices); }),
                 "over 2 ranks", "communicator of 1"));
  CHECK(mentions(message_of([&] { move_slices(ctx, one, even_placement(4, 1), 2, slices); }),
                 "3 experts", "4"));
  CHECK(mentions(message_of([&] { move_slices(ctx, one, one, 3, slices); }), "6 numbers",
                 "3 experts of 3"));
}
