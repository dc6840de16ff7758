// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How far a long job is: a bar on a terminal, a line now and then in a log.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include <dsr1/monitor/terminal.hpp>

namespace dsr1 {

struct progress_options {
  std::string title;
  index_t total = 0;         ///< steps of the whole job
  index_t begin = 0;         ///< steps done before, when a job resumes
  std::string unit = "tok";  ///< of what `progress_sample::amount` counts
  double redraw = 0.1;       ///< seconds between two drawings of the bar
  double log_seconds = 5;    ///< least time between two lines of a log ...
  index_t log_lines = 200;   ///< ... which has no more lines than about this, however long the job
  double memory = 10;        ///< seconds over which speeds are averaged
  std::function<double()> clock = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
};

struct progress_sample {
  index_t done = 0;   ///< steps, with those of `progress_options::begin`
  double amount = 0;  ///< tokens or bytes handled since the sample before
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< not shown when NaN
  std::string_view note = {};                              ///< shown at the end: balance, say
};

/// Shows samples on a stream. On a terminal a bar of the terminal's width is drawn over itself; on
/// anything else whole lines appear, the first after the first sample and then at most one per
/// `log_seconds` and per `total / log_lines` steps. The stream must outlive the object.
class progress {
 public:
  /// Throws `error` when the total is below zero or `begin` lies outside it.
  progress(std::ostream& out, terminal where, progress_options options)
      : out_(out),
        where_(where),
        options_(std::move(options)),
        done_(options_.begin),
        last_(options_.clock()) {
    expects(options_.total >= 0 && options_.begin >= 0 && options_.begin <= options_.total,
            "progress: begins at ", options_.begin, " of ", options_.total, " steps");
  }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() { finish(); }

  void update(const progress_sample& s) {
    const double now = options_.clock();
    const double seconds = std::max(now - last_, 0.0);
    const double keep = std::exp(-seconds / options_.memory);
    time_ = time_ * keep + seconds;
    steps_ = steps_ * keep + static_cast<double>(s.done - done_);
    amount_ = amount_ * keep + s.amount;
    if (std::isfinite(s.loss)) {  // about the mean of the last ten
      loss_weight_ = loss_weight_ * 0.9 + 1;
      loss_ += (s.loss - loss_) / loss_weight_;
    }
    last_ = now;
    done_ = s.done;
    note_ = s.note;
    finished_ = false;
    const bool complete = done_ >= options_.total;
    if (where_.interactive) {
      if (!complete && drawn_ && now - shown_at_ < options_.redraw) return;
      out_ << '\r' << bar() << "\x1b[K" << std::flush;
    } else {
      const index_t stride = options_.total / std::max<index_t>(options_.log_lines, 1);
      const bool early = now - shown_at_ < options_.log_seconds || done_ - shown_step_ < stride;
      if (drawn_ && early && !(complete && shown_step_ < done_)) return;
      out_ << line() << std::endl;
    }
    drawn_ = true;
    shown_at_ = now;
    shown_step_ = done_;
  }

  /// Prints a line of its own; the bar goes on below it.
  void say(std::string_view message) {
    if (where_.interactive) out_ << "\r\x1b[K";
    out_ << message << '\n';
    if (where_.interactive && drawn_ && !finished_) out_ << bar();
    out_ << std::flush;
  }

  /// Ends the bar's line. Called by the destructor too.
  void finish() {
    if (where_.interactive && drawn_ && !finished_)
      out_ << '\r' << bar() << "\x1b[K\n" << std::flush;
    finished_ = true;
  }

 private:
  std::string numbers() const {
    std::string s;
    if (loss_weight_ > 0) s += "  loss " + fixed_text(loss_, 3);
    if (time_ > 0 && amount_ > 0)
      s += "  " + short_number(amount_ / time_) + " " + options_.unit + "/s";
    if (done_ < options_.total && steps_ > 0 && time_ > 0)
      s += "  ETA " + duration_text(static_cast<double>(options_.total - done_) * time_ / steps_);
    if (!note_.empty()) s += "  " + note_;
    return s;
  }
  double share() const {
    return options_.total > 0
               ? std::clamp(static_cast<double>(done_) / static_cast<double>(options_.total), 0.0,
                            1.0)
               : 1;
  }
  std::string percent() const { return text(static_cast<int>(100 * share()), "%"); }

  std::string line() const {
    return text(options_.title, " ", done_, "/", options_.total, " (", percent(), ")", numbers());
  }

  std::string bar() const {
    const std::string p = percent();
    const std::string left =
        options_.title + " " + std::string(4 - std::min<std::size_t>(p.size(), 4), ' ') + p + " ";
    const std::string right = text(" ", done_, "/", options_.total, numbers());
    // One column stays free: some terminals wrap when the last one is written.
    const int room = std::min(where_.columns - 1 - display_width(left) - display_width(right), 40);
    if (room < 4) return std::string(display_head(left + right, where_.columns - 1));
    const double filled = share() * room;
    std::string middle;
    for (int i = 0; i < room; ++i) {
      const double part = filled - i;
      if (!where_.unicode)
        middle += part >= 1 ? '#' : part > 0 ? '>' : '.';
      else
        middle += part >= 1 ? "\u2501" : part > 0.5 ? "\u2578" : "\u2500";
    }
    const std::string on = colour_code(where_, 38, {86, 180, 233});
    return left + on + middle + (on.empty() ? "" : colour_end(where_)) + right;
  }

  std::ostream& out_;
  terminal where_;
  progress_options options_;
  index_t done_;
  double last_;
  double time_ = 0, steps_ = 0, amount_ = 0;  // decayed sums
  double loss_ = 0, loss_weight_ = 0;
  std::string note_;
  bool drawn_ = false, finished_ = false;
  double shown_at_ = 0;
  index_t shown_step_ = 0;
};

}  // namespace dsr1
