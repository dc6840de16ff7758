// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The one exception type of the library, and the function that throws it.
#pragma once

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

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

/// One part of a message: where it is and how it is written. Type-erased, so that the hundreds of
/// messages of a program compile into lists and not into functions of their own.
struct text_part {
  const void* value;
  void (*write)(std::ostream&, const void*);
};
template <class T>
text_part part_of(const T& value) {
  if constexpr (std::is_array_v<T>)
    return {value, [](std::ostream& out, const void* v) {
              out << static_cast<const std::remove_extent_t<T>*>(v);
            }};
  else
    return {std::addressof(value),
            [](std::ostream& out, const void* v) { out << *static_cast<const T*>(v); }};
}
[[gnu::cold, gnu::noinline]] inline std::string joined(const text_part* parts, std::size_t count) {
  std::ostringstream out;
  for (std::size_t i = 0; i < count; ++i) parts[i].write(out, parts[i].value);
  return std::move(out).str();
}
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_error(const text_part* parts,
                                                               std::size_t count, where at) {
  throw error(joined(parts, count), at);
}

/// The parts, streamed one after the other: `text("step ", 3)` is "step 3".
template <class... Parts>
std::string text(const Parts&... parts) {
  const text_part list[] = {part_of(parts)..., {}};
  return joined(list, sizeof...(parts));
}

/// Throws `error` with the concatenated parts unless the condition holds.
/// The parts are streamed only on failure, so a check costs one branch.
template <class... Parts>
constexpr void expects(condition must, const Parts&... parts) {
  if (!must.holds) [[unlikely]] {
    const text_part list[] = {part_of(parts)..., {}};
    throw_error(list, sizeof...(parts), must.at);
  }
}

}  // namespace dsr1
