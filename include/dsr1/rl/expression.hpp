// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reads and calculates an expression that anyone may have written, byte by byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/rl/integer.hpp>

namespace dsr1 {

/// What stands at the beginning of a text as an expression.
struct expression_reading {
  bool whole = false;    ///< an expression stands there
  std::size_t stop = 0;  ///< the place after it, or of the byte that cannot stand there
  std::optional<std::int64_t> value;  ///< nothing without an exact value in 64 bits
  struct number {
    std::optional<std::int64_t> value;  ///< nothing when it does not fit into 64 bits
    std::size_t end;
  };
  std::vector<number> numbers;  ///< in their order, also when the expression is not whole
};

/// expression = term (("+" | "-") term)*     term = factor (("*" | "/") factor)*
/// factor = number | "(" expression ")"      number = "0" | nonzero digit*
/// The usual order of operations, from the left; a division that leaves a rest has no value.
/// Operators are those of the list, parentheses nest at most `deepest` levels (the byte that opens
/// one more cannot stand there). Time and memory grow with the length only.
class expression_reader {
 public:
  explicit expression_reader(std::string_view operators, std::size_t deepest = 32)
      : operators_(operators), deepest_(deepest) {}

  expression_reading operator()(std::string_view text, std::size_t begin = 0) const {
    expression_reading r;
    r.stop = begin;
    std::vector<level_state> open(1);
    for (;;) {
      // A factor.
      if (r.stop < text.size() && text[r.stop] == '(' && open.size() <= deepest_) {
        open.emplace_back();
        ++r.stop;
        continue;
      }
      const std::size_t length = number_length(text, r.stop);
      if (length == 0) return r;
      std::optional<std::int64_t> value = number_value(text.substr(r.stop, length));
      r.stop += length;
      r.numbers.push_back({value, r.stop});
      open.back().multiply(value);
      // What may follow it.
      while (r.stop < text.size() && text[r.stop] == ')' && open.size() > 1) {
        value = open.back().finish();
        open.pop_back();
        open.back().multiply(value);
        ++r.stop;
      }
      if (r.stop < text.size() && operators_.find(text[r.stop]) != std::string_view::npos) {
        open.back().next(text[r.stop++]);
        continue;
      }
      r.whole = open.size() == 1;
      if (r.whole) r.value = open.back().finish();
      return r;
    }
  }

 private:
  using number = std::optional<std::int64_t>;

  static number apply(number a, char op, number b) {
    return a && b ? calculate(*a, op, *b) : std::nullopt;
  }

  /// sum (+ or -) product (* or /) the next factor.
  struct level_state {
    number sum = 0;
    number product;
    char sum_op = '+';
    char product_op = 0;  // none: the factor begins the product

    void multiply(number factor) {
      product = product_op == 0 ? factor : apply(product, product_op, factor);
    }
    void next(char op) {
      if (op == '+' || op == '-') {
        sum = apply(sum, sum_op, product);
        sum_op = op;
        product_op = 0;
      } else {
        product_op = op;
      }
    }
    number finish() const { return apply(sum, sum_op, product); }
  };

  std::string operators_;
  std::size_t deepest_;
};

}  // namespace dsr1
