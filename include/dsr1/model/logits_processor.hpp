// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// From logits to the distribution that the next token is drawn from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// What shapes the distribution, in the order in which it works.
struct sampler_options {
  double repetition_penalty = 1;  ///< logits of earlier tokens: divided by it, or times it below 0
  double temperature = 1;         ///< 0 is greedy; the rest then changes nothing
  index_t top_k = 0;              ///< keep the k most likely; 0 keeps all
  double top_p = 1;               ///< then keep the fewest whose probabilities sum to top_p
  double min_p = 0;               ///< then keep those of at least min_p times the largest
  std::uint64_t seed = 0;
};

/// Throws `error` on an option out of its range.
inline void expect_valid(const sampler_options& o) {
  expects(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty),
          "sampler: the repetition penalty is ", o.repetition_penalty,
          ", expected above 0 (1 changes nothing)");
  expects(o.temperature >= 0 && std::isfinite(o.temperature), "sampler: the temperature is ",
          o.temperature, ", expected 0 (greedy) or more");
  expects(o.top_k >= 0, "sampler: top_k is ", o.top_k, ", expected 0 (all) or more");
  expects(o.top_p > 0 && o.top_p <= 1, "sampler: top_p is ", o.top_p,
          ", expected above 0 and at most 1");
  expects(o.min_p >= 0 && o.min_p <= 1, "sampler: min_p is ", o.min_p, ", expected 0 to 1");
}

/// Tokens that may come next and their probabilities, which are above 0 and sum to 1.
struct token_distribution {
  std::vector<std::int32_t> tokens;
  std::vector<double> probabilities;

  /// The probability of a token; 0 when it is not among them.
  double operator()(std::int32_t token) const {
    const auto at = std::find(tokens.begin(), tokens.end(), token);
    return at == tokens.end() ? 0 : probabilities[static_cast<std::size_t>(at - tokens.begin())];
  }

  /// The token at u in [0, 1): one that is uniform draws from the distribution.
  std::int32_t pick(double u) const {
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      if (u < probabilities[i]) return tokens[i];
      u -= probabilities[i];
    }
    return tokens.back();
  }
};

