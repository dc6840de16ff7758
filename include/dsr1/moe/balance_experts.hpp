// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Placements that even out the load of the ranks: from nothing, and step by step.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include <dsr1/moe/placement.hpp>

namespace dsr1 {

/// The load of each rank when the replicas of an expert share its load evenly.
inline std::vector<double> rank_loads(const placement& where, std::span<const double> load) {
  expects(static_cast<index_t>(load.size()) == where.experts(), "loads of ", load.size(),
          " experts for a placement of ", where.experts());
  std::vector<double> sum(static_cast<std::size_t>(where.ranks()));
  for (index_t e = 0; e < where.experts(); ++e) {
    const double each = load[static_cast<std::size_t>(e)];
    expects(std::isfinite(each) && each >= 0, "the load of expert ", e, " is ", each,
            ", expected a number of at least 0");
    for (const placement::holder& h : where.holders(e))
      sum[static_cast<std::size_t>(h.rank)] += each / static_cast<double>(where.holders(e).size());
  }
  return sum;
}

inline double max_load(const placement& where, std::span<const double> load) {
  const std::vector<double> sum = rank_loads(where, load);
  return *std::max_element(sum.begin(), sum.end());
}

/// Places `slots` replicas (0: one per expert) so that the ranks have even loads, as the published
/// algorithm does (see `rebalance_experts`, global policy), but never two replicas of an expert on
/// one rank, and for counts that need not divide: ranks hold numbers that differ by at most one.
/// Throws `error` when there are fewer slots than experts, or more than experts times ranks, or
/// more ranks than slots.
inline placement balanced_placement(std::span<const double> load, int ranks, index_t slots = 0,
                                    int group = 0) {
  const auto experts = static_cast<index_t>(load.size());
  if (slots == 0) slots = experts;
  expects(
      experts >= 1 && ranks >= 1 && slots >= experts && slots <= experts * ranks && slots >= ranks,
      "balanced_placement of ", experts, " experts in ", slots, " slots over ", ranks,
      " ranks, expected from one slot per expert and rank to one per pair of them");
  for (std::size_t e = 0; e < load.size(); ++e)
    expects(std::isfinite(load[e]) && load[e] >= 0, "the load of expert ", e, " is ", load[e],
            ", expected a number of at least 0");
  std::vector<index_t> count(load.size(), 1);
  const auto each = [&](std::size_t e) { return load[e] / static_cast<double>(count[e]); };
  std::vector<std::size_t> replicas(load.size());
  std::iota(replicas.begin(), replicas.end(), std::size_t{0});
  while (static_cast<index_t>(replicas.size()) < slots) {
    std::size_t most = load.size();
    for (std::size_t e = 0; e < load.size(); ++e)
      if (count[e] < ranks && (most == load.size() || each(e) > each(most))) most = e;
    replicas.push_back(most);
    ++count[most];
  }
  std::stable_sort(replicas.begin(), replicas.end(),
                   [&](std::size_t a, std::size_t b) { return each(a) > each(b); });

  std::vector<std::vector<index_t>> held(static_cast<std::size_t>(ranks));
  std::vector<double> sum(held.size());
  const auto has = [&](std::size_t r, index_t e) {
    return std::find(held[r].begin(), held[r].end(), e) != held[r].end();
  };
  const auto room = [&](std::size_t r) {
    return static_cast<index_t>(held[r].size()) < share_size(slots, static_cast<int>(r), ranks);
  };
  for (const std::size_t replica : replicas) {
    const auto e = static_cast<index_t>(replica);
    std::size_t best = held.size(), open = held.size();
    for (std::size_t r = 0; r < held.size(); ++r) {
      if (room(r)) open = r;
      if (room(r) && !has(r, e) && (best == held.size() || sum[r] < sum[best])) best = r;
    }
    if (best == held.size()) {
      // Only ranks that hold it have room. A full rank without it gives one of its experts that
      // `open` lacks to `open`: there is one, since a full rank has at least as many as `open`.
      const auto moves = [&](index_t f) { return !has(open, f); };
      for (best = 0; has(best, e);) ++best;
      const auto from = std::find_if(held[best].begin(), held[best].end(), moves);
      held[open].push_back(*from);
      sum[open] += each(static_cast<std::size_t>(*from));
      sum[best] -= each(static_cast<std::size_t>(*from));
      held[best].erase(from);
    }
    held[best].push_back(e);
    sum[best] += each(replica);
  }
  return placement(experts, std::move(held), group);
}

/// A placement near the current one.
struct placement_proposal {
  placement to;
  index_t moves = 0;             ///< experts that have to travel: transfers(from, to)
  double before = 0, after = 0;  ///< max_load
};

namespace balance_detail {

/// A placement while it changes: loads of the ranks and who holds what.
class changing_placement {
 public:
  changing_placement(const placement& from, std::span<const double> load)
      : load_(load), held_(from.held()), sum_(rank_loads(from, load)), on_(load.size()) {
    for (std::size_t r = 0; r < held_.size(); ++r)
      for (const index_t e : held_[r]) on_[static_cast<std::size_t>(e)].push_back(r);
  }

