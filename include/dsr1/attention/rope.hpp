// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding, with the YaRN extension to longer contexts.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <dsr1/backend/attention_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace dsr1 {

/// YaRN (Peng et al. 2023, arXiv 2309.00071): frequencies that turn more than `beta_fast` times
/// within the original length stay, those that turn less than `beta_slow` times are divided by
/// `factor`, those between are blended linearly in the index of the pair.
struct yarn {
  double factor = 1;  ///< 1 switches it off
  double beta_fast = 32;
  double beta_slow = 1;
  index_t original_length = 4096;
  bool truncate = true;      ///< round the borders of the blend (gpt-oss does not)
  double concentration = 0;  ///< multiplies cosine and sine; 0 means 0.1 ln(factor) + 1
};

struct rope_options {
  double theta = 10'000;
  rope_layout layout = rope_layout::half_split;
  dsr1::yarn yarn = {};
};

/// Rotates pair i of a head at position p by p f[i], f[i] = theta^(-2 i / head_dim), as YaRN
/// changes it. Su et al. 2021, arXiv 2104.09864. The table of cosines and sines is computed in
/// double precision and grows with the positions asked for.
template <class T>
class rope {
 public:
  explicit rope(index_t head_dim, rope_options options = {})
      : head_dim_(head_dim), options_(options), frequency_(frequencies(head_dim, options)) {}

  const std::vector<double>& frequency() const { return frequency_; }

  /// The factor of cosine and sine.
  double concentration() const {
    const yarn& y = options_.yarn;
    if (y.concentration > 0) return y.concentration;
    return y.factor > 1 ? 0.1 * std::log(y.factor) + 1 : 1;
  }

  /// Rotates x [tokens, heads head_dim] in place; `inverse` for gradients.
  template <class Ctx>
    requires attention_ops<Ctx, T> && tensor_ops<Ctx, T>
  void apply(Ctx& ctx, view<T, 2> x, const sequence_layout& sequences, bool inverse = false) {
    index_t longest = 0;
    for (index_t i = 0; i < sequences.count(); ++i)
      longest = std::max(longest, sequences[i].position + sequences[i].length);
    grow(ctx, longest);
    Ctx::backend::rotate(ctx, x, head_dim_, options_.layout, table(0), table(1), sequences,
                         inverse);
  }

 private:
  static std::vector<double> frequencies(index_t head_dim, const rope_options& o) {
    expects(head_dim > 0 && head_dim % 2 == 0, "rope: head_dim is ", head_dim,
            ", expected an even number");
    expects(o.theta > 0 && o.yarn.factor >= 1, "rope: theta is ", o.theta, " and the YaRN factor ",
            o.yarn.factor, ", expected above 0 and at least 1");
    const index_t half = head_dim / 2;
    const double d = static_cast<double>(head_dim);
    std::vector<double> f(static_cast<std::size_t>(half));
    for (index_t i = 0; i < half; ++i)
      f[static_cast<std::size_t>(i)] = std::pow(o.theta, -2.0 * static_cast<double>(i) / d);
    if (o.yarn.factor == 1) return f;
    // The pair that makes `turns` turns within the original length.
    auto pair_of = [&](double turns) {
      return d *
             std::log(static_cast<double>(o.yarn.original_length) /
                      (turns * 2 * 3.14159265358979323846)) /
             (2 * std::log(o.theta));
    };
    double low = pair_of(o.yarn.beta_fast), high = pair_of(o.yarn.beta_slow);
    if (o.yarn.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, d - 1);
    if (low == high) high += 0.001;
    for (index_t i = 0; i < half; ++i) {
      const double blend = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
      double& value = f[static_cast<std::size_t>(i)];
      value = value / o.yarn.factor * blend + value * (1 - blend);
    }
    return f;
  }

  template <class Ctx>
  void grow(Ctx& ctx, index_t positions) {
    if (positions <= positions_) return;
    positions = std::max<index_t>(256, round_up(std::max(positions, 2 * positions_), 256));
    const index_t half = head_dim_ / 2;
    std::vector<T> host(static_cast<std::size_t>(2 * positions * half));
    const double factor = concentration();
    for (index_t p = 0; p < positions; ++p)
      for (index_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(p) * frequency_[static_cast<std::size_t>(i)];
        const auto at = static_cast<std::size_t>(p * half + i);
        host[at] = static_cast<T>(factor * std::cos(angle));
        host[at + static_cast<std::size_t>(positions * half)] =
            static_cast<T>(factor * std::sin(angle));
      }
    table_ = buffer<T>(2 * positions * half, ctx.memory());
    Ctx::backend::upload(ctx, host.data(), table_.as(table_.size()));
    positions_ = positions;
  }

  view<const T, 2> table(index_t which) const {
    const index_t half = head_dim_ / 2;
    return view<const T, 2>(table_.data() + which * positions_ * half, positions_, half);
  }

  index_t head_dim_;
  rope_options options_;
  std::vector<double> frequency_;
  buffer<T> table_;
  index_t positions_ = 0;
};

}  // namespace dsr1
