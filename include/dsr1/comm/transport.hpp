// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What carries bytes between ranks: the one thing that threads, MPI and tests implement.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include <dsr1/comm/traffic.hpp>
#include <dsr1/core/error.hpp>
#include <dsr1/core/hash.hpp>

namespace dsr1 {

enum class reduction : std::uint8_t { sum, max, min };
inline constexpr std::array<std::string_view, 3> reduction_names = {"sum", "max", "min"};

/// a or b, whichever comes first; the NaN when neither does.
template <class T>
constexpr T picked(T a, T b, bool a_first, bool b_first) {
  return a_first ? a : b_first ? b : static_cast<T>(a + b);
}

inline std::uint64_t payload_hash(const std::byte* data, std::size_t bytes) {
  content_hash hash;
  hash.add(data, bytes);
  return hash.value();
}

/// What a rank is about to do. The ranks of a group compare these in every exchange, so that two
/// ranks that do different things are told so instead of waiting for each other.
struct call {
  std::uint64_t number = 0;  ///< of the exchange in this group, from 0
  std::uint64_t count = 0;   ///< elements, where all ranks must name the same
  std::int32_t root = -1;
  operation what = operation::barrier;
  char kind = 'b';  ///< 'f' floating, 'i' signed, 'u' unsigned, 'b' bytes
  std::uint8_t element_bytes = 1;
  reduction how = reduction::sum;

  bool operator==(const call&) const = default;

  /// "all_reduce of 128 float32 (max), exchange 7"
  std::string text() const {
    std::string out(name_of(what));
    if (what != operation::barrier) {
      if (count > 0) out += dsr1::text(" of ", count);
      const int bits = 8 * element_bytes;
      out += kind == 'f'   ? dsr1::text(" float", bits)
             : kind == 'i' ? dsr1::text(" int", bits)
             : kind == 'u' ? dsr1::text(" uint", bits)
                           : " bytes";
    }
    if (how != reduction::sum)
      out += dsr1::text(" (", reduction_names[static_cast<std::size_t>(how)], ")");
    if (root >= 0) out += dsr1::text(" from rank ", root);
    return out + dsr1::text(", exchange ", number);
  }
};

/// Travels with every message, before its payload.
struct envelope {
  call what;
  std::uint64_t bytes = 0;
  std::uint64_t expected = 0;  ///< bytes that its sender expects in the other direction
  std::uint64_t checksum = 0;  ///< `content_hash` of the payload, 0 when checksums are off
};
static_assert(std::is_trivially_copyable_v<envelope> && sizeof(envelope) == 48);

struct outgoing {
  envelope head;
  const std::byte* data = nullptr;
};
struct incoming {
  envelope head;  ///< the transport fills it
  std::byte* data = nullptr;
  std::size_t bytes = 0;  ///< expected
};

struct link_options {
  double patience = 300;   ///< seconds that a rank waits for another before it gives up
  bool checksums = false;  ///< of every payload, at the cost of reading it twice more
  /// MPI: a longer payload goes in pieces of this. Open MPI sends a message up to 64 KiB over TCP
  /// at once; for a longer one it asks first, and then both directions of a link wait for each
  /// other (64 MiB over 1 Gbit/s took 1.9 times what the link needs; in such pieces 1.03 times).
  std::size_t piece_bytes = std::size_t{60} << 10;

  std::chrono::steady_clock::duration patience_duration() const {
    expects(patience > 0, "a patience of ", patience, " s, expected more than 0");
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(std::min(patience, 1e9)));
  }
};

/// An operation ended because of what happened on another rank or thread, whose own error is the
/// cause and is the one to report.
class given_up : public error {
 public:
  // Not inherited: nvcc 13.0 fails on an inherited constructor with such a default argument.
  explicit given_up(const std::string& what, where at = where::current()) : error(what, at) {}
};

/// Moves the messages of one exchange. A transport is used by one thread at a time.
class transport {
 public:
  virtual ~transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const link_options& options() const = 0;

  /// Sends to[r] to every other rank r and receives from[r]; the entries of the own rank are
  /// unused. All ranks call it. Returns when everything has arrived and what `to` points at may be
  /// written again. Throws `error` when the calls or sizes differ (see `expect_match`), when a rank
  /// has ended, and when one does not come within the patience, naming it; the group is of no use
  /// after that.
  virtual void exchange(std::span<const outgoing> to, std::span<incoming> from) = 0;

  /// A transport among `members` (ranks of this one, ascending or not: their order is their new
  /// rank). All ranks of this transport call it, each with the members of its own new group.
  virtual std::unique_ptr<transport> subgroup(std::span<const int> members) = 0;

  /// Called by any thread: the exchange that this rank is in, and all later ones, throw `given_up`
  /// with `why`; so do those of the other ranks.
  virtual void abandon(const std::string& why) = 0;
};

/// Throws `error` naming both ranks and what each did, unless the messages that two ranks send to
/// each other fit what they expect. Both ranks find the same from the envelope of the other.
inline void expect_match(int rank, const outgoing& mine, int peer, const incoming& theirs) {
  expects(mine.head.what == theirs.head.what, "the ranks do different things: rank ", rank,
          " is in ", mine.head.what.text(), ", rank ", peer, " in ", theirs.head.what.text());
  expects(theirs.head.bytes == theirs.bytes, "in ", mine.head.what.text(), ", rank ", peer,
          " sends ", theirs.head.bytes, " bytes to rank ", rank, ", which expects ", theirs.bytes);
  expects(theirs.head.expected == mine.head.bytes, "in ", mine.head.what.text(), ", rank ", rank,
          " sends ", mine.head.bytes, " bytes to rank ", peer, ", which expects ",
          theirs.head.expected);
}

/// "rank 2" or "ranks 1, 3", of the ranks for which `missing(r)` holds.
template <class F>
std::string ranks_text(int size, F&& missing) {
  std::string list;
  int count = 0;
  for (int r = 0; r < size; ++r)
    if (missing(r)) list += (count++ ? ", " : "") + std::to_string(r);
  return (count == 1 ? "rank " : "ranks ") + list;
}

}  // namespace dsr1
