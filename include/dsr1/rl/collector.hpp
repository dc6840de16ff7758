// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Collecting experience: problems, answers, verdicts, and what policy, critic and reference say.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include <dsr1/rl/judge.hpp>
#include <dsr1/rl/minibatches.hpp>
#include <dsr1/rl/rollout.hpp>

namespace dsr1 {

/// What an evaluation found.
struct evaluation_report {
  index_t problems = 0;
  std::array<double, 3> reached = {};     ///< share of answers that reach a level, by itself
  double solved = 0;                      ///< share that reach all: pass@1
  double length = 0;                      ///< tokens of an answer
  double cut = 0;                         ///< share cut at the length limit
  std::vector<std::string> prompts = {};  ///< of this rank's share of the problems
  std::vector<experience> answers = {};   ///< to those
};

/// Samples answers to problems of a task and has them judged and scored. On several ranks problem p
/// goes to rank p mod ranks, with all its answers; experts must not be spread over ranks, for each
/// samples for itself. All arguments must outlive it.
template <class Ctx, class Actor, task Task, text_codec Codec>
class collector {
 public:
  using T = typename Actor::T;
  using model_type = std::remove_cvref_t<decltype(std::declval<Actor&>().model())>;
  using problem = typename Task::problem;

  collector(Ctx& ctx, Actor& actor, const Task& task, const Codec& codec,
            const rollout_options& sampling, const judge_options& judging)
      : ctx_(ctx),
        actor_(actor),
        task_(task),
        rollout_(ctx, actor.model(), codec, sampling),
        judge_(task, judging) {}

  const rollout_options& options() const { return rollout_.options(); }
  std::vector<experience>& all() { return all_; }
  /// That they answer, one each.
  std::span<const problem> problems() const { return problems_; }
  /// Numbers of the answers among those of all ranks, ascending.
  std::span<const index_t> numbers() const { return numbers_; }
  /// Bytes of text up to and with each token.
  std::vector<index_t> ends_of(const experience& e) const { return rollout_.ends_of(e); }

  /// Answers to problems [first, first + problems) of the training split, `group` to each; answer
  /// a among all of them ever has the seed `seeds.bits(a)`.
  void sample(index_t first, index_t problems, index_t group, const random_stream& seeds) {
    problems_.clear();
    all_.clear();
    numbers_.clear();
    for (index_t p = ctx_.comm().rank(); p < problems; p += ctx_.comm().size()) {
      const problem next = task_.sample(split::train, static_cast<std::uint64_t>(first + p));
      const std::vector<std::int32_t> prompt = rollout_.tokens_of(next.prompt);
      for (index_t g = 0; g < group; ++g) {
        problems_.push_back(next);
        all_.push_back({.prompt = prompt, .group = p});
        numbers_.push_back(p * group + g);
      }
    }
    rollout_(all_, actor_.options().temperature, [&](std::size_t i) {
      return seeds.bits(static_cast<std::uint64_t>(first * group + numbers_[i]));
    });
  }

  void judge_answers() { judge_answers(problems_, all_); }

  /// Sums of exact KL(policy || reference) and of entropy over this rank's tokens.
  struct score_sums {
    double divergence = 0, entropy = 0, tokens = 0;
  };

  /// Values and the distance from the reference model, in passes of at most `rows` rows. Without a
  /// critic and a reference there is nothing to compute: the entropy is known from sampling.
  score_sums score(index_t rows) {
    score_sums sums;
    for (const experience& e : all_) {
      sums.entropy += e.entropy;
      sums.tokens += static_cast<double>(e.size());
    }
    if (!actor_.has_critic() && !actor_.reference()) return sums;
    std::vector<std::size_t> list(all_.size());
    std::iota(list.begin(), list.end(), std::size_t{0});
    for (const auto& pass : cut_into_passes(all_, list, rows)) {
      packed_.clear();
      for (const std::size_t i : pass) packed_.append(all_[i]);
      policy_batch<T> batch = packed_.batch();
      buffer<T> states;
      if (actor_.reference()) batch.reference_states = reference_states_of(batch, states);
      ctx_.workspace().reset();
      note(pass, actor_.score(ctx_, batch, saved_), sums);
    }
    return sums;
  }

