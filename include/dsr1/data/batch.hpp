// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Pieces of documents packed one after the other: what one step of a model reads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <dsr1/data/shard.hpp>
#include <dsr1/tensor/buffer.hpp>
#include <dsr1/tensor/sequences.hpp>

namespace dsr1 {

/// Inputs and targets of up to `capacity` tokens, and the sequences that they form, in memory of
/// its own that is taken once. A document of n tokens t has n + 1 targets: its tokens and the
/// end-of-document token E; the inputs are the same, one later, with E first:
///
///     inputs   E  t0 t1 ... t(n-1)
///     targets  t0 t1 t2 ... E
///
/// so the first token is predicted too, from nothing but "a document begins", no target lies in
/// another document, and generation can begin from E alone. A target of -1 does not count.
class packed_batch {
 public:
  /// Throws `error` unless capacity is above zero.
  explicit packed_batch(index_t capacity) : inputs_(checked(capacity)), targets_(capacity) {
    sequences_.reserve(static_cast<std::size_t>(capacity));
  }

  index_t capacity() const { return inputs_.size(); }
  /// Rows in use; fewer than `capacity` only at the end of an evaluation.
  index_t tokens() const { return tokens_; }
  /// Targets that count.
  index_t scored() const { return scored_; }
  view<const std::int32_t, 1> inputs() const {
    return view<const std::int32_t, 1>(inputs_.data(), tokens_);
  }
  view<const std::int32_t, 1> targets() const {
    return view<const std::int32_t, 1>(targets_.data(), tokens_);
  }
  /// Valid until the batch is filled again or moved.
  sequence_layout sequences() const { return std::span<const sequence>(sequences_); }

  void clear() {
    tokens_ = scored_ = 0;
    sequences_.clear();
  }

  /// Appends the inputs and targets [first, first + count) of a document as one sequence. Of its
  /// targets, the first `context` do not count: they were scored before.
  void append(const token_run& document, index_t first, index_t count, index_t context,
              std::int32_t end_of_document) {
    std::int32_t* in = inputs_.data() + tokens_;
    std::int32_t* out = targets_.data() + tokens_;
    const index_t last =
        std::min(first + count, document.size());  // end of the targets that are tokens
    document.copy(first, last - first, out);
    if (first + count > document.size()) out[count - 1] = end_of_document;
    in[0] = first == 0 ? end_of_document : document[first - 1];
    std::copy(out, out + count - 1, in + 1);
    std::fill(out, out + context, -1);
    sequences_.push_back({.begin = tokens_, .length = count, .position = 0, .slot = 0});
    tokens_ += count;
    scored_ += count - context;
  }

  /// Appends an example of n tokens as one sequence of n - 1 rows: row i has token i as its input
  /// and token i + 1 as its target, which counts when `learned[i + 1]` is not zero. Throws `error`
  /// when there are fewer than two tokens, `learned` has another size, or the rows do not fit.
  void append(std::span<const std::int32_t> tokens, std::span<const std::uint8_t> learned) {
    expects(tokens.size() >= 2 && tokens.size() == learned.size(), "packed_batch: an example of ",
            tokens.size(), " tokens and ", learned.size(),
            " marks, expected two or more and as many");
    const auto rows = static_cast<index_t>(tokens.size()) - 1;
    expects(rows <= capacity() - tokens_, "packed_batch: an example of ", rows,
            " rows, expected at most the ", capacity() - tokens_, " that are free");
    std::int32_t* in = inputs_.data() + tokens_;
    std::int32_t* out = targets_.data() + tokens_;
    std::copy(tokens.begin(), tokens.end() - 1, in);
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      out[i - 1] = learned[i] != 0 ? tokens[i] : -1;
      scored_ += learned[i] != 0;
    }
    sequences_.push_back({.begin = tokens_, .length = rows, .position = 0, .slot = 0});
    tokens_ += rows;
  }

 private:
  static index_t checked(index_t capacity) {
    expects(capacity > 0, "packed_batch of ", capacity, " tokens, expected one or more");
    return capacity;
  }

  buffer<std::int32_t> inputs_, targets_;
  std::vector<sequence> sequences_;
  index_t tokens_ = 0, scored_ = 0;
};

}  // namespace dsr1
