// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Full precision inside a node, where links are fast, and compressed between nodes.
#pragma once

#include <memory>

#include <dsr1/sync/compressed_all_reduce.hpp>

namespace dsr1 {

/// v becomes the sum over the ranks, with the same bits on all: the ranks of a node sum exactly and
/// keep a share each, the shares are summed between nodes by `compressed_all_reduce`, and the ranks
/// of a node give each other the results.
/// With L ranks in each of M nodes and N numbers a rank sends 2 (L-1)/L N sizeof(T) bytes inside
/// its node, and 2 (M-1)/M of N/L coded numbers to other nodes.
template <class T, class Comm>
class hierarchical_all_reduce {
 public:
  /// All ranks call it; those that give the same `node`, at least 0, are together. Throws `error`
  /// unless all nodes have as many ranks and all ranks the same count and format.
  hierarchical_all_reduce(Comm& comm, int node, index_t count, const compression& how = {})
      : inside_(comm.split(node, comm.rank())), between_(comm.split(inside_.rank(), comm.rank())) {
    comm.agree("the number of ranks of a node", static_cast<std::uint64_t>(inside_.size()));
    for (const owned_run& r : even_runs(count, how.format.block, inside_.size())) {
      if (r.owner == inside_.rank()) first_ = r.at;
      counts_.push_back(r.size);
    }
    share_ = std::make_unique<compressed_all_reduce<T>>(
        between_, counts_[static_cast<std::size_t>(inside_.rank())], how,
        [first = first_](index_t, index_t i) {
          return text("number ", first + i, " of the vector");
        });
  }

  template <class Ctx>
  void operator()(Ctx& ctx, view<T, 1> v) {
    const std::span<const index_t> counts(counts_);
    const view<T, 1> mine = v.slice_rows(first_, share_->count());
    inside_.reduce_scatter(view<const T, 1>(v), counts, mine);
    (*share_)(ctx, between_, mine);
    inside_.all_gather(view<const T, 1>(mine), counts, v);
  }

  /// The ranks of the own node, and those with the same share in all nodes: for their counted
  /// bytes.
  Comm& inside() { return inside_; }
  Comm& between() { return between_; }
  /// The compressed part, whose state goes into a checkpoint.
  compressed_all_reduce<T>& share() { return *share_; }

 private:
  Comm inside_, between_;
  std::vector<index_t> counts_;
  index_t first_ = 0;
  std::unique_ptr<compressed_all_reduce<T>> share_;
};

}  // namespace dsr1
