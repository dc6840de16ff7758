// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The order in which a data set is read: endless and shuffled to train, once and in order to
// evaluate.
#pragma once

#include <algorithm>
#include <string>

#include <dsr1/data/batch.hpp>
#include <dsr1/data/dataset.hpp>
#include <dsr1/data/permutation.hpp>

namespace dsr1 {

struct loader_options {
  index_t tokens = 4096;  ///< of a batch, on one rank
  index_t length =
      512;  ///< longest sequence; longer documents are cut, and go on in a new sequence
  std::uint64_t seed = 0;  ///< of the order of the documents
  int rank = 0;            ///< this process's share: batches are dealt to the ranks in turn
  int ranks = 1;
};

/// Where a loader stands: everything that decides the batches still to come.
struct loader_state {
  std::uint64_t key = 0;   ///< of the shuffle
  std::uint64_t data = 0;  ///< `dataset::hash`
  index_t epoch = 0;
  index_t document = 0;  ///< place in the epoch's order
  index_t offset = 0;    ///< targets of that document already given

  bool operator==(const loader_state&) const = default;

  json to_json() const {
    return {{"key", hash_text(key)},
            {"data", hash_text(data)},
            {"epoch", epoch},
            {"document", document},
            {"offset", offset}};
  }
  /// Throws `error` naming source and key.
  static loader_state from_json(const json_object& o) {
    const auto number = [&](const char* name) {
      const auto digits = o.get<std::string>(name);
      const bool valid =
          digits.size() == 16 && digits.find_first_not_of("0123456789abcdef") == std::string::npos;
      expects(valid, o.source(), ": \"", name, "\" is \"", digits,
              "\", expected 16 hexadecimal digits");
      return static_cast<std::uint64_t>(std::stoull(digits, nullptr, 16));
    };
    return {number("key"), number("data"), data_detail::count_of(o, "epoch"),
            data_detail::count_of(o, "document"), data_detail::count_of(o, "offset")};
  }
};

namespace data_detail {

inline void check(const loader_options& o, const char* who) {
  expects(o.tokens > 0 && o.length > 0, who, ": batches of ", o.tokens, " tokens in sequences of ",
          o.length, ", expected one or more");
  expects(o.ranks > 0 && o.rank >= 0 && o.rank < o.ranks, who, ": rank ", o.rank, " of ", o.ranks);
}

}  // namespace data_detail

/// Endless batches of `tokens` tokens each. An epoch is every document once, in an order that
/// depends only on (seed, epoch); batches follow one another without a gap, also from epoch to
/// epoch, so no token is lost. The tokens of a document stay in order; a document ends a sequence,
/// and so do `length` tokens and the end of the batch. All ranks walk the same order and rank r
/// takes the batches r, r + ranks, ...: a state saved by any rank after the same number of calls
/// is the same, and resumes any number of ranks. The same state gives the same batches, bit for
/// bit. `next` takes nothing from the heap. The data set must outlive the loader.
/// Throws `error` when one round of batches needs more targets than the data set has.
class training_loader {
 public:
  training_loader(const dataset& data, loader_options options)
      : data_(data),
        options_(options),
        state_{.key = options.seed, .data = data.hash()},
        order_(data.documents(), options.seed, 0) {
    data_detail::check(options, "training_loader");
    expects(data.targets() >= options.tokens * options.ranks, "the data set has ", data.targets(),
            " targets, one batch for each of ", options.ranks, " ranks needs ",
            options.tokens * options.ranks);
  }

  void next(packed_batch& batch) {
    expects(batch.capacity() >= options_.tokens, "training_loader: a batch with room for ",
            batch.capacity(), " tokens, expected ", options_.tokens);
    batch.clear();
    for (int rank = 0; rank < options_.ranks; ++rank)
      walk(rank == options_.rank ? &batch : nullptr);
  }

  /// The state before the next batch.
  const loader_state& state() const { return state_; }

  /// Goes on from a saved state, whose key replaces the seed. Throws `error` when the state belongs
  /// to another data set, or to no place in this one.
  void restore(const loader_state& state) {
    expects(state.data == data_.hash(), "the state belongs to the data set ", hash_text(state.data),
            ", this one is ", hash_text(data_.hash()));
    expects(state.epoch >= 0 && state.document >= 0 && state.document < data_.documents(),
            "the state is at epoch ", state.epoch, ", document ", state.document,
            "; the data set has ", data_.documents(), " documents");
    const permutation order(data_.documents(), state.key, static_cast<std::uint64_t>(state.epoch));
    const index_t targets = data_.document(order(state.document)).size() + 1;
    expects(state.offset >= 0 && state.offset < targets, "the state is at target ", state.offset,
            " of a document of ", targets);
    state_ = state;
    order_ = order;
  }

 private:
  void walk(packed_batch* batch) {
    for (index_t room = options_.tokens; room > 0;) {
      const token_run document = data_.document(order_(state_.document));
      const index_t left = document.size() + 1 - state_.offset;
      const index_t count = std::min({room, left, options_.length});
      if (batch) batch->append(document, state_.offset, count, 0, data_.end_of_document());
      room -= count;
      state_.offset += count;
      if (count == left) next_document();
    }
  }

  void next_document() {
    state_.offset = 0;
    if (++state_.document < data_.documents()) return;
    state_.document = 0;
    ++state_.epoch;
    order_ = permutation(data_.documents(), state_.key, static_cast<std::uint64_t>(state_.epoch));
  }

  const dataset& data_;
  loader_options options_;
  loader_state state_;
  permutation order_;
};

/// One pass over a data set in stored order, every target scored exactly once. A document longer
/// than `length` is cut; with a `context` above zero, each later piece begins with that many tokens
/// that were scored before (their targets are -1), so that its first tokens are not predicted from
/// nothing. Ranks take batches in turn and are given the same number of them, so that all can take
/// part in collectives; the last ones may be empty. The data set must outlive the pass.
class evaluation_pass {
 public:
  evaluation_pass(const dataset& data, loader_options options, index_t context = 0)
      : data_(data), options_(options), context_(context) {
    data_detail::check(options, "evaluation_pass");
    expects(context >= 0 && context < options.length && context < options.tokens,
            "evaluation_pass: ", context, " tokens of context in sequences of ", options.length,
            " and batches of ", options.tokens, ", expected fewer than both");
  }

  /// Fills the next batch; false when nothing was left for any rank.
  bool next(packed_batch& batch) {
    expects(batch.capacity() >= options_.tokens, "evaluation_pass: a batch with room for ",
            batch.capacity(), " tokens, expected ", options_.tokens);
    batch.clear();
    if (document_ == data_.documents()) return false;
    for (int rank = 0; rank < options_.ranks; ++rank)
      walk(rank == options_.rank ? &batch : nullptr);
    return true;
  }

  void rewind() { document_ = offset_ = 0; }

 private:
  void walk(packed_batch* batch) {
    for (index_t room = options_.tokens; room > 0 && document_ < data_.documents();) {
      const token_run document = data_.document(document_);
      const index_t again = std::min(offset_, context_);
      if (room <= again) return;  // no room for anything new
      const index_t left = document.size() + 1 - offset_;
      const index_t count = std::min({room, left + again, options_.length});
      if (batch) batch->append(document, offset_ - again, count, again, data_.end_of_document());
      room -= count;
      offset_ += count - again;
      if (offset_ <= document.size()) continue;
      offset_ = 0;
      ++document_;
    }
  }

  const dataset& data_;
  loader_options options_;
  index_t context_;
  index_t document_ = 0, offset_ = 0;
};

}  // namespace dsr1
