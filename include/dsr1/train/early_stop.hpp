// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// When more training no longer helps, by the loss on what is not trained on.
#pragma once

#include <cmath>

#include <dsr1/io/json.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

struct early_stop_options {
  index_t patience = 3;  ///< evaluations in a row without an improvement that end it; 0: never
  double least = 0;      ///< an improvement is lower than the best by more than this
};

/// Watches the losses of evaluations: it is over when `patience` of them in a row have not improved
/// the best by more than `least`. L. Prechelt, "Early stopping - but when?", 1998, without the
/// thresholds.
class early_stop {
 public:
  /// Throws `error` when an option is below zero or not finite.
  explicit early_stop(early_stop_options options = {}) : options_(options) {
    expects(options.patience >= 0, "early_stop: patience is ", options.patience,
            ", expected 0 or more");
    expects(options.least >= 0 && std::isfinite(options.least), "early_stop: least is ",
            options.least, ", expected 0 or more");
  }

  /// Takes the loss of an evaluation; true when it is the best so far. Throws `error` when it is
  /// not finite or the steps do not ascend.
  bool add(index_t step, double loss) {
    expects(std::isfinite(loss), "early_stop: the loss of step ", step, " is ", loss,
            ", expected a number");
    expects(step > last_, "early_stop: step ", step, " after step ", last_);
    last_ = step;
    if (best_step_ >= 0 && !(loss < best_ - options_.least)) {
      ++without_;
      return false;
    }
    best_ = loss;
    best_step_ = step;
    without_ = 0;
    return true;
  }

  bool over() const { return options_.patience > 0 && without_ >= options_.patience; }
  /// The step of the best evaluation, and its loss; -1 before the first.
  index_t best_step() const { return best_step_; }
  double best() const { return best_; }
  /// Evaluations since the best.
  index_t without_improvement() const { return without_; }

  json to_json() const {
    return {{"best_step", best_step_}, {"best", best_}, {"last", last_}, {"without", without_}};
  }
  /// Goes on from there. Throws `error` naming source and key.
  void restore(const json_object& o) {
    const auto step = o.get_between<index_t>("best_step", -1, index_t{1} << 62);
    const auto last = o.get_between<index_t>("last", step, index_t{1} << 62);
    const auto without = o.get_between<index_t>("without", 0, index_t{1} << 62);
    best_ = o.get<double>("best");
    best_step_ = step;
    last_ = last;
    without_ = without;
  }

 private:
  early_stop_options options_;
  double best_ = 0;
  index_t best_step_ = -1, last_ = -1, without_ = 0;
};

}  // namespace dsr1
