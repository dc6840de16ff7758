// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every golden case of every tokenizer in the folder, against the reference implementation.

#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "golden.hpp"

#include <dsr1/text/tokenizer.hpp>

using namespace dsr1;

namespace {

using ids = std::vector<std::int32_t>;

/// Calls f(tokenizer, case) for every line of every file that ends like this.
template <class F>
void for_each_case(const std::string& suffix, F&& f) {
  const auto folder = golden::path("tokenizers");
  if (folder.empty()) return;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(suffix)) continue;
    const auto tok = tokenizer::read(path.substr(0, path.size() - suffix.size()) + ".json");
    std::ifstream in(path);
    int number = 0;
    for (std::string line; std::getline(in, line); ++cases) {
      INFO(path << ":" << ++number << ": " << line);
      f(tok, json::parse(line));
    }
  }
  CHECK(cases > 0);
}

std::string streamed(const tokenizer& tok, const ids& list, const decode_options& options) {
  stream_decoder decode(tok, options);
  std::string out;
  for (const std::int32_t id : list) {
    const std::string piece = decode.push(id);
    if (first_ill_formed(piece) != piece.size()) FAIL("half a character: " << piece);
    out += piece;
  }
  return out + decode.finish();
}

}  // namespace

TEST_CASE("tokenizers: encode and decode the golden texts", "[golden]") {
  for_each_case(".cases.jsonl", [](const tokenizer& tok, const json& c) {
    const auto input = c.at("text").get<std::string>();
    const auto plain = c.at("ids").get<ids>(), special = c.at("ids_special").get<ids>();
    CHECK(tok.encode(input, {.add_special = false}) == plain);
    CHECK(tok.encode(input) == special);
    CHECK(tok.encode(input, {.add_special = false, .special_as_text = true}) ==
          (c.contains("ids_special_as_text") ? c.at("ids_special_as_text").get<ids>() : plain));
    CHECK(tok.decode(plain) == c.at("decoded").get<std::string>());
    CHECK(tok.decode(special, {.skip_special = true}) == c.at("decoded_skip").get<std::string>());
    CHECK(streamed(tok, plain, {}) == c.at("decoded").get<std::string>());
    CHECK(streamed(tok, special, {.skip_special = true}) ==
          c.at("decoded_skip").get<std::string>());
  });
}

TEST_CASE("tokenizers: decode golden sequences of broken UTF-8", "[golden]") {
  for_each_case(".decode.jsonl", [](const tokenizer& tok, const json& c) {
    const auto list = c.at("ids").get<ids>();
    for (const bool skip : {false, true}) {
      const auto wanted = c.at(skip ? "decoded_skip" : "decoded").get<std::string>();
      CHECK(tok.decode(list, {.skip_special = skip}) == wanted);
      CHECK(streamed(tok, list, {.skip_special = skip}) == wanted);
    }
  });
}
