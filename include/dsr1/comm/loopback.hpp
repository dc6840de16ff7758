// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The communicator of a run that is alone: one rank, nothing to send.
#pragma once

#include <algorithm>

#include <dsr1/comm/concepts.hpp>

namespace dsr1 {

struct loopback {
  static constexpr int rank() { return 0; }
  static constexpr int size() { return 1; }
  template <class T>
  void all_reduce(view<T, 1>, reduction = reduction::sum) {}
  template <class T>
  void reduce_scatter(view<const T, 1> v, std::span<const index_t> counts, view<T, 1> mine,
                      reduction = reduction::sum) {
    give("reduce_scatter", v, counts, mine);
  }
  template <class T>
  void all_gather(view<const T, 1> mine, std::span<const index_t> counts, view<T, 1> all) {
    give("all_gather", mine, counts, all);
  }
  template <class T>
  void all_gather(view<const T, 1> mine, view<T, 1> all) {
    const index_t counts[] = {mine.rows()};
    give("all_gather", mine, counts, all);
  }
  template <class T>
  void all_to_all_v(view<const T, 1> in, std::span<const index_t> sends, view<T, 1> out,
                    std::span<const index_t>) {
    give("all_to_all_v", in, sends, out);
  }
  template <class T>
  void broadcast(view<T, 1>, int root = 0) {
    expects(root == 0, "broadcast from rank ", root, " of 1");
  }
  void barrier() {}
  loopback split(int, int = 0) { return {}; }
  loopback duplicate() { return {}; }
  void agree(std::string_view, std::uint64_t) {}
  void abandon(const std::string&) {}
  purpose count_as(purpose) { return purpose::control; }
  static traffic counted() { return {}; }

 private:
  template <class T>
  static void give(std::string_view name, view<const T, 1> from, std::span<const index_t> counts,
                   view<T, 1> to) {
    expects(counts.size() == 1 && counts[0] == from.rows() && from.rows() == to.rows(), name,
            " of one rank: ", counts.size(), " counts, ", from.rows(), " elements in and ",
            to.rows(), " out, expected one count and as many in as out");
    if (from.data != to.data) std::copy_n(from.data, from.rows(), to.data);
  }
};

static_assert(communicator<loopback>);

}  // namespace dsr1
