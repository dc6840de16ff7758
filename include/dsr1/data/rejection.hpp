// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rejection sampling: answers of an earlier policy that a judge found right become examples.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/data/dialogue_file.hpp>
#include <dsr1/io/atomic_file.hpp>

namespace dsr1 {

struct rejection_options {
  index_t most = 4;  ///< answers of a prompt, the first that are right
};

/// What became of the answers that were read: rejected + duplicates + surplus + kept.
struct rejection_report {
  index_t read = 0;
  index_t rejected = 0;    ///< a level was not reached
  index_t duplicates = 0;  ///< the same answer to the same prompt was kept before
  index_t surplus = 0;     ///< `most` others were kept before
  index_t kept = 0;
  index_t prompts = 0;  ///< different ones that were read ...
  index_t solved = 0;   ///< ... and those with an answer that is kept
};

/// Decides about one answer after the other; holds the prompts and the kept answers in memory.
class rejection_filter {
 public:
  /// Throws `error` unless `most` is above zero.
  explicit rejection_filter(rejection_options options = {}) : options_(options) {
    expects(options.most > 0, "rejection_filter: at most ", options.most,
            " answers of a prompt, expected one or more");
  }

  /// Whether an answer, which reached all levels or did not, is kept.
  bool keep(const std::string& prompt, const std::string& answer, bool reached) {
    const auto [entry, fresh] = kept_.try_emplace(prompt);
    std::set<std::string>& answers = entry->second;
    ++report_.read;
    report_.prompts += fresh ? 1 : 0;
    if (!reached) {
      ++report_.rejected;
    } else if (answers.contains(answer)) {
      ++report_.duplicates;
    } else if (static_cast<index_t>(answers.size()) >= options_.most) {
      ++report_.surplus;
    } else {
      report_.solved += answers.empty() ? 1 : 0;
      ++report_.kept;
      answers.insert(answer);
      return true;
    }
    return false;
  }

  const rejection_report& report() const { return report_; }

 private:
  rejection_options options_;
  rejection_report report_;
  std::map<std::string, std::set<std::string>> kept_;
};

/// Reads lines {"prompt": ..., "answer": ..., "reached": [true, ...]}, one truth value a level,
/// other members ignored, and writes the answers that are kept as lines {"prompt", "answer"}, in
/// the order of the file, which appears whole or not at all. Throws `error` naming file and line
/// when a member is missing or of another type, when an answer that reached all levels is empty,
/// and when lines have different numbers of levels.
inline rejection_report reject_answers(const std::string& from, const std::filesystem::path& to,
                                       rejection_options options = {}) {
  rejection_filter filter(options);
  atomic_file out(to);
  std::size_t levels = 0;
  for_each_json_line(from, [&](const json_object& o) {
    const auto prompt = o.get<std::string>("prompt"), answer = o.get<std::string>("answer");
    bool all = true;
    const json reached = o.get<json>("reached");
    expects(reached.is_array() && !reached.empty(), o.source(), ": \"reached\" is ", shown(reached),
            ", expected a list of one or more levels");
    for (const json& level : reached) {
      expects(level.is_boolean(), o.source(), ": \"reached\" has ", shown(level),
              ", expected true or false");
      all = all && level.get<bool>();
    }
    if (levels == 0) levels = reached.size();
    expects(reached.size() == levels, o.source(), ": \"reached\" has ", reached.size(),
            " levels, expected ", levels, " as in the lines before");
    expects(!all || !answer.empty(), o.source(), ": \"answer\" is empty, but reached all levels");
    if (filter.keep(prompt, answer, all)) out.write(dialogue_line(prompt, answer));
  });
  out.commit();
  return filter.report();
}

}  // namespace dsr1