  /// replicate   rank `to` gets expert e in a new slot
  /// hand_over   so it does, and rank `from` has it no more
  /// replace     slot `slot` of rank `to`, a replica, becomes e
  /// swap        that slot becomes e, and the slot of e on rank `from` what was there
  struct change {
    index_t e = -1;
    std::size_t to = 0, slot = 0, from = 0;
    enum class kind { replicate, replace, hand_over, swap } what = kind::replicate;
    index_t cost() const { return what == kind::swap ? 2 : 1; }
  };

  std::size_t ranks() const { return held_.size(); }
  const std::vector<std::vector<index_t>>& held() const { return held_; }
  const std::vector<double>& sum() const { return sum_; }
  std::size_t replicas(index_t e) const { return on_[static_cast<std::size_t>(e)].size(); }
  bool holds(std::size_t r, index_t e) const {
    const auto& on = on_[static_cast<std::size_t>(e)];
    return std::find(on.begin(), on.end(), r) != on.end();
  }

  /// The loads after a change, in `out`.
  void loads_after(const change& c, std::vector<double>& out) const {
    out = sum_;
    const bool grows = c.what == change::kind::replicate || c.what == change::kind::replace;
    share(c.e, c.to, grows ? npos : c.from, out);
    if (c.what == change::kind::replace) share(held_[c.to][c.slot], npos, c.to, out);
    if (c.what == change::kind::swap) share(held_[c.to][c.slot], c.from, c.to, out);
  }

  void apply(const change& c) {
    std::vector<double> after;
    loads_after(c, after);
    const auto own = std::find(held_[c.from].begin(), held_[c.from].end(), c.e);
    using kind = change::kind;
    if (c.what == kind::replicate || c.what == kind::hand_over) {
      held_[c.to].push_back(c.e);
      if (c.what == kind::hand_over) held_[c.from].erase(own);
    } else {
      const index_t other = std::exchange(held_[c.to][c.slot], c.e);
      if (c.what == kind::swap) *own = other;
    }
    sum_ = std::move(after);
    for (auto& on : on_) on.clear();
    for (std::size_t r = 0; r < held_.size(); ++r)
      for (const index_t e : held_[r]) on_[static_cast<std::size_t>(e)].push_back(r);
  }

 private:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  /// Expert e gains the holder `gains` and loses `loses`.
  void share(index_t e, std::size_t gains, std::size_t loses, std::vector<double>& out) const {
    const auto& on = on_[static_cast<std::size_t>(e)];
    const double load = load_[static_cast<std::size_t>(e)];
    const std::size_t after = on.size() + (gains != npos) - (loses != npos);
    for (const std::size_t r : on) out[r] -= load / static_cast<double>(on.size());
    for (const std::size_t r : on)
      if (r != loses) out[r] += load / static_cast<double>(after);
    if (gains != npos) out[gains] += load / static_cast<double>(after);
  }

