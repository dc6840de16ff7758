// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A sampled answer with all that is known of it, and batches of them for the policy.
#pragma once

#include <vector>

#include <dsr1/model/actor_critic.hpp>
#include <dsr1/rl/task.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace dsr1 {

/// An answer. The vectors have one entry per token of it.
struct experience {
  std::vector<std::int32_t> prompt = {};  ///< what the model read, with the beginning of the text
  std::vector<std::int32_t> answer = {};  ///< what it wrote, with the end of the text when it ended
  bool ended = false;                     ///< by itself; else it was cut at the length limit
  std::string text = {};                  ///< of the answer
  verdict judged = {};
  index_t group = 0;  ///< answers to one prompt have the same

  std::vector<double> log_probability = {};  ///< when it was sampled
  double entropy = 0;                        ///< then, exact, the sum over its tokens
  std::vector<double> reference = {};        ///< of the reference model
  std::vector<double> divergence = {};       ///< exact KL(policy || reference) at the token
  std::vector<double> value = {};
  double bootstrap = 0;             ///< value after the last token of a cut answer
  std::vector<double> reward = {};  ///< of the task, without the KL penalty
  double penalty = 0;               ///< coefficient of that penalty
  std::vector<double> advantage = {}, returns = {};
  std::vector<double> weight =
      {};  ///< of each token in the loss; empty: 1 each, the mean over tokens

  index_t size() const { return static_cast<index_t>(answer.size()); }
  double total_reward() const {
    double sum = 0;
    for (const double r : reward) sum += r;
    return sum;
  }
  /// Of token i, less the penalty for leaving the reference model.
  double net_reward(std::size_t i) const {
    return reward[i] - (divergence.empty() ? 0 : penalty * divergence[i]);
  }
};

/// The rows of an experience in a batch. A cut answer has one more, which acts not: the state after
/// its last token, whose value takes the place of what would have come.
inline index_t packed_rows(const experience& e) {
  return static_cast<index_t>(e.prompt.size()) + e.size() - (e.ended ? 1 : 0);
}

/// Packs experiences into a `policy_batch`, each as a sequence.
template <class T>
class packed_answers {
 public:
  void clear() {
    inputs_.clear();
    targets_.clear();
    sequences_.clear();
    answers_.clear();
    for (auto* list : {&before_, &reference_, &advantage_, &weight_, &value_, &returns_})
      list->clear();
  }

  index_t rows() const { return static_cast<index_t>(inputs_.size()); }
  index_t answers() const { return static_cast<index_t>(answers_.size()); }

  void append(const experience& e) {
    expects(!e.prompt.empty() && !e.answer.empty(), "an experience of ", e.prompt.size(), " and ",
            e.answer.size(), " tokens, expected a prompt and an answer");
    const index_t begin = rows(), length = packed_rows(e);
    inputs_.insert(inputs_.end(), e.prompt.begin(), e.prompt.end());
    inputs_.insert(inputs_.end(), e.answer.begin(), e.answer.end() - (e.ended ? 1 : 0));
    targets_.insert(targets_.end(), e.prompt.size() - 1, -1);
    targets_.insert(targets_.end(), e.answer.begin(), e.answer.end());
    if (!e.ended) targets_.push_back(-1);
    sequences_.push_back({.begin = begin, .length = length});
    answers_.push_back({static_cast<index_t>(before_.size()), e.size()});
    const auto add = [](std::vector<double>& to, const std::vector<double>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    add(before_, e.log_probability);
    add(reference_, e.reference);
    add(advantage_, e.advantage);
    add(value_, e.value);
    add(returns_, e.returns);
    if (e.weight.empty())
      weight_.insert(weight_.end(), e.answer.size(), 1.0);
    else
      add(weight_, e.weight);
  }

  /// Valid until the next change; without states of a reference model.
  policy_batch<T> batch() const {
    const auto n = static_cast<index_t>(inputs_.size());
    return {.tokens = {view<const std::int32_t, 1>(inputs_.data(), n),
                       sequence_layout(std::span<const sequence>(sequences_))},
            .targets = view<const std::int32_t, 1>(targets_.data(), n),
            .answers = answers_,
            .before = before_,
            .reference = reference_,
            .advantage = advantage_,
            .weight = weight_,
            .values_before = value_,
            .returns = returns_,
            .reference_states = {}};
  }

 private:
  std::vector<std::int32_t> inputs_, targets_;
  std::vector<sequence> sequences_;
  std::vector<answer_range> answers_;
  std::vector<double> before_, reference_, advantage_, weight_, value_, returns_;
};

}  // namespace dsr1
