// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Decoders, alone and in sequence, whole and as tokens come.

#include "catch.hpp"

#include <dsr1/text/token_decoder.hpp>

using namespace dsr1;

namespace {

using tokens = std::vector<std::string>;

token_decoder of(const std::string& value) { return {json::parse(value), "t.json: \"decoder\""}; }

/// What comes with every token, and at the end.
tokens pieces(const std::string& value, const tokens& list) {
  const token_decoder d = of(value);
  token_decoder::state s;
  tokens out;
  for (const std::string& t : list) d.push(s, t, out.emplace_back());
  d.finish(s, out.emplace_back());
  return out;
}

std::string whole(const std::string& value, const tokens& list) {
  std::string out;
  for (const std::string& p : pieces(value, list)) out += p;
  return out;
}

const std::string bytes = R"({"type": "ByteLevel"})", fallback = R"({"type": "ByteFallback"})",
                  fuse = R"({"type": "Fuse"})";
std::string sequence(const std::string& list) {
  return R"({"type": "Sequence", "decoders": [)" + list + "]}";
}
std::string strip(int start, int stop) {
  return text(R"({"type": "Strip", "content": "_", "start": )", start, R"(, "stop": )", stop, "}");
}
const std::string r(replacement_character);

}  // namespace

TEST_CASE("token_decoder: none, and no element") {
  CHECK(whole("null", {"a", "b", "c"}) == "a b c");
  CHECK(whole(sequence(""), {"a", "b"}) == "ab");
  CHECK(whole("null", {}) == "");
}

TEST_CASE("token_decoder: bytes wait for the rest of their character") {
  CHECK(pieces(bytes, {"\u0120a", "\u00C3", "\u00A9x", "\u00F0\u0141", "!"}) ==
        tokens{" a", "", "\u00E9x", "", r + "!", ""});
  CHECK(pieces(bytes, {"\u00E4\u00B8"}) == tokens{"", r});
  CHECK(pieces(bytes, {"\u00E4\u00B8", "\u00E4", "\u00B8\u0143"}) == tokens{"", r, "\u4E2D", ""});
  CHECK(whole(bytes, {"\u4E2D"}) == "\u4E2D");             // no bytes: the token itself
  CHECK(whole(bytes, {"na\u00EFve"}) == "na" + r + "ve");  // bytes by chance
}

TEST_CASE("token_decoder: runs of byte tokens") {
  CHECK(pieces(fallback, {"a", "<0xC3>", "<0xA9>", "b"}) == tokens{"a", "", "", "\u00E9b", ""});
  CHECK(whole(fallback, {"<0xC3>", "<0xA9>", "<0xC3>"}) ==
        r + r + r);  // one wrong byte spoils the run
  CHECK(whole(fallback, {"<0x41>", "<0x4G>", "<0x-1>", "<0x041>"}) == "A<0x4G><0x-1><0x041>");
}

TEST_CASE("token_decoder: the published sequence streams") {
  const std::string llama =
      sequence(R"({"type": "Replace", "pattern": {"String": "_"}, "content": " "}, )" + fallback +
               ", " + fuse + R"(, {"type": "Strip", "content": " ", "start": 1, "stop": 0})");
  CHECK(pieces(llama, {"__a", "_b", "<0x0A>", "_c"}) == tokens{" a", " b", "", "\n c", ""});
}

TEST_CASE("token_decoder: strip, of every token or of the text") {
  CHECK(whole(strip(1, 0), {"__a", "_b"}) == "_ab");
  CHECK(whole(strip(1, 2), {"_a___", "_"}) == "a_");
  CHECK(pieces(sequence(fuse + "," + strip(2, 2)), {"_", "", "__a_", "_b_", "_", "_"}) ==
        tokens{"", "", "_a", "__b", "", "_", ""});
  CHECK(whole(sequence(fuse + "," + strip(9, 9)), {"__", "_"}) == "");
  // After ByteLevel there is one token.
  CHECK(whole(sequence(bytes + "," + strip(1, 0)), {"_a", "_b"}) == "a_b");
  // A Fuse in the middle keeps all until the end.
  CHECK(pieces(sequence(fuse +
                        R"(, {"type": "Replace", "pattern": {"String": "ab"}, "content": "c"})"),
               {"xa", "by"}) == tokens{"", "", "xcy"});
}

TEST_CASE("token_decoder: a state serves again after its end") {
  const token_decoder d = of(bytes);
  token_decoder::state s;
  std::string out;
  d.push(s, "\u00C3", out);
  d.finish(s, out);
  d.push(s, "\u00A9", out);
  d.finish(s, out);
  CHECK(out == r + r);
}

TEST_CASE("token_decoder: anything else is refused by name") {
  const auto refused = [](const std::string& v) { return message_of([&] { of(v); }); };
  CHECK(mentions(refused(R"({"type": "WordPiece"})"), "t.json: \"decoder\"",
                 "unsupported type \"WordPiece\""));
  CHECK(mentions(refused(sequence(R"({"type": "Metaspace"})")), ".decoders[0]", "\"Metaspace\""));
  CHECK(mentions(refused(R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})"),
                 "expected one character"));
  CHECK(mentions(refused(R"({"type": "Strip", "content": "a", "start": -1, "stop": 0})"),
                 "\"start\" is -1"));
  CHECK(mentions(refused(R"({"type": "Fuse", "x": 1})"), "unknown key \"x\""));
}
