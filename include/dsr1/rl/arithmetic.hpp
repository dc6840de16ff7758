// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums to repeat and solve: the task whose levels a tiny model learns within minutes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <dsr1/core/error.hpp>
#include <dsr1/rl/integer.hpp>
#include <dsr1/rl/problem_draw.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/task.hpp>

namespace dsr1 {

struct arithmetic_options {
  std::uint64_t seed = 0;
  std::int64_t largest = 99;    ///< operands are 0 to this, 1 to 999'999'999
  std::string operators = "+";  ///< some of + - *, each at most once
};

/// "37+58:" asks for "37+58=95".
///   answer = number op number "=" ["-"] number       number = "0" | nonzero digit*
/// syntax: the grammar, with op one of the options' operators. logic: the answer begins with the
/// prompt's operands and operator and "=". task: what follows the first "=" is the result.
class arithmetic {
 public:
  static constexpr std::string_view name = "arithmetic";
  struct problem {
    std::string prompt;
    std::string solution;
    std::string key;  ///< "37+58"
    std::string result;
  };

  /// Throws `error` for an option out of its range.
  explicit arithmetic(arithmetic_options options = {}) : options_(std::move(options)) {
    const std::string& ops = options_.operators;
    expects(options_.largest >= 1 && options_.largest <= 999'999'999, name, ": largest is ",
            options_.largest, ", expected 1 to 999999999");
    expects(!ops.empty() && ops.find_first_not_of("+-*") == std::string::npos, name,
            ": operators are ", in_quotes(ops), ", expected some of \"+-*\"");
    for (std::size_t i = 0; i < ops.size(); ++i)
      expects(ops.find(ops[i]) == i, name, ": operator ", ops[i], " stands twice in ",
              in_quotes(ops));
  }

  const arithmetic_options& options() const { return options_; }

  /// All bytes of prompts and solutions.
  std::string alphabet() const { return "0123456789=:" + options_.operators; }

  problem sample(split which, std::uint64_t index) const {
    return draw_problem(options_.seed, name, which, index, [&](problem_draw& draw) {
      const std::int64_t a = draw.between(0, options_.largest);
      const char op = draw.one_of(options_.operators);
      const std::int64_t b = draw.between(0, options_.largest);
      return std::optional(make(a, op, b));
    });
  }

  /// The problem "a op b". Throws `error` for operands and operators that the options exclude.
  problem make(std::int64_t a, char op, std::int64_t b) const {
    expects(options_.operators.find(op) != std::string::npos, name, ": operator ",
            in_quotes({&op, 1}), ", expected one of ", in_quotes(options_.operators));
    for (const std::int64_t operand : {a, b})
      expects(operand >= 0 && operand <= options_.largest, name, ": operand ", operand,
              ", expected 0 to ", options_.largest);
    problem p;
    p.key = text(a, op, b);
    p.prompt = p.key + ":";
    p.result = text(*calculate(a, op, b));
    p.solution = p.key + "=" + p.result;
    return p;
  }

  verdict verify(const problem& p, std::string_view answer) const {
    verdict v;
    const auto [whole, stop] = follow(answer);
    v.set(level::syntax, whole, decided_at(answer, stop), "the form is a+b=c, found ",
          quoted_at(answer, stop), " at byte ", stop);

    const std::string statement = p.key + "=";
    const std::size_t same = same_bytes(answer, statement);
    const bool repeats = same == statement.size();
    v.set(level::logic, repeats, decided_at(answer, repeats ? same - 1 : same),
          "does not begin with ", statement);

    const std::size_t begin = std::min(answer.size(), answer.find('=')) + 1;
    const std::string_view given = answer.substr(std::min(begin, answer.size()));
    v.set(level::task, begin <= answer.size() && given == p.result,
          decided_at(answer, begin + same_bytes(given, p.result)), "the result is ",
          in_quotes(given), ", expected ", p.result);
    return v;
  }

 private:
  /// How many bytes at the beginning of both are the same.
  static std::size_t same_bytes(std::string_view a, std::string_view b) {
    std::size_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return n;
  }

  /// Whether the answer is of the grammar, and the place of the byte that is not, or the size.
  std::pair<bool, std::size_t> follow(std::string_view a) const {
    std::size_t i = 0;
    const auto number = [&] {
      const std::size_t length = number_length(a, i);
      i += length;
      return length > 0;
    };
    const auto one_of = [&](std::string_view bytes) {
      const bool there = i < a.size() && bytes.find(a[i]) != std::string_view::npos;
      i += there;
      return there;
    };
    if (!number() || !one_of(options_.operators) || !number() || !one_of("=")) return {false, i};
    one_of("-");
    return {number() && i == a.size(), i};
  }

  arithmetic_options options_;
};
static_assert(task<arithmetic>);

}  // namespace dsr1
