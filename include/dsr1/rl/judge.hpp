// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Stands between a training loop and verifiers that may throw, hang or talk nonsense.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/task.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

struct judge_options {
  double patience = 10;     ///< seconds for one answer, up to 1e6
  index_t longest = 65536;  ///< bytes of an answer
};

/// Judges answers by the verifier of a task, in their order, one after the other.
///   an answer longer than `longest`     reaches nothing; the verifier does not see it
///   the verifier throws                 reaches nothing, why = "the verifier of <task> threw: .."
///   it takes longer than `patience`     `error` naming task, prompt and answer
///   `decided` is not of the answer      `error` naming task, level, value and the answer's size
/// The verifier runs on a thread that owns copies of the task, the problems and the answers. One
/// that does not come back cannot be stopped: its thread is left behind, holds its copies, and ends
/// when the verifier returns or the program does. The first error ends the batch.
template <task Task>
class judge {
 public:
  using problem = typename Task::problem;

  explicit judge(Task t, judge_options options = {})
      : task_(std::make_shared<const Task>(std::move(t))), options_(options) {
    expects(options.patience > 0 && options.patience <= 1e6, "judge: patience is ",
            options.patience, " seconds, expected more than 0 and up to 1e6");
    expects(options.longest >= 0, "judge: longest is ", options.longest, ", expected 0 or more");
  }

  const Task& judged_task() const { return *task_; }

  /// The verdict on answers[i] to problems[i], for all i.
  std::vector<verdict> operator()(std::span<const problem> problems,
                                  std::span<const std::string> answers) const {
    expects(problems.size() == answers.size(), "judge: ", problems.size(), " problems and ",
            answers.size(), " answers, expected as many");
    if (problems.empty()) return {};
    const auto work = std::make_shared<batch>(task_, options_, problems, answers);
    try {
      std::thread([work] { work->run(); }).detach();
    } catch (const std::system_error& e) {
      throw error(text("judge: no thread for the verifier of ", Task::name, ": ", e.what()));
    }
    return work->await();
  }

  verdict operator()(const problem& p, const std::string& answer) const {
    return (*this)(std::span(&p, 1), std::span(&answer, 1)).front();
  }

 private:
  class batch {
   public:
    batch(std::shared_ptr<const Task> t, const judge_options& options,
          std::span<const problem> problems, std::span<const std::string> answers)
        : task_(std::move(t)),
          options_(options),
          problems_(problems.begin(), problems.end()),
          answers_(answers.begin(), answers.end()) {
      verdicts_.reserve(problems_.size());
    }

    void run() noexcept {
      for (std::size_t i = 0; i < problems_.size(); ++i) {
        verdict v;
        std::exception_ptr failure;
        try {
          v = verdict_on(i);
        } catch (...) {
          failure = std::current_exception();
        }
        const std::lock_guard lock(mutex_);
        if (abandoned_) return;
        verdicts_.push_back(std::move(v));
        failure_ = failure;
        change_.notify_one();
        if (failure) return;
      }
    }

    std::vector<verdict> await() {
      std::unique_lock lock(mutex_);
      while (!failure_ && verdicts_.size() < problems_.size()) {
        const std::size_t seen = verdicts_.size();
        if (change_.wait_for(lock, std::chrono::duration<double>(options_.patience),
                             [&] { return verdicts_.size() > seen; }))
          continue;
        abandoned_ = true;
        throw error(text("the verifier of ", Task::name, " took longer than ", options_.patience,
                         " seconds on the answer ", in_quotes(answers_[seen], 200), " to ",
                         in_quotes(problems_[seen].prompt, 200)));
      }
      if (failure_) std::rethrow_exception(failure_);
      return std::move(verdicts_);
    }

   private:
    verdict verdict_on(std::size_t i) const {
      const auto size = static_cast<index_t>(answers_[i].size());
      if (size > options_.longest)
        return nothing(options_.longest + 1, text("longer than ", options_.longest, " bytes"));
      verdict v;
      try {
        v = task_->verify(problems_[i], answers_[i]);
      } catch (const std::exception& e) {
        return nothing(size, text("the verifier of ", Task::name, " threw: ", e.what()));
      } catch (...) {
        return nothing(size, text("the verifier of ", Task::name, " threw: something unknown"));
      }
      for (std::size_t l = 0; l < level_names.size(); ++l)
        expects(v.decided[l] >= 0 && v.decided[l] <= size, "the verifier of ", Task::name, " has ",
                level_names[l], " decided after ", v.decided[l], " bytes, expected 0 to ", size,
                ": the answer ", in_quotes(answers_[i], 200), " to ",
                in_quotes(problems_[i].prompt, 200));
      return v;
    }

    static verdict nothing(index_t decided, std::string why) {
      return {.reached = {}, .decided = {decided, decided, decided}, .why = std::move(why)};
    }

    std::shared_ptr<const Task> task_;
    judge_options options_;
    std::vector<problem> problems_;
    std::vector<std::string> answers_;

    std::mutex mutex_;  // of what follows
    std::condition_variable change_;
    std::vector<verdict> verdicts_;
    std::exception_ptr failure_;
    bool abandoned_ = false;
  };

  std::shared_ptr<const Task> task_;
  judge_options options_;
};

}  // namespace dsr1