/// p = softmax(penalised logits / temperature), cut by top_k, top_p and min_p and normalised again
/// (the penalty: Keskar et al. 2019, arXiv 1909.05858, once per token however often it occurred;
/// top_p: Holtzman et al. 2019, arXiv 1904.09751). Among equal logits the lower id is the more
/// likely. Depends on its arguments alone; one object, which only keeps scratch, serves any number
/// of requests. After a cut by top_k or top_p the tokens come most likely first, else by id; no
/// more tokens are sorted than a cut needs.
/// Throws `error` on logits that are not finite, on a history beyond them, and on a penalty without
/// a history.
class logits_processor {
 public:
  /// The token that the distribution has at u, without a list of all of them where none is cut.
  template <class T>
  std::int32_t draw(const sampler_options& o, std::span<const T> logits,
                    std::span<const std::int32_t> history, double u) {
    if (o.repetition_penalty != 1 || o.temperature == 0 || o.top_k > 0 || o.top_p < 1 ||
        o.min_p > 0 || logits.empty())
      return (*this)(o, logits, history).pick(u);
    const double sum = weigh_all(o, logits, most_likely(logits));
    std::size_t last = 0;  // that has not underflowed
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (all_[i] == 0) continue;
      const double p = all_[i] / sum;
      if (u < p) return static_cast<std::int32_t>(i);
      u -= p;
      last = i;
    }
    return static_cast<std::int32_t>(last);
  }

  /// `history`: prompt and generated tokens; only the penalty asks. The result lives until the next
  /// call.
  template <class T>
  const token_distribution& operator()(const sampler_options& o, std::span<const T> logits,
                                       std::span<const std::int32_t> history = {}) {
    expects(!logits.empty(), "sampler: no logits");
    out_.tokens.clear();
    out_.probabilities.clear();
    if (o.repetition_penalty == 1) {
      process(o, logits);
    } else {
      penalise(o.repetition_penalty, logits, history);
      process(o, std::span<const double>(penalised_));
    }
    return out_;
  }

 private:
  template <class T>
  void penalise(double penalty, std::span<const T> logits, std::span<const std::int32_t> history) {
    expects(!history.empty(), "sampler: a repetition penalty of ", penalty,
            " and no history, expected the prompt and what was generated");
    penalised_.assign(logits.begin(), logits.end());
    for (const std::int32_t token : history) {
      expects(token >= 0 && static_cast<std::size_t>(token) < logits.size(),
              "sampler: the history has token ", token, ", expected 0 to ", logits.size() - 1);
      const auto x = static_cast<double>(logits[static_cast<std::size_t>(token)]);
      penalised_[static_cast<std::size_t>(token)] = x > 0 ? x / penalty : x * penalty;
    }
  }

  template <class T>
  void process(const sampler_options& o, std::span<const T> logits) {
    const std::size_t best = most_likely(logits);
    if (o.temperature == 0 || o.top_k == 1) {
      out_.tokens.push_back(static_cast<std::int32_t>(best));
      out_.probabilities.push_back(1);
      return;
    }
    const auto top = static_cast<double>(logits[best]);
    const auto weight = [&](std::size_t i) { return weight_of(logits[i], top, o.temperature); };
    if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < logits.size()) {
      keep_top_k(logits, static_cast<std::size_t>(o.top_k));
      for (const std::int32_t id : out_.tokens)
        out_.probabilities.push_back(weight(static_cast<std::size_t>(id)));
      if (o.top_p < 1)
        keep_top_p(o.top_p,
                   std::accumulate(out_.probabilities.begin(), out_.probabilities.end(), 0.));
    } else if (o.top_p < 1) {
      gather_top_p(logits, o.top_p, weigh_all(o, logits, best));
    } else {
      // exp only of what min_p may keep, with some room for its rounding.
      const double least = top + o.temperature * (std::log(o.min_p) - 1e-3);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        if (static_cast<double>(logits[i]) < least) continue;
        out_.tokens.push_back(static_cast<std::int32_t>(i));
        out_.probabilities.push_back(weight(i));
      }
    }
    keep_min_p(o.min_p);
    const double sum = std::accumulate(out_.probabilities.begin(), out_.probabilities.end(), 0.);
    for (double& p : out_.probabilities) p /= sum;
  }

  template <class T>
  static std::size_t most_likely(std::span<const T> logits) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      expects(std::isfinite(logits[i]), "sampler: the logit of token ", i, " is ", logits[i]);
      if (logits[i] > logits[best]) best = i;
    }
    return best;
  }

  /// Relative to the most likely token.
  template <class T>
  static double weight_of(T logit, double top, double temperature) {
    return std::exp((static_cast<double>(logit) - top) / temperature);
  }

  /// The weights of all tokens, into `all_`; their sum.
  template <class T>
  double weigh_all(const sampler_options& o, std::span<const T> logits, std::size_t best) {
    const auto top = static_cast<double>(logits[best]);
    all_.resize(logits.size());
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i)
      sum += all_[i] = weight_of(logits[i], top, o.temperature);
    return sum;
  }

  template <class T>
  static auto likelier(std::span<const T> logits) {
    return [logits](std::int32_t a, std::int32_t b) {
      const T x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
      return x != y ? x > y : a < b;
    };
  }

  template <class T>
  void keep_top_k(std::span<const T> logits, std::size_t k) {
    out_.tokens.resize(logits.size());
    std::iota(out_.tokens.begin(), out_.tokens.end(), 0);
    std::partial_sort(out_.tokens.begin(), out_.tokens.begin() + static_cast<std::ptrdiff_t>(k),
                      out_.tokens.end(), likelier(logits));
    out_.tokens.resize(k);
  }

  /// Appends the tokens whose weight is above `low` and at most `high`, by id.
  void gather(double low, double high) {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (all_[i] <= low || all_[i] > high) continue;
      out_.tokens.push_back(static_cast<std::int32_t>(i));
      out_.probabilities.push_back(all_[i]);
    }
  }

  /// Sorts band after band of falling weight until the bands hold enough: few tokens of a large
  /// vocabulary carry most of the sum.
  template <class T>
  void gather_top_p(std::span<const T> logits, double top_p, double sum) {
    double kept = 0, high = 2, low = 0.25;
    while (high > 0) {
      const std::size_t first = out_.tokens.size();
      gather(low, high);
      const auto begin = out_.tokens.begin() + static_cast<std::ptrdiff_t>(first);
      std::sort(begin, out_.tokens.end(), likelier(logits));
      for (std::size_t i = first; i < out_.tokens.size(); ++i)
        kept += out_.probabilities[i] = all_[static_cast<std::size_t>(out_.tokens[i])];
      if (kept >= top_p * sum) break;
      high = low;
      low = low > 0x1p-32 ? low / 8 : 0;
    }
    keep_top_p(top_p, sum);
  }

  /// Of tokens that come most likely first.
  void keep_top_p(double top_p, double sum) {
    double kept = 0;
    std::size_t count = 0;
    while (count < out_.tokens.size() && kept < top_p * sum) kept += out_.probabilities[count++];
    out_.tokens.resize(count);
    out_.probabilities.resize(count);
  }

  /// Also drops what has underflowed to 0.
  void keep_min_p(double min_p) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < out_.tokens.size(); ++i) {
      if (out_.probabilities[i] < min_p || out_.probabilities[i] == 0) continue;
      out_.tokens[count] = out_.tokens[i];
      out_.probabilities[count++] = out_.probabilities[i];
    }
    out_.tokens.resize(count);
    out_.probabilities.resize(count);
  }

  token_distribution out_;
  std::vector<double> all_;
  std::vector<double> penalised_;
};

}  // namespace dsr1
