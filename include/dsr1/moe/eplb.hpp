// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The published balancing of replicated experts, with its results to the number.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// Physical experts (replicas) and the logical experts that they are.
struct expert_map {
  index_t layers = 0, experts = 0, replicas = 0;
  index_t most = 0;  ///< replicas of the expert that has the most
  std::vector<index_t>
      phy2log;  ///< [layers, replicas]; gpu g has replicas / gpus of them, in order
  std::vector<index_t> log2phy;  ///< [layers, experts, most], -1 at the end where there are fewer
  std::vector<index_t> count;    ///< [layers, experts]: replicas of each

  std::span<const index_t> layer(index_t l) const {
    return {phy2log.data() + l * replicas, static_cast<std::size_t>(replicas)};
  }
};

namespace eplb_detail {

/// Where each item went, and as which one there.
struct packing {
  std::vector<index_t> pack, position;
};

/// Items from the heaviest on, each into the lightest pack that has room; all packs get equally
/// many. Among equals the first item and the first pack come first.
inline packing pack_evenly(std::span<const float> weight, index_t packs) {
  const auto items = static_cast<index_t>(weight.size());
  packing out{std::vector<index_t>(weight.size()), std::vector<index_t>(weight.size(), 0)};
  std::vector<index_t> order(weight.size());
  std::iota(order.begin(), order.end(), index_t{0});
  if (items == packs) {
    out.pack = order;  // nothing to choose: item i is pack i
    return out;
  }
  std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) {
    return weight[static_cast<std::size_t>(a)] > weight[static_cast<std::size_t>(b)];
  });
  std::vector<float> sum(static_cast<std::size_t>(packs));
  std::vector<index_t> filled(static_cast<std::size_t>(packs));
  for (const index_t item : order) {
    std::size_t best = filled.size();
    for (std::size_t p = 0; p < filled.size(); ++p)
      if (filled[p] < items / packs && (best == filled.size() || sum[p] < sum[best])) best = p;
    out.pack[static_cast<std::size_t>(item)] = static_cast<index_t>(best);
    out.position[static_cast<std::size_t>(item)] = filled[best]++;
    sum[best] += weight[static_cast<std::size_t>(item)];
  }
  return out;
}

/// Every expert once, and each further replica to the one with the highest load per replica.
struct replication {
  std::vector<index_t> expert, number;  // of each replica: what it is, and the how-manieth
  std::vector<index_t> count;           // of each expert
};

inline replication replicate(std::span<const float> weight, index_t replicas) {
  replication out;
  out.count.assign(weight.size(), 1);
  for (index_t e = 0; e < static_cast<index_t>(weight.size()); ++e) {
    out.expert.push_back(e);
    out.number.push_back(0);
  }
  while (static_cast<index_t>(out.expert.size()) < replicas) {
    const auto load = [&](std::size_t e) { return weight[e] / static_cast<float>(out.count[e]); };
    std::size_t most = 0;
    for (std::size_t e = 1; e < weight.size(); ++e)
      if (load(e) > load(most)) most = e;
    out.expert.push_back(static_cast<index_t>(most));
    out.number.push_back(out.count[most]++);
  }
  return out;
}

inline void expect_divides(std::string_view what, index_t a, std::string_view by, index_t b) {
  expects(b >= 1 && a >= 1 && a % b == 0, "rebalance_experts: ", a, " ", what, " over ", b, " ", by,
          ", expected a multiple");
}

}  // namespace eplb_detail

