// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The order in which examples are read: shuffled epochs to train, once and in order to validate.
#pragma once

#include <dsr1/data/batch.hpp>
#include <dsr1/data/examples.hpp>
#include <dsr1/data/loader.hpp>
#include <dsr1/data/permutation.hpp>

namespace dsr1 {

struct example_loader_options {
  index_t tokens = 4096;   ///< most rows of a batch
  std::uint64_t seed = 0;  ///< of the order of the examples
};

namespace data_detail {

/// The set. Throws `error` unless it has examples and each fits into a batch.
inline const example_set& checked(const example_set& set, const example_loader_options& o,
                                  const char* who) {
  expects(set.size() > 0, who, ": a set without examples, expected one or more");
  expects(set.longest() <= o.tokens, who, ": batches of ", o.tokens, " tokens, but an example has ",
          set.longest());
  return set;
}

inline void expects_room(const packed_batch& batch, const example_loader_options& o,
                         const char* who) {
  expects(batch.capacity() >= o.tokens, who, ": a batch with room for ", batch.capacity(),
          " tokens, expected ", o.tokens);
}

}  // namespace data_detail

/// Endless batches of whole examples, each a sequence of its own. An epoch is every example once,
/// in an order that depends only on (seed, epoch). A batch ends before the first example that does
/// not fit any more, and with the epoch, so that some epochs are a whole number of batches; it has
/// `tokens` rows or fewer. The state is a `loader_state` with offset 0; the same state gives the
/// same batches, bit for bit. For several ranks all read the same batches and take their
/// `batch_share`. `next` takes nothing from the heap. The set must outlive the loader and not grow.
/// Throws `error` when the set is empty or an example has more rows than a batch.
class example_loader {
 public:
  example_loader(const example_set& set, example_loader_options options)
      : set_(data_detail::checked(set, options, "example_loader")),
        options_(options),
        state_{.key = options.seed, .data = set.hash()},
        order_(set.size(), options.seed, 0) {}

  void next(packed_batch& batch) {
    data_detail::expects_room(batch, options_, "example_loader");
    batch.clear();
    walk(state_, order_, &batch);
    if (state_.document == 0)
      order_ = permutation(set_.size(), state_.key, static_cast<std::uint64_t>(state_.epoch));
  }

  /// How many batches the epochs 0 to `epochs` - 1 are.
  index_t batches(index_t epochs) const {
    loader_state at{.key = state_.key};
    index_t count = 0;
    while (at.epoch < epochs) {
      const permutation order(set_.size(), at.key, static_cast<std::uint64_t>(at.epoch));
      for (const index_t epoch = at.epoch; at.epoch == epoch; ++count) walk(at, order, nullptr);
    }
    return count;
  }

  /// The state before the next batch.
  const loader_state& state() const { return state_; }

  /// Goes on from a saved state, whose key replaces the seed. Throws `error` when the state belongs
  /// to other examples, or to no place in these.
  void restore(const loader_state& state) {
    expects(state.data == state_.data, "the state belongs to the examples ", hash_text(state.data),
            ", these are ", hash_text(state_.data));
    expects(state.epoch >= 0 && state.document >= 0 && state.document < set_.size() &&
                state.offset == 0,
            "the state is at epoch ", state.epoch, ", example ", state.document, ", token ",
            state.offset, "; there are ", set_.size(), " examples, and batches begin at token 0");
    state_ = state;
    order_ = permutation(set_.size(), state.key, static_cast<std::uint64_t>(state.epoch));
  }

 private:
  /// Moves a state over one batch.
  void walk(loader_state& at, const permutation& order, packed_batch* batch) const {
    for (index_t room = options_.tokens; at.document < set_.size(); ++at.document) {
      const example_set::example e = set_[order(at.document)];
      if (e.rows() > room) return;
      room -= e.rows();
      if (batch) batch->append(e.tokens, e.learned);
    }
    at.document = 0;
    ++at.epoch;
  }

  const example_set& set_;
  example_loader_options options_;
  loader_state state_;
  permutation order_;
};

/// One pass over a set in its order, in batches as those of `example_loader`. The set must outlive
/// the pass and not grow.
class example_pass {
 public:
  example_pass(const example_set& set, index_t tokens)
      : set_(data_detail::checked(set, {.tokens = tokens}, "example_pass")),
        options_{.tokens = tokens} {}

  /// Fills the next batch; false when nothing was left.
  bool next(packed_batch& batch) {
    data_detail::expects_room(batch, options_, "example_pass");
    batch.clear();
    for (; at_ < set_.size() && set_[at_].rows() <= options_.tokens - batch.tokens(); ++at_)
      batch.append(set_[at_].tokens, set_[at_].learned);
    return batch.tokens() > 0;
  }

  void rewind() { at_ = 0; }

 private:
  const example_set& set_;
  example_loader_options options_;
  index_t at_ = 0;
};

}  // namespace dsr1
