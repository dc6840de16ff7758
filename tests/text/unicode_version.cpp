// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The classes of all code points, held to the reference's regex engine.

#include <map>
#include <set>

#include "catch.hpp"
#include "golden.hpp"

#include <dsr1/io/json.hpp>
#include <dsr1/text/regex.hpp>
#include <dsr1/text/unicode_version.hpp>

using namespace dsr1;

namespace {

std::set<std::int32_t> matching(const std::string& pattern, bool with_stand_ins) {
  const regex r(pattern, "test");
  regex_scratch scratch;
  std::set<std::int32_t> out;
  for (std::int32_t first = 0; first < 0x110000; first += 4096) {
    std::string block, storage;
    for (std::int32_t c = first; c < first + 4096; ++c)
      if (c < 0xD800 || c >= 0xE000) append_character(block, c);
    scratch.allow(block.size());
    const std::string_view seen = with_stand_ins ? as_unicode_14(block, storage) : block;
    CHECK(seen.size() == block.size());
    r.for_each_match(seen, scratch, [&](std::size_t begin, std::size_t) {
      out.insert(utf8_at(block, begin).code_point);
    });
  }
  return out;
}

}  // namespace

TEST_CASE("unicode_version: every class is the reference's, to the code point", "[golden]") {
  const auto path = golden::path("tokenizers/unicode_classes.json");
  if (path.empty()) return;
  const json classes = read_json(path);
  for (const auto& [pattern, ranges] : classes.items()) {
    std::set<std::int32_t> wanted;
    for (const json& range : ranges)
      for (std::int32_t c = range[0]; c <= range[1]; ++c) wanted.insert(c);
    INFO(pattern);
    CHECK((matching(pattern, true) == wanted));
  }
}

TEST_CASE("unicode_version: a text without young characters is not copied") {
  std::string storage;
  const std::string_view old = "plain, caf\u00E9, \u4E2D\u6587, \U0001F600";
  CHECK(as_unicode_14(old, storage).data() == old.data());
  const std::string_view young = "a\u1C89b";  // a capital letter of Unicode 16
  const std::string_view seen = as_unicode_14(young, storage);
  CHECK(seen ==
        "a\u10A0"
        "b");
  CHECK(as_unicode_14("", storage).empty());
}
