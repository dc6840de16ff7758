// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A decorator stands around the groups made from its own too, and hands everything else on.

#include <vector>

#include "battery/decorators.hpp"
#include "catch.hpp"

#include <dsr1/comm/threads.hpp>

using namespace dsr1;

TEST_CASE("transport_decorator: it stands around all groups that are made from it") {
  run_ranks(2,
            [](rank_group& group) {
              int calls = 0;
              rank_group outer = group.duplicate().through([&](auto inner) {
                return std::make_unique<battery::tampering_transport>(
                    std::move(inner), [&](int, std::span<std::byte>) { ++calls; });
              });
              expects(outer.rank() == group.rank() && outer.size() == 2, "rank and size");
              outer.barrier();
              expects(calls == 1, calls, " calls, expected 1");
              rank_group inner = outer.duplicate();  // tells the others in one exchange
              inner.barrier();
              expects(calls == 3, calls, " calls, expected 3");
              if (group.rank() == 0) outer.abandon("enough");
              const std::string what = message_of([&] { inner.barrier(); });
              expects(what == "enough", what);
            },
            {.patience = 50});
}

TEST_CASE("transport_decorator: around nothing it is refused, and a rank alone needs none") {
  CHECK(message_of([] { battery::tampering_transport(nullptr, {}); }) ==
        "a decorator around no transport");
  rank_group alone = rank_group().through(
      [](auto) -> std::unique_ptr<transport> { throw error("there is nothing to wrap"); });
  alone.barrier();
}
