// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Between the text of a task and the tokens of a model.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// codec.encode(text)  token ids        codec.decode(ids)  text, for any ids below vocab()
/// codec.end()         the token that begins and ends a text
template <class C>
concept text_codec =
    requires(const C& c, std::string_view text, std::span<const std::int32_t> ids) {
      { c.encode(text) } -> std::same_as<std::vector<std::int32_t>>;
      { c.decode(ids) } -> std::same_as<std::string>;
      { c.end() } -> std::convertible_to<std::int32_t>;
      { c.vocab() } -> std::convertible_to<index_t>;
    };

/// One token per byte of an alphabet; token 0 begins and ends a text and has none of its own.
class character_codec {
 public:
  /// Throws `error` when a byte stands twice in the alphabet.
  explicit character_codec(std::string_view alphabet) : alphabet_(alphabet) {
    ids_.fill(-1);
    for (std::size_t i = 0; i < alphabet_.size(); ++i) {
      std::int32_t& id = ids_[static_cast<unsigned char>(alphabet_[i])];
      expects(id < 0, "character_codec: byte ",
              static_cast<int>(static_cast<unsigned char>(alphabet_[i])),
              " stands twice in the alphabet");
      id = static_cast<std::int32_t>(i) + 1;
    }
  }

  index_t vocab() const { return static_cast<index_t>(alphabet_.size()) + 1; }
  std::int32_t end() const { return 0; }

  /// Throws `error` naming a byte that is not in the alphabet and its place.
  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      expects(ids_[byte] > 0, "character_codec: byte ", static_cast<int>(byte), " at place ", i,
              " is not in the alphabet \"", alphabet_, "\"");
      out.push_back(ids_[byte]);
    }
    return out;
  }

  /// Throws `error` on an id outside the vocabulary.
  std::string decode(std::span<const std::int32_t> ids) const {
    std::string out;
    out.reserve(ids.size());
    for (const std::int32_t id : ids) {
      expects(id >= 0 && id < vocab(), "character_codec: token ", id, ", expected 0 to ",
              vocab() - 1);
      if (id > 0) out.push_back(alphabet_[static_cast<std::size_t>(id) - 1]);
    }
    return out;
  }

 private:
  std::string alphabet_;
  std::array<std::int32_t, 256> ids_{};
};

}  // namespace dsr1
