// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A task that is chosen when the program runs, so that what trains is compiled once for all.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <dsr1/io/json.hpp>
#include <dsr1/rl/experience.hpp>
#include <dsr1/rl/task.hpp>

namespace seed {

/// One of the tasks that ship with dsr1, by name and options.
class any_task {
 public:
  static constexpr std::string_view name = "the task";
  struct problem {
    std::string prompt, solution;
    std::shared_ptr<const void> whole;  ///< the problem of the task itself
  };

  /// Throws `error` naming an unknown task or option and the nearest that there is.
  static any_task make(const std::string& task, const dsr1::json_object& options);
  /// The same with options as they are written, none when empty.
  static any_task make(const std::string& task, const std::string& options);
  static const std::vector<std::string>& names();

  const std::string& kind() const { return kind_; }
  problem sample(dsr1::split which, std::uint64_t i) const { return task_->sample(which, i); }
  dsr1::verdict verify(const problem& p, std::string_view answer) const {
    return task_->verify(p, answer);
  }

 private:
  struct face {
    virtual ~face() = default;
    virtual problem sample(dsr1::split which, std::uint64_t i) const = 0;
    virtual dsr1::verdict verify(const problem& p, std::string_view answer) const = 0;
  };
  template <class Task>
  struct of;

  any_task(std::string kind, std::shared_ptr<const face> task)
      : kind_(std::move(kind)), task_(std::move(task)) {}

  std::string kind_;
  std::shared_ptr<const face> task_;
};
static_assert(dsr1::task<any_task>);

/// Options of a task as they are written on the command line; none when empty.
dsr1::json task_options_of(const std::string& text);

/// A line of JSON: what `examples --sampled` reads, and with `more` what else is to stand there.
std::string answer_line(const std::string& prompt, const dsr1::experience& answer,
                        dsr1::json more = dsr1::json::object());

}  // namespace seed
