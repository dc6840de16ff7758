// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What ranks do together: work that succeeds on all or on none, lists that become one.
#pragma once

#include <exception>
#include <span>
#include <string_view>
#include <vector>

#include <dsr1/comm/concepts.hpp>

namespace dsr1 {

/// Runs f on every rank. When it throws on some, it throws on all, so that nobody goes on to wait
/// for those: its own error where there is one, elsewhere one that names a rank that has it.
template <class Comm, class F>
void on_all_ranks(Comm& comm, std::string_view what, F&& f) {
  std::exception_ptr failure;
  try {
    f();
  } catch (...) {
    failure = std::current_exception();
  }
  std::int32_t failed = failure ? comm.rank() : -1;
  comm.all_reduce(view<std::int32_t, 1>(&failed, 1), reduction::max);
  if (failure) std::rethrow_exception(failure);
  expects(failed < 0, what, ": rank ", failed, " could not, see its message");
}

/// The lists of all ranks one after the other; they may be of different lengths.
template <class Comm, class T>
std::vector<T> gather_lists(Comm& comm, const std::vector<T>& mine) {
  const auto size = static_cast<index_t>(mine.size());
  std::vector<index_t> sizes(static_cast<std::size_t>(comm.size()));
  comm.all_gather(view<const index_t, 1>(&size, 1), view<index_t, 1>(sizes.data(), comm.size()));
  index_t total = 0;
  for (const index_t n : sizes) total += n;
  std::vector<T> all(static_cast<std::size_t>(total));
  comm.all_gather(view<const T, 1>(mine.data(), size), std::span<const index_t>(sizes),
                  view<T, 1>(all.data(), total));
  return all;
}

}  // namespace dsr1
