// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Mean and variance of numbers that lie in several micro-batches and on several ranks.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// Sums from which a mean and a variance follow: those of parts are added. `sum` and `square` are
/// taken about a number that all parts share; with one near the mean, the variance of numbers that
/// are large beside their spread loses nothing to rounding.
struct moments {
  double count = 0;
  double sum = 0;     ///< of x - about
  double square = 0;  ///< of (x - about)^2
  double about = 0;

  moments& operator+=(const moments& other) {
    expects(about == other.about, "moments about ", other.about, " added to moments about ", about);
    count += other.count;
    sum += other.sum;
    square += other.square;
    return *this;
  }

  /// 0 without numbers.
  double mean() const { return count > 0 ? about + sum / count : 0; }
  /// sum (x - mean)^2 / count, or (`unbiased`) by count - 1; 0 where nothing can vary.
  double variance(bool unbiased) const {
    const double parts = unbiased ? count - 1 : count;
    if (!(parts > 0)) return 0;
    return std::fmax(0.0, square - sum * sum / count) / parts;
  }
};

/// A mask over tokens: the empty one counts all.
using token_mask = std::span<const std::uint8_t>;

inline bool counted(token_mask mask, std::size_t t) { return mask.empty() || mask[t] != 0; }

/// The moments of the numbers that count. Throws `error` naming a number that is not finite.
inline moments moments_of(std::span<const double> x, token_mask mask = {}, double about = 0) {
  expects(mask.empty() || mask.size() == x.size(), "moments of ", x.size(), " numbers with a mask ",
          "of ", mask.size());
  moments m;
  m.about = about;
  for (std::size_t t = 0; t < x.size(); ++t) {
    if (!counted(mask, t)) continue;
    expects(std::isfinite(x[t]), "number ", t, " is ", x[t], ", expected a finite number");
    m.count += 1;
    m.sum += x[t] - about;
    m.square += (x[t] - about) * (x[t] - about);
  }
  return m;
}

struct whiten_options {
  bool unbiased = false;  ///< divide the squares by count - 1
  bool shift = true;      ///< to mean 0; otherwise the mean stays
  double eps = 1e-8;      ///< added to the variance
};

/// x = (x - mean) / sqrt(variance + eps), 0 where x does not count. `all` are the moments of the
/// whole batch, so neither micro-batches nor ranks change what comes out.
inline void whiten(std::span<double> x, token_mask mask, const moments& all,
                   const whiten_options& options = {}) {
  expects(mask.empty() || mask.size() == x.size(), "whiten of ", x.size(), " numbers with a mask ",
          "of ", mask.size());
  expects(options.eps >= 0, "whiten: eps is ", options.eps, ", expected 0 or more");
  const double deviation = std::sqrt(all.variance(options.unbiased) + options.eps);
  const double mean = all.mean(), kept = options.shift ? 0 : mean;
  const double scale = deviation > 0 ? 1 / deviation : 0;
  for (std::size_t t = 0; t < x.size(); ++t)
    x[t] = counted(mask, t) ? (x[t] - mean) * scale + kept : 0;
}

}  // namespace dsr1
