// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How many rows a chunk has, and which ids are choices.

#include <vector>

#include "catch.hpp"

#include <dsr1/loss/logits_chunks.hpp>

using namespace dsr1;

TEST_CASE("logits_chunks: as many rows as fit, at least eight, at most all") {
  CHECK(chunk_rows<float>(1000, 100, 40'000) == 100);
  CHECK(chunk_rows<double>(1000, 100, 40'000) == 50);
  CHECK(chunk_rows<float>(1000, 100, 1) == 8);
  CHECK(chunk_rows<float>(3, 100, 1) == 3);
  CHECK(chunk_rows<float>(3, 100, 1'000'000) == 3);
  CHECK(chunk_rows<float>(0, 100, 1) == 0);
  CHECK(chunk_rows<float>(10, 0, 1000) == 10);
}

TEST_CASE("logits_chunks: ids that count, and one outside the vocabulary") {
  std::vector<std::int32_t> ids = {0, -1, 4, 2};
  const view<const std::int32_t, 1> all(ids.data(), ids.size());
  CHECK(count_choices("target", all, 5) == 3);
  CHECK(mentions(message_of([&] { count_choices("target", all, 4); }),
                 "target of token 2 is 4, expected -1 (ignored) to 3"));
  ids[1] = -2;
  CHECK(mentions(message_of([&] { count_choices("action", all, 5); }), "action of token 1 is -2"));
}