  std::span<const double> load_;
  std::vector<std::vector<index_t>> held_;
  std::vector<double> sum_;
  std::vector<std::vector<std::size_t>> on_;  // ranks of each expert
};

/// What is lowered: the maximum first, then the squares, which break ties between full ranks.
struct unevenness {
  double most = 0, squares = 0;
};
inline unevenness unevenness_of(const std::vector<double>& sum) {
  unevenness u;
  for (const double s : sum) {
    u.most = std::max(u.most, s);
    u.squares += s * s;
  }
  return u;
}

}  // namespace balance_detail

/// The placement that lowers the load of the fullest rank most with at most `moves` experts
/// travelling, step by step: hand an expert of the fullest rank to a rank with room, replicate it
/// there, let it replace a replica of another expert, let a lighter one replace a replica on the
/// fullest rank, or swap two experts (which is two moves). Every step
/// is the one that gains most per move. Ranks hold at most `capacity` experts (0: as many as the
/// rank that holds the most now); no rank gets two replicas of one expert. The maximum never grows;
/// when nothing helps, `to` is the current placement. Loads are the counts of each expert, as
/// `load_matrix` has them. For live use: a few moves a step instead of a reshuffle.
inline placement_proposal improve_placement(const placement& now, std::span<const double> load,
                                            index_t moves, index_t capacity = 0) {
  using namespace balance_detail;
  using change = changing_placement::change;
  using kind = change::kind;
  expects(moves >= 0, "improve_placement with ", moves, " moves, expected none below zero");
  index_t largest = 0;
  for (const auto& each : now.held())
    largest = std::max(largest, static_cast<index_t>(each.size()));
  if (capacity == 0) capacity = largest;
  expects(capacity >= largest, "improve_placement with room for ", capacity,
          " experts on a rank, but a rank holds ", largest);
  changing_placement state(now, load);
  placement_proposal best;
  best.to = now;
  best.before = best.after = max_load(now, load);
  std::vector<double> after;
  for (index_t left = moves; left > 0;) {
    const unevenness old = unevenness_of(state.sum());
    const auto full = static_cast<std::size_t>(
        std::max_element(state.sum().begin(), state.sum().end()) - state.sum().begin());
    change chosen;
    unevenness gain;  // per move, of the chosen one
    const auto consider = [&](const change& c) {
      if (c.cost() > left) return;
      state.loads_after(c, after);
      const unevenness u = unevenness_of(after);
      const double cost = static_cast<double>(c.cost());
      const unevenness g{(old.most - u.most) / cost, (old.squares - u.squares) / cost};
      const double least = 1e-12 * old.most;  // rounding is no gain
      const bool helps = g.most > least || (g.most >= -0.0 && g.squares > least * old.most);
      const bool better =
          g.most > gain.most + least || (g.most >= gain.most - least && g.squares > gain.squares);
      if (!helps || (chosen.e >= 0 && !better)) return;
      chosen = c;
      gain = g;
    };
    for (const index_t e : state.held()[full])
      for (std::size_t r = 0; r < state.ranks(); ++r) {
        if (state.holds(r, e)) continue;
        const auto& there = state.held()[r];
        if (static_cast<index_t>(there.size()) < capacity) {
          consider({e, r, there.size(), full, kind::replicate});
          consider({e, r, there.size(), full, kind::hand_over});
        }
        for (std::size_t slot = 0; slot < there.size(); ++slot) {
          if (state.replicas(there[slot]) > 1) consider({e, r, slot, full, kind::replace});
          if (!state.holds(full, there[slot])) consider({e, r, slot, full, kind::swap});
        }
      }
    // Or the full rank itself gives up a replica for a lighter expert.
    for (index_t slot = 0; slot < static_cast<index_t>(state.held()[full].size()); ++slot)
      for (index_t e = 0; e < now.experts(); ++e)
        if (state.replicas(state.held()[full][static_cast<std::size_t>(slot)]) > 1 &&
            !state.holds(full, e))
          consider({e, full, static_cast<std::size_t>(slot), full, kind::replace});
    if (chosen.e < 0) break;
    state.apply(chosen);
    left -= chosen.cost();
    const placement to(now.experts(), state.held(), now.group());
    const double most = max_load(to, load);
    if (most < best.after) best = {to, transfers(now, to), best.before, most};
  }
  return best;
}

}  // namespace dsr1
