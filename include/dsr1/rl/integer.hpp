// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole numbers as tasks read and calculate them: without overflow, and without half results.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace dsr1 {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// How many bytes from `place` on are a number = "0" | nonzero digit*; 0 when there is none.
constexpr std::size_t number_length(std::string_view bytes, std::size_t place) {
  if (place >= bytes.size() || !is_digit(bytes[place])) return 0;
  if (bytes[place] == '0') return 1;
  std::size_t end = place + 1;
  while (end < bytes.size() && is_digit(bytes[end])) ++end;
  return end - place;
}

/// The value of digits; nothing when it does not fit into 64 bits, or for other bytes.
constexpr std::optional<std::int64_t> number_value(std::string_view digits) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::int64_t value = 0;
  for (const char c : digits) {
    if (!is_digit(c) || value > (most - (c - '0')) / 10) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (digits.empty()) return std::nullopt;
  return value;
}

/// a op b for op one of + - * / %; nothing when it does not fit into 64 bits, for a division that
/// leaves a rest, for division by zero, and for another op. The rest of % has the sign of a.
constexpr std::optional<std::int64_t> calculate(std::int64_t a, char op, std::int64_t b) {
  std::int64_t result = 0;
  bool fits = false;
  switch (op) {
    case '+':
      fits = !__builtin_add_overflow(a, b, &result);
      break;
    case '-':
      fits = !__builtin_sub_overflow(a, b, &result);
      break;
    case '*':
      fits = !__builtin_mul_overflow(a, b, &result);
      break;
    case '/':
    case '%':
      if (b == 0) return std::nullopt;
      if (b == -1) return op == '%' ? std::optional<std::int64_t>(0) : calculate(0, '-', a);
      result = op == '/' ? a / b : a % b;
      fits = op == '%' || a % b == 0;
      break;
    default:
      break;
  }
  return fits ? std::optional(result) : std::nullopt;
}

}  // namespace dsr1
