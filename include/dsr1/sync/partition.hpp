// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Who is responsible for which numbers of a model that several ranks train.
#pragma once

#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <dsr1/comm/together.hpp>
#include <dsr1/core/hash.hpp>
#include <dsr1/sync/owned_run.hpp>
#include <dsr1/tensor/parameter_list.hpp>

namespace dsr1 {

/// Gradients that are summed together, as one vector.
struct bucket {
  std::vector<owned_run> runs;
  std::vector<piece> pieces;            ///< of this rank, in the order of the vector
  std::vector<std::size_t> parameters;  ///< that must be complete before it can go
  index_t size = 0;                     ///< of this rank's vector
  bool exact = false;                   ///< never rounded: counts, not gradients
};

struct partition_options {
  index_t bucket_bytes = index_t{4} << 20;
  index_t block = 256;  ///< shares begin at multiples of this many numbers where they can
};

/// Every number of the model has one owner among its holders: the rank that takes the sum of its
/// gradients, stores it in checkpoints, and, when the optimizer's state is spread over the ranks,
/// updates it. A parameter that is whole on every rank is shared among all; a slice that some ranks
/// hold (an expert and its replicas) among those. Buckets are in the order in which a backward pass
/// completes gradients: from the last parameter to the first.
class partition {
 public:
  partition() = default;

  /// Collective. `unit(name, p)` says of how many numbers the optimizer needs all or none (those of
  /// a matrix, under Muon), at least 1. Throws `error` when the ranks' parameters differ, or when a
  /// slice has no holder.
  template <class Comm, class T, class Unit>
  partition(Comm& comm, const parameter_list<T>& parameters, const partition_options& options,
            Unit&& unit)
      : rank_(comm.rank()), ranks_(comm.size()), block_(options.block) {
    expects(options.bucket_bytes > 0 && options.block > 0, "partition: buckets of ",
            options.bucket_bytes, " bytes and shares of ", options.block,
            " numbers, expected more than none");
    compare(comm, parameters);
    const std::vector<held_slices> held = gather_slices(comm, parameters);
    for (const bool exact : {false, true}) {
      std::vector<std::size_t> together;
      index_t bytes = 0;
      const auto close = [&] {
        if (!together.empty()) add_bucket(parameters, held, together, exact, unit);
        together.clear();
        bytes = 0;
      };
      for (std::size_t i = parameters.size(); i-- > 0;) {
        const parameter<T>& p = *parameters[i].p;
        if ((p.traits().update != update_rule::optimizer) != exact) continue;
        together.push_back(i);
        // The same sum on every rank, so that all have the same buckets.
        bytes += p.whole_size() * static_cast<index_t>(sizeof(T)) / (p.slices() ? ranks_ : 1);
        if (bytes >= options.bucket_bytes) close();
      }
      close();
    }
  }

  const std::vector<bucket>& buckets() const { return buckets_; }
  /// What this rank owns, in the order of the buckets.
  const std::vector<piece>& owned() const { return owned_; }

 private:
  /// holders[slice] of a parameter, ascending; empty when all ranks hold all of it.
  struct held_slices {
    std::vector<std::vector<int>> holders;
  };
  /// Numbers of one parameter that lie together in a bucket's vector.
  struct element {
    std::size_t parameter;
    index_t whole_begin, size, unit;
    index_t begin;  // in this rank's parameter; -1 when it holds none of it
  };

  template <class Comm, class T>
  static void compare(Comm& comm, const parameter_list<T>& parameters) {
    content_hash hash;
    for (const auto& [name, p] : parameters) {
      std::string text =
          name + dsr1::text(' ', sizeof(T), ' ', static_cast<int>(p->traits().update));
      for (int i = 0; i < p->rank(); ++i) text += dsr1::text(' ', p->whole_extent(i));
      hash.add(text.data(), text.size() + 1);
    }
    comm.agree("the names and sizes of the model's parameters", hash.value());
  }

