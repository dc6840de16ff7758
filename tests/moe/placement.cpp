// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Placements: whom each rank asks, shares that do not divide, and what is no placement.

#include <map>

#include "catch.hpp"

#include <dsr1/moe/placement.hpp>

using namespace dsr1;

namespace {

std::vector<index_t> held(const placement& p, int rank) {
  return {p.held(rank).begin(), p.held(rank).end()};
}

using list = std::vector<index_t>;

}  // namespace

TEST_CASE("placement: consecutive shares that differ by at most one") {
  const placement p = even_placement(7, 3);
  CHECK(held(p, 0) == list{0, 1, 2});
  CHECK(held(p, 1) == list{3, 4});
  CHECK(held(p, 2) == list{5, 6});
  CHECK(p.slots() == 7);
  for (int r = 0; r < 3; ++r) {
    const auto asked = p.asked_by(r);
    for (index_t e = 0; e < 7; ++e) {
      const placement::holder h = asked[static_cast<std::size_t>(e)];
      CHECK(p.held(h.rank)[static_cast<std::size_t>(h.slot)] == e);
    }
  }
  CHECK(even_placement(7, 1).held(0).size() == 7);
}

TEST_CASE("placement: folded groups hold everything and ask inside") {
  const placement p = folded_placement(5, 6, 2);
  for (int r = 0; r < 6; ++r) {
    CHECK(held(p, r) == (r % 2 == 0 ? list{0, 1, 2} : list{3, 4}));
    for (const auto& h : p.asked_by(r)) CHECK(h.rank / 2 == r / 2);
  }
  CHECK(p.holders(4).size() == 3);
  CHECK(folded_placement(5, 3, 1).slots() == 15);  // data parallel only
}

TEST_CASE("placement: a rank asks itself, then its group, then the holders in turn") {
  // Expert 0 on ranks 0 and 5, expert 1 on all of the second machine, expert 2 on rank 3.
  const placement p(3, {{0}, {}, {}, {2, 1}, {1}, {1, 0}}, 3);
  const auto asked = [&](int source, index_t e) {
    return p.asked_by(source)[static_cast<std::size_t>(e)];
  };
  CHECK(asked(0, 0) == placement::holder{0, 0});
  CHECK(asked(1, 0).rank == 0);
  CHECK(asked(3, 0) == placement::holder{5, 1});
  CHECK(asked(5, 0) == placement::holder{5, 1});
  CHECK(asked(3, 1) == placement::holder{3, 1});
  CHECK(asked(1, 2) == placement::holder{3, 0});
  // The first machine has nobody for expert 1: its ranks take turns on the second.
  std::map<int, int> served;
  for (const int source : {0, 1, 2}) ++served[asked(source, 1).rank];
  CHECK(served == std::map<int, int>{{3, 1}, {4, 1}, {5, 1}});
}

TEST_CASE("placement: without groups the holders serve evenly many ranks") {
  for (const int ranks : {2, 3, 5, 8}) {
    for (int copies = 1; copies <= ranks; ++copies) {
      std::vector<std::vector<index_t>> all(static_cast<std::size_t>(ranks));
      for (int r = 0; r < copies; ++r) all[static_cast<std::size_t>(r)] = {0};
      const placement p(1, all);
      std::map<int, int> served;
      for (int source = 0; source < ranks; ++source) ++served[p.asked_by(source)[0].rank];
      CHECK(static_cast<int>(served.size()) == copies);
      for (const auto& [rank, n] : served) {
        CHECK(n >= ranks / copies);
        CHECK(n <= (ranks + copies - 1) / copies);
      }
    }
  }
}

TEST_CASE("placement: transfers, equality and fingerprint") {
  const placement a(3, {{0, 1}, {2}}), b(3, {{1}, {2, 0}}), c(3, {{1, 0}, {2}});
  CHECK(transfers(a, b) == 1);
  CHECK(transfers(b, a) == 1);
  CHECK(transfers(a, c) == 0);
  CHECK(a == placement(3, {{0, 1}, {2}}));
  CHECK_FALSE(a == c);
  CHECK(a.fingerprint() == placement(3, {{0, 1}, {2}}).fingerprint());
  CHECK(a.fingerprint() != c.fingerprint());
  CHECK(a.fingerprint() != placement(3, {{0}, {1, 2}}).fingerprint());
  CHECK(mentions(message_of([&] { transfers(a, even_placement(3, 3)); }), "over 2", "over 3"));
}

TEST_CASE("placement: errors") {
  CHECK(mentions(message_of([] { placement(3, {{0}, {2}}); }), "expert 1 of 3", "none of the 2"));
  CHECK(mentions(message_of([] { placement(2, {{0, 1, 0}}); }), "rank 0", "expert 0 twice"));
  CHECK(mentions(message_of([] { placement(2, {{0, 1}, {2}}); }), "rank 1", "expert 2 of 2"));
  CHECK(mentions(message_of([] { placement(2, {{0, -1}}); }), "expert -1"));
  CHECK(mentions(message_of([] { placement(0, {{}}); }), "0 experts"));
  CHECK(mentions(message_of([] { placement(1, {}); }), "0 ranks"));
  CHECK(mentions(message_of([] { placement(1, {{0}, {}, {}}, 2); }), "3 ranks", "groups of 2"));
  CHECK(mentions(message_of([] { even_placement(3, 4); }), "3 experts over 4 ranks", "fold"));
  CHECK(mentions(message_of([] { folded_placement(8, 4, 3); }), "4 ranks", "groups of 3"));
  CHECK(mentions(message_of([] { even_placement(2, 2).asked_by(2); }), "rank 2", "over 2"));
  CHECK(placement(1, {{}, {0}}).held(0).empty());  // by hand, a rank may hold none
}