/// The balancing that was published with DeepSeek-V3 (github.com/deepseek-ai/EPLB), in the same
/// single precision and with the same ties, so that the maps are the same:
///   1. groups of experts are packed onto nodes, equally many on each;
///   2. inside a node every further replica goes to the expert with the most load per replica;
///   3. the replicas of a node are packed onto its gpus, equally many on each.
/// When the nodes do not divide the groups, there is one group and one node (the global policy).
/// load [layers, experts]. It may put two replicas of an expert on one gpu, and all counts must
/// divide: `balanced_placement` does without both. Throws `error` when they do not, when there are
/// fewer replicas than experts, and when a load is negative or not finite.
inline expert_map rebalance_experts(view<const float, 2> load, index_t replicas, index_t groups,
                                    index_t nodes, index_t gpus) {
  using namespace eplb_detail;
  const index_t experts = load.columns();
  expects(nodes >= 1 && groups >= 1 && experts >= 1, "rebalance_experts: ", experts, " experts in ",
          groups, " groups over ", nodes, " nodes, expected at least one of each");
  if (groups % nodes != 0) groups = nodes = 1;
  expect_divides("experts", experts, "groups", groups);
  expect_divides("gpus", gpus, "nodes", nodes);
  expect_divides("replicas", replicas, "gpus", gpus);
  expects(replicas >= experts, "rebalance_experts: ", replicas, " replicas of ", experts,
          " experts, expected at least one of each");
  const index_t group_size = experts / groups, node_groups = groups / nodes,
                node_experts = experts / nodes, node_replicas = replicas / nodes,
                gpu_replicas = replicas / gpus;
  const auto at = [](auto& v, index_t i) -> auto& { return v[static_cast<std::size_t>(i)]; };

  expert_map map;
  map.layers = load.rows();
  map.experts = experts;
  map.replicas = replicas;
  map.phy2log.resize(static_cast<std::size_t>(map.layers * replicas));
  map.count.resize(static_cast<std::size_t>(map.layers * experts));
  std::vector<index_t> number(map.phy2log.size());
  std::vector<index_t> expert_at(static_cast<std::size_t>(experts));
  std::vector<float> group_load(static_cast<std::size_t>(groups)),
      node_load(static_cast<std::size_t>(node_experts)), replica_load;
  for (index_t l = 0; l < map.layers; ++l) {
    std::fill(group_load.begin(), group_load.end(), 0.0f);
    for (index_t e = 0; e < experts; ++e) {
      expects(std::isfinite(load(l, e)) && load(l, e) >= 0,
              "rebalance_experts: the load of expert ", e, " in layer ", l, " is ", load(l, e),
              ", expected a number of at least 0");
      at(group_load, e / group_size) += load(l, e);
    }
    const packing on_nodes = pack_evenly(group_load, nodes);
    for (index_t e = 0; e < experts; ++e) {
      const index_t g = e / group_size;
      at(expert_at, (at(on_nodes.pack, g) * node_groups + at(on_nodes.position, g)) * group_size +
                        e % group_size) = e;
    }
    for (index_t n = 0; n < nodes; ++n) {
      const index_t* const here = expert_at.data() + n * node_experts;
      for (index_t i = 0; i < node_experts; ++i) at(node_load, i) = load(l, here[i]);
      const replication copies = replicate(node_load, node_replicas);
      replica_load.clear();
      for (const index_t i : copies.expert)
        replica_load.push_back(at(node_load, i) / static_cast<float>(at(copies.count, i)));
      const packing on_gpus = pack_evenly(replica_load, gpus / nodes);
      for (index_t c = 0; c < node_replicas; ++c) {
        const index_t place = l * replicas + n * node_replicas +
                              at(on_gpus.pack, c) * gpu_replicas + at(on_gpus.position, c);
        at(map.phy2log, place) = here[at(copies.expert, c)];
        at(number, place) = at(copies.number, c);
      }
      for (index_t i = 0; i < node_experts; ++i)
        at(map.count, l * experts + here[i]) = at(copies.count, i);
    }
  }
  if (!map.count.empty()) map.most = *std::max_element(map.count.begin(), map.count.end());
  map.log2phy.assign(static_cast<std::size_t>(map.layers * experts * map.most), -1);
  for (index_t l = 0; l < map.layers; ++l)
    for (index_t p = 0; p < replicas; ++p)
      at(map.log2phy, (l * experts + at(map.phy2log, l * replicas + p)) * map.most +
                          at(number, l * replicas + p)) = p;
  return map;
}

}  // namespace dsr1
