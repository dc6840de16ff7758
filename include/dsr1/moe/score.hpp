// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Score functions: how the router's logits of one token become non-negative scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// score.forward(logits, s)                  s[i] >= 0 for every expert
/// score.backward(logits, s, ds, dlogits)    dlogits[i] += what ds gives
/// This is all that a gate policy of one's own usually needs; `top_k_gate` does the rest. Kernels
/// call the members, so they are constexpr (or DSR1_HOST_DEVICE).
template <class S, class T>
concept score_policy = requires(const S& score, std::span<const T> in, std::span<T> out) {
  score.forward(in, out);
  score.backward(in, in, in, out);
};

/// s = softmax(logits)
struct softmax_score {
  template <class T>
  constexpr void forward(std::span<const T> logits, std::span<T> s) const {
    const T top = *std::max_element(logits.begin(), logits.end());
    T sum = 0;
    for (std::size_t i = 0; i < s.size(); ++i) sum += s[i] = std::exp(logits[i] - top);
    for (T& v : s) v /= sum;
  }
  template <class T>
  constexpr void backward(std::span<const T>, std::span<const T> s, std::span<const T> ds,
                          std::span<T> dlogits) const {
    const T mean = std::inner_product(s.begin(), s.end(), ds.begin(), T(0));
    for (std::size_t i = 0; i < s.size(); ++i) dlogits[i] += s[i] * (ds[i] - mean);
  }
};

/// s = 1 / (1 + exp(-logits)), each expert for itself (DeepSeek-V3)
struct sigmoid_score {
  template <class T>
  constexpr void forward(std::span<const T> logits, std::span<T> s) const {
    for (std::size_t i = 0; i < s.size(); ++i) s[i] = T(1) / (T(1) + std::exp(-logits[i]));
  }
  template <class T>
  constexpr void backward(std::span<const T>, std::span<const T> s, std::span<const T> ds,
                          std::span<T> dlogits) const {
    for (std::size_t i = 0; i < s.size(); ++i) dlogits[i] += ds[i] * s[i] * (T(1) - s[i]);
  }
};

/// s = sqrt(log(1 + exp(logits)))
struct sqrt_softplus_score {
  template <class T>
  constexpr void forward(std::span<const T> logits, std::span<T> s) const {
    for (std::size_t i = 0; i < s.size(); ++i)
      s[i] = std::sqrt(std::max(logits[i], T(0)) + std::log1p(std::exp(-std::abs(logits[i]))));
  }
  template <class T>
  constexpr void backward(std::span<const T> logits, std::span<const T> s, std::span<const T> ds,
                          std::span<T> dlogits) const {
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (ds[i] == T(0)) continue;  // s may be 0 far below zero, where its slope is too
      const T slope = T(1) / (T(1) + std::exp(-logits[i]));
      dlogits[i] += ds[i] * slope / (T(2) * std::max(s[i], std::numeric_limits<T>::min()));
    }
  }
};

static_assert(score_policy<softmax_score, float> && score_policy<sigmoid_score, double> &&
              score_policy<sqrt_softplus_score, float>);

}  // namespace dsr1
