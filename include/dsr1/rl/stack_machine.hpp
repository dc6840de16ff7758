// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A language of single letters and its interpreter, which always comes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/rl/integer.hpp>

namespace dsr1 {

/// Programs work on a stack of whole numbers of 64 bits; a, b, c are its uppermost, c on top.
///   0 .. 9   push the digit            d  a      -> a a       s  a b   -> b a
///   + - * %  a b -> a op b             p  a      ->           r  a b c -> b c a
///   =  <     a b -> 1 or 0             o  a b    -> a b a
///   [ body ] while the top is not 0: body (the top stays)
/// It begins with the input on the stack; the output is what is on top at the end.
struct stack_machine {
  static constexpr std::string_view letters = "0123456789+-*%=<dspor[]";

  std::size_t longest = 64;   ///< letters of a program
  std::size_t deepest = 64;   ///< numbers on the stack
  std::int64_t steps = 2000;  ///< letters that are executed

  /// A program that can run: the place of the bracket that belongs to each bracket.
  struct code {
    std::string words;
    std::vector<std::size_t> partner;
  };
  struct parsed {
    std::optional<code> program;
    std::size_t stop = 0;  ///< the size, or the place of the byte that cannot stand there
  };

  /// Programs are of these letters, brackets in pairs, at least one letter and at most `longest`.
  parsed parse(std::string_view words) const {
    code c{std::string(words.substr(0, longest)), {}};
    c.partner.resize(c.words.size());
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < c.words.size(); ++i) {
      if (letters.find(c.words[i]) == std::string_view::npos) return {std::nullopt, i};
      if (c.words[i] == '[') open.push_back(i);
      if (c.words[i] != ']') continue;
      if (open.empty()) return {std::nullopt, i};
      c.partner[i] = open.back();
      c.partner[open.back()] = i;
      open.pop_back();
    }
    const std::size_t stop = c.words.size();
    if (words.size() > longest || words.empty() || !open.empty()) return {std::nullopt, stop};
    return {std::move(c), stop};
  }

  struct outcome {
    std::optional<std::int64_t> output;
    std::string_view trouble;  ///< why there is none
  };

  /// Runs a program: at most `steps` letters, on at most `deepest` numbers.
  outcome run(const code& c, std::int64_t input) const {
    std::vector<std::int64_t> stack = {input};
    std::int64_t left = steps;
    for (std::size_t i = 0; i < c.words.size(); ++i) {
      if (left-- == 0) return {std::nullopt, "runs for too long"};
      const char letter = c.words[i];
      if (stack.size() < needs(letter)) return {std::nullopt, "takes from an empty stack"};
      if (letter == '[' || letter == ']') {
        if ((stack.back() != 0) == (letter == ']')) i = c.partner[i];
      } else if (is_digit(letter)) {
        stack.push_back(letter - '0');
      } else if (needs(letter) == 2 && letter != 's' && letter != 'o') {
        const std::int64_t b = stack.back();
        stack.pop_back();
        std::int64_t& a = stack.back();
        const std::optional<std::int64_t> result =
            letter == '='   ? std::optional(std::int64_t{a == b})
            : letter == '<' ? std::optional(std::int64_t{a < b})
                            : calculate(a, letter, b);
        if (!result)
          return {std::nullopt,
                  b == 0 && letter == '%' ? "divides by zero" : "has a number too large"};
        a = *result;
      } else {
        move(stack, letter);
      }
      if (stack.size() > deepest) return {std::nullopt, "fills the stack"};
    }
    if (stack.empty()) return {std::nullopt, "leaves nothing on the stack"};
    return {stack.back(), ""};
  }

 private:
  /// How many numbers a letter takes from the stack, or looks at.
  static constexpr std::size_t needs(char letter) {
    if (is_digit(letter)) return 0;
    if (letter == 'r') return 3;
    return letter == 'd' || letter == 'p' || letter == '[' || letter == ']' ? 1 : 2;
  }

  static void move(std::vector<std::int64_t>& stack, char letter) {
    const auto end = stack.end();
    if (letter == 'd') stack.push_back(stack.back());
    if (letter == 'p') stack.pop_back();
    if (letter == 'o') stack.push_back(*(end - 2));
    if (letter == 's') std::iter_swap(end - 1, end - 2);
    if (letter == 'r') std::rotate(end - 3, end - 2, end);
  }
};

}  // namespace dsr1
