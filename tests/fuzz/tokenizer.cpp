// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as a tokenizer file and, after a NUL byte, as text: an error or a tokenizer that works.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/text/tokenizer.hpp>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void use(const dsr1::tokenizer& tok, std::string_view input) {
  for (const bool as_text : {false, true}) {
    const dsr1::encode_options options{.add_special = !as_text, .special_as_text = as_text};
    std::vector<std::int32_t> ids;
    try {
      ids = tok.encode(input, options);
      std::string repaired;
      dsr1::append_well_formed(repaired, input);
      require(tok.encode(repaired, options) == ids);
    } catch (const dsr1::error&) {  // a regex gave up, a text grew too long
    }
    // Tokens in any order make text, too.
    for (const char c : input.substr(0, 64)) ids.push_back(static_cast<unsigned char>(c));
    for (const bool skip : {false, true}) {
      try {
        const std::string all = tok.decode(ids, {.skip_special = skip});
        require(dsr1::first_ill_formed(all) == all.size());
        dsr1::stream_decoder decode(tok, {.skip_special = skip});
        std::string streamed;
        for (const std::int32_t id : ids) {
          const std::string piece = decode.push(id);
          require(dsr1::first_ill_formed(piece) == piece.size());
          streamed += piece;
        }
        require(streamed + decode.finish() == all);
      } catch (const dsr1::error&) {  // no token has such an id
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(all.find('\0'), all.size());
  try {
    const auto tok = dsr1::tokenizer::parse(all.substr(0, end), "fuzz");
    use(tok, all.substr(std::min(end + 1, all.size())));
  } catch (const dsr1::error&) {
  }
  return 0;
}
