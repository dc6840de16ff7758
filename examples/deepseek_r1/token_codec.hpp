// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The program's tokenizer in the words of the library: what encodes dialogues and tasks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/data/dialogue.hpp>
#include <dsr1/rl/text_codec.hpp>

#include "tokenizer.hpp"

namespace seed {

/// A `dsr1::text_codec` that also knows the symbols of conversations. The tokenizer must outlive
/// it.
class token_codec {
 public:
  explicit token_codec(const tokenizer& words) : words_(&words) {}

  std::vector<std::int32_t> encode(std::string_view text) const { return words_->encode(text); }
  std::string decode(std::span<const std::int32_t> ids) const { return words_->decode(ids); }
  std::int32_t end() const { return words_->end_of_document(); }
  std::int32_t symbol(const std::string& name) const { return words_->symbol(name); }
  dsr1::index_t vocab() const { return words_->vocab(); }

 private:
  const tokenizer* words_;
};
static_assert(dsr1::text_codec<token_codec> && dsr1::text_encoder<token_codec>);

}  // namespace seed
