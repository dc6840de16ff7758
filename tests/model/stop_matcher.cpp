// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Stop strings against a naive search in the whole text, for all cuts.

#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/model/stop_matcher.hpp>

using namespace dsr1;

namespace {

struct outcome {
  std::string shown;
  std::optional<std::string> stop;
  bool operator==(const outcome&) const = default;
};

outcome naive(const std::vector<std::string>& stops, const std::string& text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::string> found;
    for (const std::string& s : stops)
      if (text.substr(0, end).ends_with(s) && (!found || s.size() > found->size())) found = s;
    if (found) return {text.substr(0, end - found->size()), found};
  }
  return {text, std::nullopt};
}

/// Feeds the text cut before every place whose bit is set; checks what may be seen on the way.
outcome fed(stop_matcher& m, const std::string& text, const std::string& wanted,
            std::uint64_t cuts) {
  outcome out;
  std::size_t first = 0;
  for (std::size_t i = 1; i <= text.size(); ++i) {
    if (i < text.size() && (cuts >> i & 1) == 0) continue;
    out.shown += m.push(std::string_view(text).substr(first, i - first));
    first = i;
    REQUIRE(wanted.starts_with(out.shown));  // never a part of a stop string
  }
  if (m.stopped()) out.stop = m.found();
  out.shown += m.finish();
  return out;
}

}  // namespace

TEST_CASE("stop_matcher: as the naive search, for all cuts of short texts") {
  const std::vector<std::vector<std::string>> sets = {{},
                                                      {"a"},
                                                      {"ab"},
                                                      {"aab"},
                                                      {"abab"},
                                                      {"abcd", "bc"},
                                                      {"aa", "aab", "b"},
                                                      {"abaab", "baa"},
                                                      {"c", "cc"}};
  int stopped = 0;
  for (std::size_t set = 0; set < sets.size(); ++set) {
    stop_matcher m(sets[set]);
    for (std::uint64_t n = 0; n < 60; ++n) {
      std::string text;
      const random_stream letters(n, set);
      const std::size_t length = 1 + n % 9;
      for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('a' + letters.below(i, 3));
      const outcome wanted = naive(sets[set], text);
      stopped += wanted.stop.has_value();
      for (std::uint64_t cuts = 0; cuts < std::uint64_t{1} << length; cuts += 2) {
        INFO(text << " set " << set << " cuts " << cuts);
        REQUIRE(fed(m, text, wanted.shown, cuts) == wanted);
      }
    }
  }
  CHECK(stopped > 100);
}

TEST_CASE("stop_matcher: characters of several bytes, cut anywhere, are shown whole") {
  const std::vector<std::string> parts = {"\xC3\xA9", "\xC3\xA8",         "\xE2\x82\xAC",
                                          "a",        "\xF0\x9F\x8E\x89", "\xE2\x82\xAD"};
  const std::vector<std::string> stops = {"\xC3\xA8\xE2\x82\xAC", "a\xF0\x9F\x8E\x89",
                                          "\xE2\x82\xAD\xC3\xA8"};
  stop_matcher m(stops);
  const auto whole = [](const std::string& s) {
    std::size_t i = 0;
    while (i < s.size()) {
      const auto c = static_cast<unsigned char>(s[i]);
      i += c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    }
    return i == s.size();
  };
  for (std::uint64_t n = 0; n < 400; ++n) {
    std::string text;
    for (std::uint64_t i = 0; i < 12; ++i) text += parts[random_stream(n).below(i, parts.size())];
    const outcome wanted = naive(stops, text);
    const std::uint64_t cuts = n == 0 ? ~std::uint64_t{0} : random_stream(n, 1).bits(0);
    std::string shown;
    for (std::size_t i = 1, first = 0; i <= text.size(); ++i) {
      if (i < text.size() && (cuts >> i & 1) == 0) continue;
      const std::string piece = m.push(std::string_view(text).substr(first, i - first));
      REQUIRE(whole(piece));
      shown += piece;
      first = i;
    }
    REQUIRE(m.stopped() == wanted.stop.has_value());
    shown += m.finish();
    REQUIRE(shown == wanted.shown);
  }
}

TEST_CASE("stop_matcher: shows at once what cannot be a beginning") {
  // [stops]
  dsr1::stop_matcher until({"\nUser:", "</answer>"});
  CHECK(until.push("The answer") == "The answer");
  CHECK(until.push(" is 4 <") == " is 4 ");  // may be the beginning of </answer>
  CHECK(until.push("5.") == "<5.");          // was not
  CHECK(until.push("\nUs") == "");
  CHECK(until.push("er: and?") == "");
  CHECK(until.stopped());
  CHECK(until.found() == "\nUser:");
  // [/stops]
  CHECK(until.push("more") == "");
  CHECK(until.finish() == "");
  CHECK_FALSE(until.stopped());
  CHECK(until.push("new text <") == "new text ");
  CHECK(until.finish() == "<");
}

TEST_CASE("stop_matcher: ill-formed bytes come out as they went in") {
  stop_matcher m({"stop"});
  const std::string bytes = "\x80\x80\x80\x80\xFF\xC3\x28\xE2\x82";
  std::string shown = m.push(bytes);
  shown += m.finish();
  CHECK(shown == bytes);
}

TEST_CASE("stop_matcher: errors") {
  CHECK(mentions(message_of([] { stop_matcher({"a", ""}); }), "stop string 1 is empty"));
  CHECK(mentions(message_of([] { stop_matcher({"a"}).found(); }), "no stop string"));
}
