// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The numbers game: reach a target with given numbers, each used once; answers have to be searched.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/rl/expression.hpp>
#include <dsr1/rl/integer.hpp>
#include <dsr1/rl/problem_draw.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/task.hpp>

namespace dsr1 {

/// bare:      answer = expression
/// tagged:    answer = ["<think>" thought "</think>"] "<answer>" expression "</answer>"
/// thinking:  the same, and the thought must be there; a thought is any bytes but "<"
enum class countdown_form { bare, tagged, thinking };

struct countdown_options {
  std::uint64_t seed = 0;
  std::int64_t fewest = 3;  ///< numbers of a problem, 2 to 6
  std::int64_t most = 4;
  std::int64_t largest = 25;         ///< numbers are drawn from 1 to this, at most 1000
  std::int64_t largest_target = 99;  ///< targets are 1 to this, at most 1'000'000
  std::string operators = "+-*/";    ///< some of + - * /, each at most once
  countdown_form form = countdown_form::bare;
};

/// "3,7,25=46:" asks for an expression like "3*7+25". Expressions are those of `expression_reader`,
/// with the options' operators; they are calculated in whole numbers of 64 bits: a division that
/// leaves a rest, and what does not fit, has no value.
/// syntax: the form. logic: syntax, and the expression uses exactly the given numbers, each as
/// often as it is given. task: syntax, and the value is the target, whatever numbers are used.
class countdown {
 public:
  static constexpr std::string_view name = "countdown";
  struct problem {
    std::string prompt;
    std::string solution;
    std::string key;  ///< "3,7,25=46", numbers in rising order
    std::vector<std::int64_t> numbers;
    std::int64_t target = 0;
  };

  /// Throws `error` for an option out of its range.
  explicit countdown(countdown_options options = {}) : options_(std::move(options)) {
    const auto within = [](std::string_view what, std::int64_t v, std::int64_t low,
                           std::int64_t high) {
      expects(v >= low && v <= high, name, ": ", what, " is ", v, ", expected ", low, " to ", high);
    };
    within("fewest", options_.fewest, 2, 6);
    within("most", options_.most, options_.fewest, 6);
    within("largest", options_.largest, 1, 1000);
    within("largest_target", options_.largest_target, 1, 1'000'000);
    const std::string& ops = options_.operators;
    expects(!ops.empty() && ops.find_first_not_of("+-*/") == std::string::npos, name,
            ": operators are ", in_quotes(ops), ", expected some of \"+-*/\"");
    for (std::size_t i = 0; i < ops.size(); ++i)
      expects(ops.find(ops[i]) == i, name, ": operator ", ops[i], " stands twice in ",
              in_quotes(ops));
  }

  const countdown_options& options() const { return options_; }

  /// All bytes of prompts and solutions.
  std::string alphabet() const {
    std::string all = "0123456789,=:()" + options_.operators;
    if (options_.form == countdown_form::bare) return all;
    for (const char c : std::string_view("<think></think><answer></answer>"))
      if (all.find(c) == std::string::npos) all += c;
    return all;
  }

  /// A problem that can be solved: its solution is the expression that it was made from.
  problem sample(split which, std::uint64_t index) const {
    return draw_problem(options_.seed, name, which, index,
                        [&](problem_draw& draw) { return candidate(draw); });
  }

  verdict verify(const problem& p, std::string_view answer) const {
    verdict v;
    const answer_reading read = read_answer(answer);
    const index_t form_decided = decided_at(answer, read.stop);
    v.set(level::syntax, read.whole, form_decided, "the form is ", form_of(options_.form),
          ", found ", quoted_at(answer, read.stop), " at byte ", read.stop);

    // The first number that is not left tells, but only after the byte that ends it.
    std::vector<std::int64_t> left = p.numbers;
    const expression_reading::number* foreign = nullptr;
    for (const auto& n : read.expression.numbers) {
      const auto found = n.value ? std::find(left.begin(), left.end(), *n.value) : left.end();
      if (found == left.end()) {
        foreign = &n;
        break;
      }
      left.erase(found);
    }
    const bool uses = read.whole && foreign == nullptr && left.empty();
    index_t uses_decided = form_decided;
    if (foreign != nullptr) uses_decided = std::min(uses_decided, decided_at(answer, foreign->end));
    if (foreign != nullptr)
      v.set(level::logic, uses, uses_decided, "the number that ends at byte ", foreign->end,
            " is not left of ", p.key);
    else
      v.set(level::logic, uses, uses_decided, "not all numbers of ", p.key, " are used");

    const std::optional<std::int64_t> value = read.expression.value;
    v.set(level::task, read.whole && value == p.target, form_decided, "the value is ",
          value ? text(*value) : "not a whole number of 64 bits", ", expected ", p.target);
    return v;
  }

