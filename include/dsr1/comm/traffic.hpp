// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a rank sent and received, by purpose and by operation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsr1 {

enum class operation : std::uint8_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  all_to_all,
  broadcast,
  barrier,
};
inline constexpr std::array<std::string_view, 6> operation_names = {
    "all_reduce", "reduce_scatter", "all_gather", "all_to_all", "broadcast", "barrier"};
constexpr std::string_view name_of(operation o) {
  return operation_names[static_cast<std::size_t>(o)];
}

/// What bytes are sent for.
enum class purpose : std::uint8_t { control, gradient, weights, dispatch, combine };
inline constexpr std::array<std::string_view, 5> purpose_names = {"control", "gradient", "weights",
                                                                  "dispatch", "combine"};
constexpr std::string_view name_of(purpose p) { return purpose_names[static_cast<std::size_t>(p)]; }

/// Payload only: every message carries an `envelope` besides, and the transport its own headers.
/// What a rank gives to itself is not counted.
struct traffic {
  struct entry {
    std::uint64_t calls = 0;
    std::uint64_t sent = 0;      ///< bytes
    std::uint64_t received = 0;  ///< bytes
    double seconds = 0;          ///< inside the operations, waiting included

    entry& operator+=(const entry& other) {
      calls += other.calls;
      sent += other.sent;
      received += other.received;
      seconds += other.seconds;
      return *this;
    }
  };

  std::array<std::array<entry, operation_names.size()>, purpose_names.size()> entries = {};

  entry& at(purpose p, operation o) {
    return entries[static_cast<std::size_t>(p)][static_cast<std::size_t>(o)];
  }
  entry total(purpose p) const {
    entry sum;
    for (const entry& e : entries[static_cast<std::size_t>(p)]) sum += e;
    return sum;
  }
  entry total() const {
    entry sum;
    for (std::size_t p = 0; p < purpose_names.size(); ++p) sum += total(static_cast<purpose>(p));
    return sum;
  }
  traffic& operator+=(const traffic& other) {
    for (std::size_t p = 0; p < entries.size(); ++p)
      for (std::size_t o = 0; o < entries[p].size(); ++o) entries[p][o] += other.entries[p][o];
    return *this;
  }
};

/// Counts a communicator's operations under a purpose, and from its end on as before, also when an
/// exception brought that about.
template <class Comm>
class scoped_purpose {
 public:
  scoped_purpose(Comm& comm, purpose p) : comm_(comm), was_(comm.count_as(p)) {}
  ~scoped_purpose() { comm_.count_as(was_); }
  scoped_purpose(const scoped_purpose&) = delete;
  scoped_purpose& operator=(const scoped_purpose&) = delete;

 private:
  Comm& comm_;
  purpose was_;
};

}  // namespace dsr1
