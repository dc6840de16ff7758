// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Nodes that sum exactly, and compress only what goes to other nodes.

#include "sync/gradients.hpp"

#include <dsr1/sync/hierarchical_all_reduce.hpp>

using namespace gradients;

TEST_CASE("hierarchical_all_reduce: the sum, the same bits on all ranks, few bytes between nodes") {
  constexpr index_t count = 20'003;
  for (const int nodes : {1, 2, 3})
    for (const int each : {1, 2})
      for (const wire_code code : {wire_code::f32, wire_code::int8}) {
        const int ranks = nodes * each;
        per_rank<std::vector<float>> results(ranks);
        with_ranks(ranks, [&](auto& ctx, rank_group& group) {
          // [use]
          const int node = group.rank() / each;  // whatever says which ranks are near each other
          hierarchical_all_reduce<float, rank_group> all_reduce(group, node, count,
                                                                {.format = {.code = code}});
          auto v = gradients::of(0, count, group.rank());
          all_reduce(ctx, view<float, 1>(v.data(), count));
          // [/use]
          results[group.rank()] = v;
          const auto sent =
              all_reduce.between().counted().at(purpose::control, operation::all_to_all).sent +
              all_reduce.between().counted().at(purpose::control, operation::all_gather).sent;
          const auto agreed = 3 * 8 * (nodes - 1);  // the handshake
          expects(sent == static_cast<std::uint64_t>(
                              all_reduce.share().bytes(all_reduce.between().rank()) + agreed),
                  "sent ", sent, " bytes between nodes");
        });
        for (int r = 0; r < ranks; ++r) REQUIRE(results[r] == results[0]);
        for (index_t i = 0; i < count; ++i) {
          double sum = 0, largest = 0;
          for (int r = 0; r < ranks; ++r) {
            sum += static_cast<double>(gradients::of(0, 64, r)[at(i % 64)]) * (i < 64);
            largest += 5 * (r + 1);
          }
          if (i < 64)
            CHECK(std::abs(static_cast<double>(results[0][at(i)]) - sum) <= largest / 100);
        }
      }
}

TEST_CASE("hierarchical_all_reduce: nodes of different size are refused") {
  CHECK(mentions(message_of([] {
                   with_ranks(3, [](auto&, rank_group& group) {
                     hierarchical_all_reduce<float, rank_group> all_reduce(group, group.rank() / 2,
                                                                           100);
                   });
                 }),
                 "disagree on the number of ranks of a node"));
}
