// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A training run in memory: model, optimizer and place in the data, saved and restored together.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <dsr1/comm/rank_group.hpp>
#include <dsr1/data.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/train.hpp>

#include "generation.hpp"
#include "run.hpp"

namespace seed {

/// Where the batches of a run come from: endless, and the same from the same state.
class batch_source {
 public:
  virtual ~batch_source() = default;
  virtual void next(dsr1::packed_batch& batch) = 0;
  virtual dsr1::loader_state state() const = 0;
  virtual void restore(const dsr1::loader_state& state) = 0;
};

/// A loader of the library as a source; what it reads must outlive it.
template <class Loader>
class loader_source final : public batch_source {
 public:
  template <class Data, class Options>
  loader_source(const Data& data, const Options& options) : loader_(data, options) {}
  void next(dsr1::packed_batch& batch) override { loader_.next(batch); }
  dsr1::loader_state state() const override { return loader_.state(); }
  void restore(const dsr1::loader_state& state) override { loader_.restore(state); }

 private:
  Loader loader_;
};

/// Everything that a step changes, on one of the ranks that train together. Two sessions of one
/// configuration and one number of ranks give the same bits, whatever their numbers of threads, and
/// whether or not they were saved and restored in between. All ranks read the same batches and
/// compute their share of each, so a run may go on with another number of ranks. Everything but the
/// accessors is collective.
class session {
 public:
  session() = default;
  virtual ~session() = default;
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  virtual model& network() = 0;
  virtual index_t steps() const = 0;
  virtual index_t tokens() const = 0;
  /// The choices of the experts since the last `load().clear()`.
  virtual dsr1::load_matrix& load() = 0;
  /// What this rank has sent and received.
  virtual dsr1::traffic counted() = 0;
  /// What computes, in words.
  virtual std::string device() = 0;

  virtual dsr1::step_report step() = 0;

  /// The load of the busiest rank over the mean, from the choices since the last `load().clear()`;
  /// 1 when experts are not spread.
  virtual double rank_imbalance() = 0;

  /// The loss over about `most` targets of a data set (all when it has fewer), in batches evenly
  /// spread over it, each document by itself and each target once. A piece of a long document
  /// begins with half a sequence that was scored before, so that few targets lack what stood before
  /// them.
  virtual dsr1::token_loss evaluate(const dsr1::dataset& data, index_t most,
                                    const std::function<bool(index_t)>& go_on = {}) = 0;

  /// The loss over all examples of a set.
  virtual dsr1::token_loss evaluate(const dsr1::example_set& set) = 0;

  /// Writes the checkpoint of this step, with what the program adds, and keeps the newest `keep`.
  virtual void save(const std::filesystem::path& folder,
                    const dsr1::json& program = dsr1::json::object(), std::size_t keep = 2) = 0;

  /// Returns what the program had added. Throws `error` when the checkpoint is damaged, of another
  /// model, or of other data.
  virtual dsr1::json_object restore(const std::filesystem::path& checkpoint) = 0;

  /// Takes the weights of another run's checkpoint; steps and optimizer stay at their beginning.
  virtual void begin_from(const std::filesystem::path& checkpoint) = 0;

  /// Writes what the model says after a prompt.
  virtual void write(std::ostream& out, const tokenizer& words, const generation& what) = 0;
};

/// Bits per byte of text of a loss over some or all of a data set's targets: the share of the
/// targets stands for the share of the bytes.
inline double bits_per_byte(const dsr1::token_loss& loss, const dsr1::dataset& data) {
  const double share = static_cast<double>(loss.tokens) / static_cast<double>(data.targets());
  return loss.sum / std::log(2.0) / (share * static_cast<double>(data.bytes()));
}

}  // namespace seed
