// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tokens and ids, and what may not be.

#include "catch.hpp"

#include <dsr1/text/vocabulary.hpp>

using namespace dsr1;

TEST_CASE("vocabulary: both ways, with gaps") {
  vocabulary v;
  v.add("a", 0, "t");
  v.add("\u4E2D", 5, "t");
  v.add("", 2, "t");
  v.finish("t");
  CHECK(v.size() == 3);
  CHECK(v.rows() == 6);
  CHECK(v.id_of("\u4E2D") == 5);
  CHECK(v.id_of("b") == -1);
  CHECK(*v.token_of(2) == "");
  CHECK(v.token_of(1) == nullptr);
  const vocabulary moved = std::move(v);
  CHECK(*moved.token_of(5) == "\u4E2D");
}

TEST_CASE("vocabulary: duplicates and absurd ids") {
  vocabulary v;
  v.add("a", 0, "t.json");
  CHECK(mentions(message_of([&] { v.add("a", 1, "t.json"); }),
                 "t.json: token \"a\" is there twice, with id 0 and 1"));
  CHECK(mentions(message_of([&] { v.add("b", -1, "t.json"); }),
                 "token \"b\" has id -1, expected 0 to"));
  CHECK(mentions(message_of([&] { v.add("b", 1ll << 40, "t.json"); }), "expected 0 to 2147483646"));
  v.add("b", 0, "t.json");
  CHECK(mentions(message_of([&] { v.finish("t.json"); }), "tokens \"a\" and \"b\" both have id 0"));
  vocabulary sparse;
  sparse.add("a", 2'000'000'000, "t.json");
  CHECK(
      mentions(message_of([&] { sparse.finish("t.json"); }), "id 2000000000 among only 1 tokens"));
}
