// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules: the multiplier of the peak rate at step t = 0, 1, ...
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// How the warm-up counts.
enum class warmup_from {
  zero,  ///< t / warmup: the first step has rate 0
  one    ///< (t + 1) / warmup
};

enum class schedule_shape { constant, linear, cosine, wsd_linear, wsd_sqrt, wsd_exponential, inverse_sqrt };

/// Warm-up over `warmup` steps, then
///     constant         1
///     linear           (total - t) / (total - warmup)
///     cosine           smallest + (1 - smallest) (1 + cos(pi (t - warmup) / (total - warmup))) / 2
///     wsd_*            1 until the last `decay` steps, then from x = 0 to 1: 1 - x, 1 - sqrt(x), or
///                      half every `half_life` steps (Hu et al. 2024, arXiv 2404.06395)
///     inverse_sqrt     sqrt(warmup / t)
/// After `total` the value stays at its end.
struct schedule {
  schedule_shape shape = schedule_shape::cosine;
  index_t warmup = 0;
  index_t total = 1;
  index_t decay = 0;        ///< wsd_*: steps of the decay
  double smallest = 0;      ///< cosine: the last multiplier
  double half_life = 1;     ///< wsd_exponential
  warmup_from from = warmup_from::one;

  double operator()(index_t t) const {
    const double at = static_cast<double>(t), w = static_cast<double>(warmup);
    if (t < warmup) return (from == warmup_from::one ? at + 1 : at) / w;
    const double rest = static_cast<double>(std::max<index_t>(1, total - warmup));
    const double done = std::clamp((at - w) / rest, 0.0, 1.0);
    const double past = std::max(0.0, at - static_cast<double>(total - decay));
    const double x = decay > 0 ? std::min(1.0, past / static_cast<double>(decay)) : 0;
    switch (shape) {
      case schedule_shape::constant: return 1;
      case schedule_shape::linear: return 1 - done;
      case schedule_shape::cosine:
        return smallest + (1 - smallest) * 0.5 * (1 + std::cos(3.14159265358979323846 * done));
      case schedule_shape::wsd_linear: return 1 - x;
      case schedule_shape::wsd_sqrt: return 1 - std::sqrt(x);
      case schedule_shape::wsd_exponential: return std::pow(0.5, past / half_life);
      case schedule_shape::inverse_sqrt: return t > 0 ? std::sqrt(std::max(w, 1.0) / at) : 1;
    }
    return 1;
  }
};

}  // namespace dsr1