 private:
  struct answer_reading {
    bool whole = false;
    std::size_t stop = 0;  // the place of the byte that cannot stand there, or the size
    expression_reading expression;
  };

  static constexpr std::string_view form_of(countdown_form f) {
    switch (f) {
      case countdown_form::bare:
        return "an expression";
      case countdown_form::tagged:
        return "[<think>..</think>]<answer>expression</answer>";
      default:
        return "<think>..</think><answer>expression</answer>";
    }
  }

  answer_reading read_answer(std::string_view a) const {
    answer_reading r;
    const auto word = [&](std::string_view expected) {
      std::size_t same = 0;
      while (same < expected.size() && r.stop < a.size() && a[r.stop] == expected[same])
        ++r.stop, ++same;
      return same == expected.size();
    };
    const bool tags = options_.form != countdown_form::bare;
    if (tags) {
      if (!word("<")) return r;
      const bool must_think = options_.form == countdown_form::thinking;
      if (must_think || (r.stop < a.size() && a[r.stop] == 't')) {
        if (!word("think>")) return r;
        r.stop = std::min(a.find('<', r.stop), a.size());
        if (!word("</think><")) return r;
      }
      if (!word("answer>")) return r;
    }
    r.expression = expression_reader(options_.operators)(a, r.stop);
    r.stop = r.expression.stop;
    if (!r.expression.whole || (tags && !word("</answer>"))) return r;
    r.whole = r.stop == a.size();
    return r;
  }

  /// A part of the expression that is being made; `rank` of its last operator: 1 + -, 2 * /, 3
  /// none.
  struct part {
    std::int64_t value;
    std::string words;
    int rank;
  };

  std::optional<problem> candidate(problem_draw& draw) const {
    problem p;
    std::vector<part> parts;
    const std::int64_t count = draw.between(options_.fewest, options_.most);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t n = draw.between(1, options_.largest);
      p.numbers.push_back(n);
      parts.push_back({n, text(n), 3});
    }
    std::string thought;
    draw.shuffle(parts);
    while (parts.size() > 1) {
      std::swap(parts[draw.index_below(parts.size())], parts.back());
      const part b = std::move(parts.back());
      parts.pop_back();
      part& a = parts[draw.index_below(parts.size())];
      const char op = draw.one_of(options_.operators);
      const std::optional<std::int64_t> value = calculate(a.value, op, b.value);
      if (!value || *value < 1) return std::nullopt;  // as people play it: no zero, nothing below
      thought += text(thought.empty() ? "" : ",", a.value, op, b.value, "=", *value);
      const int rank = op == '+' || op == '-' ? 1 : 2;
      const bool splits = b.rank < rank || (b.rank == rank && (op == '-' || op == '/'));
      a = {*value,
           (a.rank < rank ? "(" + a.words + ")" : a.words) + op +
               (splits ? "(" + b.words + ")" : b.words),
           rank};
    }
    p.target = parts.front().value;
    if (p.target > options_.largest_target) return std::nullopt;

    const std::string& expression = parts.front().words;
    if (options_.form == countdown_form::thinking) p.solution = "<think>" + thought + "</think>";
    p.solution +=
        options_.form == countdown_form::bare ? expression : "<answer>" + expression + "</answer>";
    p.prompt = statement(p.numbers, p.target) + ":";
    std::vector<std::int64_t> sorted = p.numbers;
    std::sort(sorted.begin(), sorted.end());
    p.key = statement(sorted, p.target);
    return p;
  }

  static std::string statement(const std::vector<std::int64_t>& numbers, std::int64_t target) {
    std::string out;
    for (const std::int64_t n : numbers) out += text(out.empty() ? "" : ",", n);
    return out + text("=", target);
  }

  countdown_options options_;
};
static_assert(task<countdown>);

}  // namespace dsr1
