// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Programs from examples: write what maps these inputs to these outputs, and others as they would.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/rl/integer.hpp>
#include <dsr1/rl/problem_draw.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/stack_machine.hpp>
#include <dsr1/rl/task.hpp>

namespace dsr1 {

struct program_options {
  std::uint64_t seed = 0;
  std::int64_t shown = 4;          ///< examples in the prompt, 1 to 8
  std::int64_t largest_input = 9;  ///< inputs are 0 to this; `shown` to 20
  std::int64_t most_letters = 6;   ///< of a program without loop, 1 to 12; a loop adds up to 10
  bool loops = true;               ///< a quarter of the candidates has a loop
};

/// "0>1 3>7 4>9 7>15:" asks for a program of `stack_machine` like "2*1+".
/// syntax: it is one. logic: syntax, and it runs without error on the inputs of the prompt. task:
/// syntax, and on every input from 0 to `largest_input` it gives the output of the program that the
/// problem was made with: the examples of the prompt, and the hidden ones.
class program {
 public:
  static constexpr std::string_view name = "program";
  struct problem {
    std::string prompt;
    std::string solution;
    std::string key;                    ///< the outputs: programs that do the same are one problem
    std::vector<std::int64_t> inputs;   ///< of the prompt
    std::vector<std::int64_t> outputs;  ///< of 0, 1, .. largest_input
  };

  /// Throws `error` for an option out of its range.
  explicit program(program_options options = {}) : options_(options) {
    const auto within = [](std::string_view what, std::int64_t v, std::int64_t low,
                           std::int64_t high) {
      expects(v >= low && v <= high, name, ": ", what, " is ", v, ", expected ", low, " to ", high);
    };
    within("shown", options.shown, 1, 8);
    within("largest_input", options.largest_input, options.shown, 20);
    within("most_letters", options.most_letters, 1, 12);
  }

  const program_options& options() const { return options_; }

  /// All bytes of prompts and solutions.
  std::string alphabet() const { return std::string(stack_machine::letters) + " >:"; }

  /// Outputs are -999 to 999, at least three different ones, and not the inputs themselves.
  problem sample(split which, std::uint64_t index) const {
    return draw_problem(options_.seed, name, which, index,
                        [&](problem_draw& draw) -> std::optional<problem> {
                          const std::string words = draw_words(draw);
                          std::vector<std::int64_t> inputs;
                          for (std::int64_t x = 0; x <= options_.largest_input; ++x)
                            inputs.push_back(x);
                          draw.shuffle(inputs);
                          inputs.resize(static_cast<std::size_t>(options_.shown));
                          std::sort(inputs.begin(), inputs.end());
                          return try_make(words, std::move(inputs));
                        });
  }

  verdict verify(const problem& p, std::string_view answer) const {
    verdict v;
    const stack_machine machine;
    const auto [code, stop] = machine.parse(answer);
    const index_t decided = decided_at(answer, stop);
    if (!code) {
      v.set(level::syntax, false, decided, "is no program: found ", quoted_at(answer, stop),
            " at byte ", stop, stop == machine.longest ? ", the most that a program may have" : "");
      v.set(level::logic, false, decided);
      v.set(level::task, false, decided);
      return v;
    }
    v.set(level::syntax, true, decided);

    std::string trouble;
    std::string wrong;
    for (std::size_t x = 0; x < p.outputs.size(); ++x) {
      const auto input = static_cast<std::int64_t>(x);
      const bool in_prompt = std::find(p.inputs.begin(), p.inputs.end(), input) != p.inputs.end();
      const auto [output, why] = machine.run(*code, input);
      if (!output && in_prompt && trouble.empty()) trouble = text(why, " on input ", input);
      if (output != p.outputs[x] && wrong.empty())
        wrong = output ? text("gives ", *output, " on input ", input, ", expected ", p.outputs[x])
                       : text(why, " on input ", input, ", expected ", p.outputs[x]);
    }
    v.set(level::logic, trouble.empty(), decided, trouble);
    v.set(level::task, wrong.empty(), decided, wrong);
    return v;
  }

  /// The problem of a program, shown by these inputs. Throws `error` when it is not one that could
  /// be drawn: no program, one that does not run on some input, or too plain.
  problem make(std::string_view words, std::vector<std::int64_t> inputs) const {
    for (const std::int64_t x : inputs)
      expects(x >= 0 && x <= options_.largest_input, name, ": input ", x, ", expected 0 to ",
              options_.largest_input);
    std::optional<problem> p = try_make(words, std::move(inputs));
    expects(p.has_value(), name, ": ", in_quotes(words),
            " makes no problem: expected a program with",
            " at least three outputs from -999 to 999, other than the inputs");
    return *std::move(p);
  }

 private:
  std::optional<problem> try_make(std::string_view words, std::vector<std::int64_t> inputs) const {
    const stack_machine machine;
    const auto code = machine.parse(words).program;
    if (!code) return std::nullopt;
    problem p;
    bool same = true;
    for (std::int64_t x = 0; x <= options_.largest_input; ++x) {
      const auto output = machine.run(*code, x).output;
      if (!output || *output < -999 || *output > 999) return std::nullopt;
      p.outputs.push_back(*output);
      p.key += text(p.key.empty() ? "" : ",", *output);
      same = same && *output == x;
    }
    if (same || std::set(p.outputs.begin(), p.outputs.end()).size() < 3) return std::nullopt;
    for (const std::int64_t x : inputs)
      p.prompt += text(p.prompt.empty() ? "" : " ", x, ">", p.outputs[static_cast<std::size_t>(x)]);
    p.prompt += ":";
    p.solution = words;
    p.inputs = std::move(inputs);
    return p;
  }

  /// Letters at random, after a loop that counts the input down or without one.
  std::string draw_words(problem_draw& draw) const {
    using namespace std::string_view_literals;
    constexpr std::array bodies = {"dr+s1-"sv, "dr*s1-"sv, "s2*s1-"sv, "s3+s1-"sv,
                                   "s3*s1-"sv, "s1+s1-"sv, "dr-s1-"sv, "dr%s1-"sv};
    std::string words;
    if (options_.loops && draw.once_in(4)) {
      words += draw.one_of("012"sv);
      words += "s[";
      words += draw.one_of(bodies);
      words += "]p";
      if (draw.once_in(2)) return words;
    }
    // Never below one number on the stack, and one at the end.
    std::int64_t above = 0;
    for (std::int64_t left = draw.between(1, options_.most_letters); left > 0; --left) {
      const bool may_rise = left >= above + 2;
      if (above == 0 && !may_rise) break;
      if (above > 0 && left > above && draw.once_in(5)) {
        words += may_rise && draw.once_in(2) ? 'o' : 's';
        above += words.back() == 'o';
      } else if (above == 0 || (may_rise && draw.once_in(2))) {
        words += draw.one_of("dddd123456789"sv);
        ++above;
      } else {
        words += draw.one_of("++--**%<="sv);
        --above;
      }
    }
    return words;
  }

  program_options options_;
};
static_assert(task<program>);

}  // namespace dsr1
