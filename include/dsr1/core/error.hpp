// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The one exception type of the library, and the function that throws it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include <dsr1/core/where.hpp>

namespace dsr1 {

/// What went wrong (naming the value found and the value expected) and where it was noticed.
class error : public std::runtime_error {
 public:
  explicit error(const std::string& what, where at = where::current())
      : std::runtime_error(what), at_(at) {}

  where at() const noexcept { return at_; }

 private:
  where at_;
};

/// A bool that remembers where it was written, so that `expects` needs no macro.
struct condition {
  bool holds;
  where at;

  // Implicit on purpose: the conversion from bool at the call site records the position.
  constexpr condition(bool value, where position = where::current()) noexcept
      : holds(value), at(position) {}
};

/// The parts, streamed one after the other: `text("step ", 3)` is "step 3".
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  static_cast<void>((out << ... << parts));
  return std::move(out).str();
}

/// Throws `error` with the concatenated parts unless the condition holds.
/// The parts are streamed only on failure, so a check costs one branch.
template <class... Parts>
constexpr void expects(condition must, const Parts&... parts) {
  if (!must.holds) [[unlikely]]
    throw error(text(parts...), must.at);
}

}  // namespace dsr1
