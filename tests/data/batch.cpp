// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Inputs and targets of whole documents, of pieces, and of pieces with context.

#include <vector>

#include "catch.hpp"

#include <dsr1/data/batch.hpp>

using namespace dsr1;

namespace {

std::vector<std::int32_t> list(view<const std::int32_t, 1> v) { return {v.begin(), v.end()}; }

using numbers = std::vector<std::int32_t>;
const std::uint16_t stored[] = {11, 12, 13, 14};
const token_run document(reinterpret_cast<const std::byte*>(stored), 2, 4);

}  // namespace

TEST_CASE("packed_batch: a whole document") {
  packed_batch b(10);
  b.append(document, 0, 5, 0, 7);
  CHECK(list(b.inputs()) == numbers{7, 11, 12, 13, 14});
  CHECK(list(b.targets()) == numbers{11, 12, 13, 14, 7});
  CHECK(b.tokens() == 5);
  CHECK(b.scored() == 5);
  CHECK(b.capacity() == 10);
}

TEST_CASE("packed_batch: pieces, one after the other") {
  packed_batch b(10);
  b.append(document, 1, 2, 0, 7);
  b.append(document, 4, 1, 0, 7);
  b.append(document, 2, 3, 2, 7);
  CHECK(list(b.inputs()) == numbers{11, 12, 14, 12, 13, 14});
  CHECK(list(b.targets()) == numbers{12, 13, 7, -1, -1, 7});
  CHECK(b.scored() == 4);
  const sequence_layout s = b.sequences();
  REQUIRE(s.count() == 3);
  CHECK(s[1].begin == 2);
  CHECK(s[2].begin == 3);
  CHECK(s[2].length == 3);
  CHECK(s[2].position == 0);
  expects_cover(s, b.tokens());
  b.clear();
  CHECK(b.tokens() == 0);
  CHECK(b.sequences().count() == 0);
}

TEST_CASE("packed_batch: an example, of which some tokens are learned") {
  packed_batch b(6);
  const numbers tokens = {7, 1, 2, 3, 7};
  const std::vector<std::uint8_t> learned = {1, 0, 0, 1, 1};  // the first is no target
  b.append(document, 0, 2, 0, 7);
  b.append(tokens, learned);
  CHECK(list(b.inputs()) == numbers{7, 11, 7, 1, 2, 3});
  CHECK(list(b.targets()) == numbers{11, 12, -1, -1, 3, 7});
  CHECK(b.scored() == 4);
  REQUIRE(b.sequences().count() == 2);
  CHECK(b.sequences()[1].begin == 2);
  CHECK(b.sequences()[1].position == 0);
  expects_cover(b.sequences(), b.tokens());

  CHECK(mentions(message_of([&] { b.append(tokens, learned); }), "an example of 4 rows",
                 "at most the 0 that are free"));
  b.clear();
  CHECK(mentions(message_of([&] {
                   b.append(numbers{7}, {learned.data(), 1});
                 }),
                 "an example of 1 tokens and 1 marks"));
  CHECK(mentions(message_of([&] {
                   b.append(tokens, {learned.data(), 4});
                 }),
                 "an example of 5 tokens and 4 marks"));
  CHECK(b.tokens() == 0);
}

TEST_CASE("packed_batch: capacity") {
  CHECK(mentions(message_of([] { packed_batch(0); }), "packed_batch of 0 tokens"));
}
