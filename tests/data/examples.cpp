// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sets of examples: what they hold, what is too long, what tells them apart.

#include "catch.hpp"

#include <dsr1/data/examples.hpp>

using namespace dsr1;

namespace {

const token_example one{{7, 1, 2, 3, 7}, {0, 0, 0, 1, 1}};
const token_example two{{7, 4, 7}, {0, 1, 1}};

}  // namespace

TEST_CASE("example_set: what was added") {
  example_set set;
  CHECK(set.add(one, "one"));
  CHECK(set.add(two, "two"));
  CHECK(set.size() == 2);
  CHECK(set.rows() == 4 + 2);
  CHECK(set.longest() == 4);
  CHECK(set.targets() == 4);
  CHECK(set.cut() == 0);
  REQUIRE(set[1].tokens.size() == 3);
  CHECK(set[1].rows() == 2);
  CHECK(std::equal(set[0].tokens.begin(), set[0].tokens.end(), one.tokens.begin()));
  CHECK(std::equal(set[1].learned.begin(), set[1].learned.end(), two.learned.begin()));
  CHECK(mentions(message_of([&] { set[2]; }), "example 2 of a set of 2"));
}

TEST_CASE("example_set: an example that is too long is refused by name, or cut") {
  example_set strict({.length = 3});
  CHECK(strict.add(two, "two"));
  CHECK(mentions(message_of([&] { strict.add(one, "file.jsonl:7"); }),
                 "file.jsonl:7: an example of 4 rows, expected at most 3"));
  CHECK(strict.size() == 1);

  example_set cutting({.length = 3, .longer = over_length::cut});
  CHECK(cutting.add(one, "one"));
  CHECK(cutting[0].tokens.size() == 4);
  CHECK(cutting.targets() == 1);
  CHECK(cutting.cut() == 1);
  CHECK(cutting.left_out() == 0);
  example_set short_ones({.length = 2, .longer = over_length::cut});
  CHECK_FALSE(short_ones.add(one, "one"));
  CHECK(short_ones.size() == 0);
  CHECK(short_ones.cut() == 1);
  CHECK(short_ones.left_out() == 1);
}

TEST_CASE("example_set: the hash tells tokens, marks, borders and order apart") {
  const auto hash = [](std::initializer_list<token_example> list) {
    example_set set;
    for (const token_example& e : list) set.add(e, "an example");
    return set.hash();
  };
  CHECK(hash({one, two}) == hash({one, two}));
  CHECK(hash({one, two}) != hash({two, one}));
  CHECK(hash({one}) != hash({one, two}));
  CHECK(hash({{{7, 4, 7}, {0, 1, 1}}}) != hash({{{7, 4, 7}, {0, 0, 1}}}));
  CHECK(hash({{{7, 4, 7}, {0, 1, 1}}}) != hash({{{7, 5, 7}, {0, 1, 1}}}));
  CHECK(hash({{{1, 1}, {0, 1}}, {{1, 1, 1}, {0, 1, 1}}}) !=
        hash({{{1, 1, 1}, {0, 1, 1}}, {{1, 1}, {0, 1}}}));
}

TEST_CASE("example_set: what it refuses") {
  example_set set;
  CHECK(mentions(message_of([] { example_set({.length = 0}); }), "a length of 0"));
  CHECK(mentions(message_of([&] { set.add({{7}, {1}}, "x"); }), "x: 1 tokens and 1 marks"));
  CHECK(mentions(message_of([&] { set.add({{7, 8}, {1}}, "x"); }), "x: 2 tokens and 1 marks"));
  CHECK(mentions(message_of([&] {
                   set.add({{7, 8, 9}, {1, 0, 0}}, "x");
                 }),
                 "x: nothing is learned of its 3 tokens"));
  CHECK(set.size() == 0);
}
