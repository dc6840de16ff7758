// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tokens and their ids, both ways, without duplicates or absurd ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// The strings that a tokenizer file calls tokens. Entries do not move: views of them stay valid
/// as long as the vocabulary, which is why it is not copied.
class vocabulary {
 public:
  vocabulary() = default;
  vocabulary(vocabulary&&) = default;
  vocabulary& operator=(vocabulary&&) = default;

  /// Throws `error` naming `place` when the token or the id is already there.
  void add(std::string token, std::int64_t id, const std::string& place) {
    if (id < 0 || id >= INT32_MAX)
      throw error(text(place, ": token \"", shortened(token, 60), "\" has id ", id,
                       ", expected 0 to ", INT32_MAX - 1));
    const auto [at, fresh] = ids_.emplace(std::move(token), static_cast<std::int32_t>(id));
    if (!fresh)
      throw error(text(place, ": token \"", shortened(at->first, 60), "\" is there twice, with id ",
                       at->second, " and ", id));
    highest_ = std::max(highest_, at->second);
  }

  /// To be called when all are added. Throws `error` when two tokens have one id, or when an id is
  /// 1,024 or more above four times the number of tokens (a table by id would be mostly empty).
  void finish(const std::string& place) {
    const std::size_t rows = static_cast<std::size_t>(highest_ + 1);
    expects(rows <= 4 * ids_.size() + 1024, place, ": id ", highest_, " among only ", ids_.size(),
            " tokens");
    tokens_.assign(rows, nullptr);
    for (const auto& [token, id] : ids_) {
      const std::string*& row = tokens_[static_cast<std::size_t>(id)];
      if (row)
        throw error(text(place, ": tokens \"", shortened(std::min(*row, token), 60), "\" and \"",
                         shortened(std::max(*row, token), 60), "\" both have id ", id));
      row = &token;
    }
  }

  std::size_t size() const { return ids_.size(); }
  /// The highest id plus one: the rows of an embedding.
  std::int32_t rows() const { return highest_ + 1; }

  /// The id of a token, or -1.
  std::int32_t id_of(std::string_view token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? -1 : at->second;
  }
  /// The token of an id, or null where ids have a gap. Needs 0 <= id < rows().
  const std::string* token_of(std::int32_t id) const {
    return tokens_[static_cast<std::size_t>(id)];
  }
  /// All tokens with their ids, in no order.
  const auto& ids() const { return ids_; }

 private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  std::unordered_map<std::string, std::int32_t, hash, std::equal_to<>> ids_;
  std::vector<const std::string*> tokens_;
  std::int32_t highest_ = -1;
};

}  // namespace dsr1
