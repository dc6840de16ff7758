// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers of a run as JSON lines that survive kills and resumes.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

struct metric {
  std::string_view name;
  double value;
};

/// One line of a metrics file, read back; null has become NaN.
struct metrics_record {
  index_t step = 0;
  std::vector<std::pair<std::string, double>> values;

  /// NaN when there is no number of this name.
  double get(std::string_view name) const {
    for (const auto& [key, value] : values)
      if (key == name) return value;
    return std::numeric_limits<double>::quiet_NaN();
  }
};

namespace monitor_detail {

/// Calls f(line, its parsed object) for every line. A last line without its end was cut off by a
/// kill and is left out; any other line that is no record is an error naming file and line.
template <class F>
void for_each_record(const std::string& path, F&& f) {
  std::ifstream in(path, std::ios::binary);
  expects(in.good(), "cannot open ", path);
  std::string line;
  for (index_t number = 1; std::getline(in, line) && !in.eof(); ++number) {
    const std::string place = text(path, ":", number);
    const json_object o(parse_json(line, place), place);
    f(line, o);
  }
}

}  // namespace monitor_detail

/// All records of a file, in order. Throws `error` naming file and line.
inline std::vector<metrics_record> read_metrics(const std::string& path) {
  std::vector<metrics_record> out;
  monitor_detail::for_each_record(path, [&](const std::string&, const json_object& o) {
    metrics_record& r = out.emplace_back();
    r.step = o.get<index_t>("step");
    for (const auto& [key, value] : o.value().items())
      if (key != "step")
        r.values.emplace_back(
            key, value.is_null() ? std::numeric_limits<double>::quiet_NaN() : o.get<double>(key));
  });
  return out;
}

/// Appends records like {"step":12,"loss":3.25,"max_violation":null}: shortest digits that give the
/// same double, null for what is not finite, flushed line by line. Steps never descend.
/// Throws `error` naming the path when a write fails.
class metrics_log {
 public:
  /// Begins a file, or goes on with one after `last_step`, the step of the checkpoint that the run
  /// resumes from: what a lost run wrote after it is removed, so that no step stands there twice.
  /// -1 begins anew.
  explicit metrics_log(std::string path, index_t last_step = -1)
      : path_(std::move(path)), last_(last_step) {
    const bool exists = std::ifstream(path_).good();
    atomic_file kept(path_);
    if (exists && last_step >= 0)
      monitor_detail::for_each_record(path_, [&](const std::string& line, const json_object& o) {
        if (o.get<index_t>("step") <= last_step) kept.write(line + "\n");
      });
    kept.commit();
    out_.open(path_, std::ios::binary | std::ios::app);
    expects(out_.good(), "cannot open ", path_);
  }

  void write(index_t step, std::span<const metric> values) {
    expects(step >= last_, path_, ": step ", step, " after step ", last_);
    last_ = step;
    line_ = "{\"step\":";
    line_ += std::to_string(step);
    for (const metric& m : values) {
      expects(m.name != "step" && !m.name.empty(), path_, ": a number named \"", m.name, "\"");
      line_ += ',';
      line_ += json(m.name).dump(-1, ' ', false, json::error_handler_t::replace);
      line_ += ':';
      append(m.value);
    }
    line_ += "}\n";
    out_ << line_ << std::flush;
    expects(out_.good(), "cannot write ", path_);
  }
  void write(index_t step, std::initializer_list<metric> values) {
    write(step, std::span<const metric>(values.begin(), values.size()));
  }

 private:
  void append(double value) {
    if (!std::isfinite(value)) {
      line_ += "null";
      return;
    }
    std::array<char, 32> digits;
    line_.append(digits.data(),
                 std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  }

  std::string path_, line_;
  index_t last_;
  std::ofstream out_;
};

}  // namespace dsr1