  template <class Comm, class T>
  std::vector<held_slices> gather_slices(Comm& comm, const parameter_list<T>& parameters) const {
    std::vector<index_t> mine;  // for every parameter: -1, or the number of slices and their list
    for (const auto& [name, p] : parameters) {
      const parameter_slices* s = p->slices();
      mine.push_back(s ? static_cast<index_t>(s->held.size()) : -1);
      if (s) mine.insert(mine.end(), s->held.begin(), s->held.end());
    }
    const std::vector<index_t> all = gather_lists(comm, mine);
    std::vector<held_slices> held(parameters.size());
    const index_t* at = all.data();
    for (int r = 0; r < ranks_; ++r)
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const auto& [name, p] = parameters[i];
        const index_t count = *at++;
        expects((count >= 0) == (p->slices() != nullptr), "parameter ", name,
                " holds slices on some ranks and is whole on others");
        if (count < 0) continue;
        held[i].holders.resize(static_cast<std::size_t>(p->whole_extent(0)));
        for (index_t k = 0; k < count; ++k) {
          const index_t slice = *at++;
          expects(slice >= 0 && slice < p->whole_extent(0), "parameter ", name, ": rank ", r,
                  " holds slice ", slice, " of ", p->whole_extent(0));
          std::vector<int>& holders = held[i].holders[static_cast<std::size_t>(slice)];
          expects(holders.empty() || holders.back() != r, "parameter ", name, ": rank ", r,
                  " holds slice ", slice, " twice");
          holders.push_back(r);
        }
      }
    for (std::size_t i = 0; i < parameters.size(); ++i)
      for (std::size_t s = 0; s < held[i].holders.size(); ++s)
        expects(!held[i].holders[s].empty(), "parameter ", parameters[i].name,
                ": no rank holds slice ", s);
    return held;
  }

  template <class T, class Unit>
  void add_bucket(const parameter_list<T>& parameters, const std::vector<held_slices>& held,
                  const std::vector<std::size_t>& together, bool exact, Unit&& unit) {
    std::vector<int> everybody(static_cast<std::size_t>(ranks_));
    std::iota(everybody.begin(), everybody.end(), 0);
    std::map<std::vector<int>, std::vector<element>> groups;  // by holders
    for (const std::size_t i : together) {
      const auto& [name, p] = parameters[i];
      const index_t u = unit(name, *p);
      expects(u >= 1, "parameter ", name, ": a unit of ", u, " numbers, expected at least 1");
      if (!p->slices()) {
        groups[everybody].push_back({i, 0, p->size(), u, 0});
        continue;
      }
      const index_t size = p->slice_size();
      for (index_t s = 0; s < p->whole_extent(0); ++s) {
        const auto& mine = p->slices()->held;
        const auto found = std::find(mine.begin(), mine.end(), s);
        groups[held[i].holders[static_cast<std::size_t>(s)]].push_back(
            {i, s * size, size, u, found == mine.end() ? -1 : (found - mine.begin()) * size});
      }
    }
    bucket b;
    b.exact = exact;
    b.parameters = together;
    for (const auto& [holders, elements] : groups) add_group(holders, elements, b);
    if (!b.runs.empty()) buckets_.push_back(std::move(b));
  }

  /// Shares the elements out among their holders, and makes runs of the shares.
  void add_group(const std::vector<int>& holders, const std::vector<element>& elements, bucket& b) {
    const bool mine = std::binary_search(holders.begin(), holders.end(), rank_);
    const bool sent = holders.size() > 1;
    index_t total = 0;
    for (const element& e : elements) total += e.size;
    const index_t at = b.size;
    if (mine && sent) {
      for (const element& e : elements)
        b.pieces.push_back({e.parameter, e.begin, e.size, e.whole_begin});
      b.size += total;
    }
    const int count = static_cast<int>(holders.size());
    index_t begin = 0;
    for (int k = 0; k < count; ++k) {
      const index_t end = k + 1 == count ? total : cut(elements, share_begin(total, k + 1, count));
      const int owner = holders[static_cast<std::size_t>(k)];
      if (sent)
        b.runs.push_back({.size = end - begin,
                          .owner = owner,
                          .holders = holders,
                          .at = mine ? at + begin : -1});
      if (owner == rank_) own(elements, begin, end);
      begin = end;
    }
  }

  /// The place nearest to `wanted` where the elements may be cut.
  index_t cut(const std::vector<element>& elements, index_t wanted) const {
    index_t start = 0;
    for (const element& e : elements) {
      if (wanted < start + e.size) {
        const index_t step = e.unit > 1 ? e.unit : block_;
        const index_t inside = (wanted - start + step / 2) / step * step;
        return start + std::min(inside, e.size);
      }
      start += e.size;
    }
    return start;
  }

  void own(const std::vector<element>& elements, index_t begin, index_t end) {
    index_t start = 0;
    for (const element& e : elements) {
      const index_t from = std::max(begin, start), to = std::min(end, start + e.size);
      if (from < to) {
        const piece p = {e.parameter, e.begin + from - start, to - from,
                         e.whole_begin + from - start};
        // Slices that follow each other in both orders are one piece.
        if (!owned_.empty() && owned_.back().parameter == p.parameter &&
            owned_.back().begin + owned_.back().size == p.begin &&
            owned_.back().whole_begin + owned_.back().size == p.whole_begin)
          owned_.back().size += p.size;
        else
          owned_.push_back(p);
      }
      start += e.size;
    }
  }

  int rank_ = 0, ranks_ = 1;
  index_t block_ = 1;
  std::vector<bucket> buckets_;
  std::vector<piece> owned_;
};

}  // namespace dsr1