  /// The states of the reference model, copied out of the workspace, which is reset.
  view<const T, 2> reference_states_of(const policy_batch<T>& batch, buffer<T>& kept) {
    ctx_.workspace().reset();
    const inference_mode on(ctx_);
    const auto h = actor_.reference()->hidden(ctx_, batch.tokens, reference_hidden_);
    kept = buffer<T>(h.rows() * h.columns(), ctx_.memory());
    Ctx::backend::copy(ctx_, view<const T, 2>(h), kept.as(h.rows(), h.columns()));
    return kept.as(h.rows(), h.columns());
  }

  /// The most likely answers to the first problems of a split; shares are those of all ranks.
  evaluation_report evaluate(split which, index_t problems) {
    expects(problems > 0, "evaluate: ", problems, " problems, expected 1 or more");
    evaluation_report report{.problems = problems};
    std::vector<problem> list;
    for (index_t i = ctx_.comm().rank(); i < problems; i += ctx_.comm().size()) {
      list.push_back(task_.sample(which, static_cast<std::uint64_t>(i)));
      report.prompts.emplace_back(list.back().prompt);
      report.answers.push_back({.prompt = rollout_.tokens_of(list.back().prompt)});
    }
    rollout_(report.answers, 0, [](std::size_t) { return std::uint64_t{0}; });
    judge_answers(list, report.answers);
    double sums[6] = {};
    for (const experience& e : report.answers) {
      for (std::size_t l = 0; l < 3; ++l) sums[l] += e.judged.reached[l];
      sums[3] += e.judged.reached_up_to(level::task);
      sums[4] += static_cast<double>(e.size());
      sums[5] += !e.ended;
    }
    ctx_.comm().all_reduce(view<double, 1>(sums, 6));
    for (double& s : sums) s /= static_cast<double>(problems);
    report.reached = {sums[0], sums[1], sums[2]};
    report.solved = sums[3];
    report.length = sums[4];
    report.cut = sums[5];
    return report;
  }

 private:
  void judge_answers(const std::vector<problem>& problems, std::vector<experience>& answers) {
    std::vector<std::string> texts;
    texts.reserve(answers.size());
    for (const experience& e : answers) texts.push_back(e.text);
    const auto verdicts = judge_(std::span(problems), std::span(texts));
    for (std::size_t i = 0; i < answers.size(); ++i) answers[i].judged = verdicts[i];
  }

  void note(const std::vector<std::size_t>& pass, const policy_scores& s, score_sums& sums) {
    std::size_t begin = 0, cut = 0;
    for (const std::size_t i : pass) {
      experience& e = all_[i];
      const auto of_answer = [&](const std::vector<double>& from) {
        const auto at = from.begin() + static_cast<std::ptrdiff_t>(begin);
        return from.empty() ? std::vector<double>() : std::vector<double>(at, at + e.size());
      };
      e.reference = of_answer(s.reference);
      e.divergence = of_answer(s.divergence);
      e.value = of_answer(s.value);
      if (actor_.has_critic() && !e.ended) e.bootstrap = s.bootstrap[cut++];
      begin += e.answer.size();
    }
    sums.divergence += std::accumulate(s.divergence.begin(), s.divergence.end(), 0.0);
  }

  Ctx& ctx_;
  Actor& actor_;
  const Task& task_;
  rollout<Ctx, model_type, Codec> rollout_;
  judge<Task> judge_;
  std::vector<problem> problems_;  // of `all_`
  std::vector<experience> all_;
  std::vector<index_t> numbers_;
  packed_answers<T> packed_;
  typename Actor::saved saved_;
  typename model_type::saved reference_hidden_;
};

}  // namespace dsr1
