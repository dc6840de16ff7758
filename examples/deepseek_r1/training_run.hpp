// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What all commands that train share: options, the loop, checkpoints, signals, what is shown.
#pragma once

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <dsr1/io/open_file.hpp>
#include <dsr1/monitor.hpp>

#include "device.hpp"

namespace seed {

struct training_options {
  run_config config;
  std::string run;
  std::string program;  ///< as it was called
  double minutes = 0;   ///< for as many steps as fit, when the configuration has none
  double save_minutes = 2;
  index_t save_steps = 0;
  std::string device = "cpu";  ///< or "cuda"
  int threads = 0;
  int ranks = 0;  ///< threads that train together; 0 means one, or as many as mpirun started
  std::string gradients = "f32";
  bool resume = false;
  double new_rate = 0;  ///< with resume; 0 keeps the run's
  std::vector<std::string> prompts;
};

/// The options of a sub-command that trains; the defaults are those of the value.
class training_flags {
 public:
  training_flags(CLI::App& sub, training_options& o);
  /// What a run began with stays: given together with --resume, such an option is an error.
  CLI::Option* fixed(CLI::Option* option) { return option->excludes(resume_); }
  /// Completes the value from what was given; `program` is how the program was called.
  void settle(const std::string& program) const;

 private:
  training_options& o_;
  CLI::Option* resume_;
  CLI::Option* rate_ = nullptr;
};

/// The names of all sizes of the model.
inline std::vector<std::string> size_names() {
  std::vector<std::string> names;
  for (const named_size& s : sizes) names.emplace_back(s.name);
  return names;
}

/// One rank of a run. Rank 0 alone prints and writes, but for its parts of checkpoints. What a
/// command learns from, and what it says of the result, it adds by deriving.
class training_run {
 public:
  training_run(training_options o, dsr1::rank_group& group);
  virtual ~training_run() = default;
  training_run(const training_run&) = delete;
  training_run& operator=(const training_run&) = delete;

  /// The exit status: 0, or 128 and the signal that interrupted it.
  int operator()();

 protected:
  /// Opens the data. A new run completes the configuration; a resumed one has read it.
  virtual void open() = 0;
  /// What run.json says.
  virtual dsr1::json described() { return config().to_json(); }
  virtual std::unique_ptr<batch_source> batches() = 0;
  /// The checkpoint whose weights a new run begins with; none means random ones.
  virtual std::filesystem::path weights() { return {}; }
  /// What a checkpoint says besides, and the same when the run resumes from there.
  virtual dsr1::json state() { return dsr1::json::object(); }
  virtual void restore(const dsr1::json_object&) {}
  /// Whether to evaluate after this step, 0 before the first; how; and whether that was enough.
  virtual bool due(index_t step) = 0;
  virtual void evaluate(index_t step, dsr1::progress& bar, dsr1::metrics_log* metrics) = 0;
  virtual bool enough() { return false; }
  /// After the last step, with everything saved; the exit status.
  virtual int finish() = 0;

  run_config& config() { return o_.config; }
  const training_options& options() const { return o_; }
  const std::filesystem::path& folder() const { return run_; }
  bool main() const { return group_.rank() == 0; }
  dsr1::rank_group& group() { return group_; }
  session& trained() { return *session_; }
  std::ostream& out() { return out_; }
  const dsr1::terminal& screen() const { return terminal_; }

  /// Whether a signal came on any rank; asked by all at the same place.
  bool stopping();
  /// Says how to go on; the exit status.
  int stopped(const std::string& what);
  /// Writes what the model says after a prompt.
  void sample(const tokenizer& words, const generation& what);

 private:
  void begin();
  void train();
  void say_what();
  dsr1::step_report step(dsr1::progress& bar);
  void add_traffic(const dsr1::step_report& r, std::vector<dsr1::metric>& values);
  void save() { session_->save(checkpoints_of(run_), state()); }
  std::unique_ptr<session> new_session(const run_config& c);
  int threads() const;

  training_options o_;
  std::filesystem::path run_;
  dsr1::rank_group& group_;
  std::ostream out_;  // leads nowhere but on rank 0
  int stopped_by_ = 0;
  bool saved_before_ = false;
  dsr1::traffic before_;
  dsr1::terminal terminal_;
  dsr1::open_file lock_;
  std::unique_ptr<session> session_;
};

}  // namespace seed
