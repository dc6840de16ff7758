// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How the losses of tokens are averaged, whatever micro-batch or rank they are in.
#pragma once

#include <algorithm>
#include <span>

#include <dsr1/core/error.hpp>
#include <dsr1/loss/policy_tokens.hpp>

namespace dsr1 {

/// What a batch holds; those of micro-batches and ranks are added.
struct answer_counts {
  double tokens = 0;
  double answers = 0;  ///< those without tokens, too

  answer_counts& operator+=(const answer_counts& other) {
    tokens += other.tokens;
    answers += other.answers;
    return *this;
  }
};

inline answer_counts counts_of(std::span<const answer_range> answers) {
  answer_counts counts;
  counts.answers = static_cast<double>(answers.size());
  for (const answer_range& a : answers) counts.tokens += static_cast<double>(a.size);
  return counts;
}

/// Loss of a batch:
///   token_mean     sum over all tokens / tokens (DAPO)
///   sequence_mean  mean over answers of the mean over their tokens (GRPO, GSPO): a token of a long
///                  answer weighs less
///   fixed_length   sum over all tokens / (answers * length): no answer's length matters (Dr. GRPO)
enum class token_average { token_mean, sequence_mean, fixed_length };

struct token_weight_options {
  token_average average = token_average::token_mean;
  double length = 0;  ///< of fixed_length: the most tokens an answer may have, say
};

/// Writes weights w such that the loss of the whole batch is (1 / tokens of the whole batch) sum_t
/// w[t] loss[t]: what a trainer computes that scales the sum over all micro-batches and ranks by
/// one over their tokens. `all` counts that whole batch. Tokens in no answer get 0.
/// Throws `error` on an answer outside the tokens, and when `all` is less than these answers.
/// Papers: arXiv 2503.14476 (token_mean), 2402.03300 (sequence_mean), 2503.20783 (fixed_length).
inline void token_weights(std::span<const answer_range> answers, const answer_counts& all,
                          const token_weight_options& options, std::span<double> weights) {
  const answer_counts own = counts_of(answers);
  expects(all.tokens >= own.tokens && all.answers >= own.answers, "token_weights: the whole batch ",
          "is said to have ", all.answers, " answers of ", all.tokens, " tokens, a part of it has ",
          own.answers, " of ", own.tokens);
  const bool fixed = options.average == token_average::fixed_length;
  expects(!fixed || options.length > 0, "token_weights: the length is ", options.length,
          ", expected more than 0");
  std::fill(weights.begin(), weights.end(), 0.0);
  for (const answer_range& a : answers) {
    expects(a.begin >= 0 && a.size >= 0 && a.begin + a.size <= static_cast<index_t>(weights.size()),
            "token_weights: an answer of tokens ", a.begin, " to ", a.begin + a.size,
            ", expected 0 to ", weights.size());
    const double length = fixed ? options.length : static_cast<double>(a.size);
    const double w =
        options.average == token_average::token_mean ? 1 : all.tokens / (all.answers * length);
    std::fill_n(weights.begin() + a.begin, a.size, w);
  }
}

}  // namespace dsr1
