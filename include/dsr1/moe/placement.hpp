// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which ranks hold the weights of which experts, and whom each rank asks.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <dsr1/comm/rank_group.hpp>
#include <dsr1/core/hash.hpp>

namespace dsr1 {

/// The slots of every rank: held(r)[s] is the expert whose weights lie in slot s of rank r. An
/// expert lies on at least one rank and at most once on each; a rank may hold none. With a `group`
/// above zero, ranks r with the same r / group are near each other (one machine).
///
/// Whom a source rank asks for an expert: itself if it holds it; else a holder of its own group;
/// else any holder. Where there is a choice, the sources that have it take turns, so that the
/// holders serve numbers of sources that differ by at most one.
class placement {
 public:
  struct holder {
    int rank = 0;
    index_t slot = 0;
    bool operator==(const holder&) const = default;
  };

  placement() = default;
  /// Throws `error` unless this is a placement as described above.
  placement(index_t experts, std::vector<std::vector<index_t>> slots_of, int group = 0)
      : held_(std::move(slots_of)), group_(group) {
    expects(experts >= 1, "a placement of ", experts, " experts, expected at least one");
    expects(!held_.empty(), "a placement over 0 ranks, expected at least one");
    expects(group >= 0 && (group == 0 || ranks() % group == 0), "a placement over ", ranks(),
            " ranks in groups of ", group, ", expected groups that divide the ranks");
    holders_.resize(static_cast<std::size_t>(experts));
    for (int r = 0; r < ranks(); ++r)
      for (index_t s = 0; s < static_cast<index_t>(held(r).size()); ++s) {
        const index_t e = held(r)[static_cast<std::size_t>(s)];
        expects(e >= 0 && e < experts, "rank ", r, " is said to hold expert ", e, " of ", experts);
        std::vector<holder>& of = holders_[static_cast<std::size_t>(e)];
        expects(of.empty() || of.back().rank != r, "rank ", r, " is said to hold expert ", e,
                " twice, expected at most one replica on a rank");
        of.push_back({r, s});
      }
    for (index_t e = 0; e < experts; ++e)
      expects(!holders(e).empty(), "expert ", e, " of ", experts, " lies on none of the ", ranks(),
              " ranks");
  }

  index_t experts() const { return static_cast<index_t>(holders_.size()); }
  int ranks() const { return static_cast<int>(held_.size()); }
  int group() const { return group_; }
  std::span<const index_t> held(int rank) const { return held_[static_cast<std::size_t>(rank)]; }
  const std::vector<std::vector<index_t>>& held() const { return held_; }
  /// Ascending by rank.
  std::span<const holder> holders(index_t expert) const {
    return holders_[static_cast<std::size_t>(expert)];
  }
  bool holds(int rank, index_t expert) const {
    return std::any_of(holders(expert).begin(), holders(expert).end(),
                       [&](const holder& h) { return h.rank == rank; });
  }
  index_t slots() const {
    index_t n = 0;
    for (const auto& each : held_) n += static_cast<index_t>(each.size());
    return n;
  }

  /// Whom rank `source` asks for each expert, [experts].
  std::vector<holder> asked_by(int source) const {
    expects(source >= 0 && source < ranks(), "rank ", source, " of a placement over ", ranks(),
            " ranks");
    std::vector<holder> asked;
    for (index_t e = 0; e < experts(); ++e) asked.push_back(asked_for(source, e));
    return asked;
  }

  /// The same on all ranks that have the same placement.
  std::uint64_t fingerprint() const {
    content_hash hash;
    const auto add = [&](index_t v) { hash.add(&v, sizeof(v)); };
    add(experts());
    add(group_);
    for (const auto& each : held_) {
      add(static_cast<index_t>(each.size()));
      for (const index_t e : each) add(e);
    }
    return hash.value();
  }
  bool operator==(const placement& other) const {
    return held_ == other.held_ && group_ == other.group_;
  }

 private:
  int group_of(int rank) const { return group_ > 0 ? rank / group_ : 0; }

  holder asked_for(int source, index_t expert) const {
    const std::span<const holder> all = holders(expert);
    const auto near = [&](int r) {
      return std::any_of(all.begin(), all.end(), [&](const holder& h) {
        return group_ > 0 && group_of(h.rank) == group_of(r);
      });
    };
    // The holders to choose from, and how many of those with the same choice come before.
    const bool local = near(source);
    const auto candidate = [&](const holder& h) {
      return !local || group_of(h.rank) == group_of(source);
    };
    index_t turn = expert, choices = 0;
    for (const holder& h : all) {
      if (h.rank == source) return h;
      choices += candidate(h);
    }
    for (int r = 0; r < source; ++r)
      turn += !holds(r, expert) && (local ? group_of(r) == group_of(source) : !near(r));
    turn %= choices;
    for (const holder& h : all)
      if (candidate(h) && turn-- == 0) return h;
    return all.front();
  }

  std::vector<std::vector<index_t>> held_;
  std::vector<std::vector<holder>> holders_;  // of each expert
  int group_ = 0;
};

/// Every group of `group` consecutive ranks holds every expert once, in shares that differ by at
/// most one; the ranks of a group ask each other. Data parallel over ranks / group groups, expert
/// parallel inside. Throws `error` when the groups do not divide the ranks, or are larger than the
/// number of experts (a rank without experts is possible, but has to be asked for by hand).
inline placement folded_placement(index_t experts, int ranks, int group) {
  expects(ranks >= 1 && group >= 1 && ranks % group == 0, "experts over ", ranks,
          " ranks folded into groups of ", group, ", expected groups that divide the ranks");
  expects(group <= experts, experts, " experts over ", group,
          " ranks, expected at most as many ranks as experts: fold the ranks into smaller groups");
  std::vector<std::vector<index_t>> held(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r)
    for (index_t i = 0; i < share_size(experts, r % group, group); ++i)
      held[static_cast<std::size_t>(r)].push_back(share_begin(experts, r % group, group) + i);
  return placement(experts, std::move(held), group == ranks ? 0 : group);
}

/// Every expert once, in consecutive shares that differ by at most one.
inline placement even_placement(index_t experts, int ranks) {
  return folded_placement(experts, ranks, ranks);
}

/// How many experts have to travel: pairs of a rank and an expert that it holds in `to` only.
inline index_t transfers(const placement& from, const placement& to) {
  expects(from.experts() == to.experts() && from.ranks() == to.ranks(), "from a placement of ",
          from.experts(), " experts over ", from.ranks(), " ranks to one of ", to.experts(),
          " over ", to.ranks());
  index_t n = 0;
  for (int r = 0; r < to.ranks(); ++r)
    for (const index_t e : to.held(r)) n += !from.holds(r, e);
  return n;
}

}  // namespace dsr1
