// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules: the multiplier of the peak rate at step t = 0, 1, ...
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// How the warm-up counts.
enum class warmup_from {
  zero,  ///< t / warmup: the first step has rate 0
  one    ///< (t + 1) / warmup
};

enum class schedule_shape {
  constant,
  linear,
  cosine,
  wsd_linear,
  wsd_sqrt,
  wsd_exponential,
  inverse_sqrt
};

/// Warm-up over `warmup` steps, then, with s = smallest,
///     constant          1
///     linear            s + (1 - s) (total - t) / (total - warmup)
///     cosine            s + (1 - s) (1 + cos(pi (t - warmup) / (total - warmup))) / 2
///     wsd_linear, _sqrt 1 until the last `decay` steps, over which x goes from 0 to 1; there
///                       s + (1 - s) (1 - x), or s + (1 - s) (1 - sqrt(x))
///     wsd_exponential   1, then half every `half_life` steps, not below s
///     inverse_sqrt      sqrt(warmup / t), not below s
/// From `total` on, linear, cosine, wsd_linear and wsd_sqrt stay at s; the others just go on.
/// Warmup-stable-decay: Hu et al. 2024, arXiv 2404.06395. Throws `error` when steps or numbers are
/// out of range, in which case the schedule says which.
struct schedule {
  schedule_shape shape = schedule_shape::cosine;
  index_t warmup = 0;
  index_t total = 1;     ///< steps of the run; not used by constant and inverse_sqrt
  index_t decay = 0;     ///< wsd_*: steps of the decay
  double smallest = 0;   ///< the multiplier at the end
  double half_life = 1;  ///< wsd_exponential
  warmup_from from = warmup_from::one;

  double operator()(index_t t) const {
    validate();
    expects(t >= 0, "schedule: step ", t, ", expected 0 or later");
    const double at = static_cast<double>(t), w = static_cast<double>(warmup);
    if (t < warmup) return (from == warmup_from::one ? at + 1 : at) / w;
    const double done = fraction(t - warmup, total - warmup),
                 x = fraction(t - (total - decay), decay);
    const double past = static_cast<double>(std::max<index_t>(0, t - (total - decay)));
    switch (shape) {
      case schedule_shape::constant:
        return 1;
      case schedule_shape::linear:
        return above(1 - done);
      case schedule_shape::cosine:
        return above(0.5 * (1 + std::cos(std::numbers::pi * done)));
      case schedule_shape::wsd_linear:
        return above(1 - x);
      case schedule_shape::wsd_sqrt:
        return above(1 - std::sqrt(x));
      case schedule_shape::wsd_exponential:
        return std::max(smallest, std::exp2(-past / half_life));
      case schedule_shape::inverse_sqrt:
        return std::max(smallest, t > 0 ? std::sqrt(std::max(w, 1.0) / at) : 1);
    }
    return 1;
  }

  void validate() const {
    expects(warmup >= 0, "schedule: warmup is ", warmup, ", expected 0 or more steps");
    expects(smallest >= 0 && smallest <= 1, "schedule: smallest is ", smallest,
            ", expected 0 to 1");
    if (shape == schedule_shape::constant || shape == schedule_shape::inverse_sqrt) return;
    expects(total >= warmup && total > 0, "schedule: total is ", total,
            ", expected at least the warm-up of ", warmup, " steps and more than none");
    if (shape == schedule_shape::linear || shape == schedule_shape::cosine) return;
    expects(decay >= 0 && decay <= total - warmup, "schedule: decay is ", decay, ", expected 0 to ",
            total - warmup, " steps, which ", total, " leave after the warm-up of ", warmup);
    expects(half_life > 0, "schedule: half_life is ", half_life, ", expected above 0");
  }

 private:
  /// done / all between 0 and 1; nothing to do is done at once.
  static double fraction(index_t done, index_t all) {
    if (all <= 0) return done >= 0 ? 1 : 0;
    return std::clamp(static_cast<double>(done) / static_cast<double>(all), 0.0, 1.0);
  }
  double above(double x) const { return smallest + (1 - smallest) * x; }
};

}  // namespace dsr1
