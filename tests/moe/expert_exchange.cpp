// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rows arrive where they should, in the promised order, and come back to their places.

#include <cmath>
#include <numeric>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/moe/expert_exchange.hpp>

using namespace dsr1;

namespace {

/// How many rows rank r has for expert e: anything, with many zeros.
index_t rows_for(int rank, index_t e, std::uint64_t seed) {
  const random_stream random(seed);
  const auto n = static_cast<std::uint64_t>(rank) * 64 + static_cast<std::uint64_t>(e);
  return std::max<index_t>(0, static_cast<index_t>(random.below(n, 9)) - 3);
}

struct arrived {
  std::vector<float> at_holder;  // [rows, 4]: source, expert, number at the source, untouched
  std::vector<index_t> ends;
  bool returned = false;  // every row came back as it was sent
  index_t rows_out = 0, rows_in = 0, count_bytes = 0;
  traffic sent;
};

/// Rows that say where they come from go to the holders and back, `times` over one handle.
std::vector<arrived> exchange(const placement& where, std::uint64_t seed, int times = 1,
                              const wire_format& format = {}) {
  std::vector<arrived> all(static_cast<std::size_t>(where.ranks()));
  run_ranks(where.ranks(), [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1}, group.duplicate());
    const int me = group.rank();
    arrived& a = all[static_cast<std::size_t>(me)];
    std::vector<float> x;
    std::vector<index_t> ends;
    for (index_t e = 0; e < where.experts(); ++e) {
      for (index_t i = 0; i < rows_for(me, e, seed); ++i)
        for (const index_t v : {index_t{me}, e, i, index_t{7}}) x.push_back(static_cast<float>(v));
      ends.push_back(static_cast<index_t>(x.size()) / 4);
    }
    expert_exchange handle;
    for (int time = 0; time < times; ++time) {
      ctx.workspace().reset();
      handle.make(ctx, where, where.asked_by(me), row_groups(ends));
      const auto rows = battery::cmatrix_of(x, ends.back(), 4);
      const auto there = handle.to_holders(ctx, rows, format);
      const auto back = handle.to_sources(ctx, there, format);
      const auto again = handle.to_holders(ctx, back, format);
      a.at_holder.assign(there.data, there.data + there.size());
      a.returned = back.rows() == ends.back() && std::equal(x.begin(), x.end(), back.data) &&
                   std::equal(a.at_holder.begin(), a.at_holder.end(), again.data);
    }
    for (index_t g = 0; g < handle.groups().count(); ++g) a.ends.push_back(handle.groups().end(g));
    a.rows_out = handle.rows_out();
    a.rows_in = handle.rows_in();
    a.count_bytes = handle.count_bytes();
    a.sent = ctx.comm().counted();
  });
  return all;
}

const std::vector<placement>& placements() {
  static const std::vector<placement> all = {
      even_placement(6, 1),
      even_placement(6, 2),
      even_placement(7, 3),
      placement(6, {{5, 1}, {0, 4, 2}, {3}}),
      placement(6, {{5, 1, 0}, {}, {0, 4, 2}, {3, 5, 0}}),
      folded_placement(6, 4, 2),
  };
  return all;
}

}  // namespace

TEST_CASE("expert_exchange: every row arrives once, by slot, source and place, and comes back") {
  for (const placement& where : placements())
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      INFO(where.ranks() << " ranks, seed " << seed);
      const auto all = exchange(where, seed);
      for (int r = 0; r < where.ranks(); ++r) {
        const arrived& a = all[static_cast<std::size_t>(r)];
        CHECK(a.returned);
        std::vector<float> expected;
        std::vector<index_t> ends;
        for (const index_t e : where.held(r)) {
          for (int source = 0; source < where.ranks(); ++source) {
            if (where.asked_by(source)[static_cast<std::size_t>(e)].rank != r) continue;
            for (index_t i = 0; i < rows_for(source, e, seed); ++i)
              for (const index_t v : {index_t{source}, e, i, index_t{7}})
                expected.push_back(static_cast<float>(v));
          }
          ends.push_back(static_cast<index_t>(expected.size()) / 4);
        }
        CHECK(a.at_holder == expected);
        CHECK(a.ends == ends);
      }
    }
}

TEST_CASE("expert_exchange: the same bits again, and the bytes that were told") {
  for (const placement& where : placements()) {
    const auto first = exchange(where, 9), third = exchange(where, 9, 3);
    for (std::size_t r = 0; r < first.size(); ++r) {
      const arrived& a = first[r];
      CHECK(third[r].at_holder == a.at_holder);
      const index_t row = expert_exchange::row_bytes<float>({}, 4);
      CHECK(row == 16);
      if (where.ranks() == 1) continue;  // alone it counts nothing
      const index_t slots =
          where.slots() - static_cast<index_t>(where.held(static_cast<int>(r)).size());
      CHECK(a.count_bytes == 4 * slots);
      const auto dispatched = a.sent.total(purpose::dispatch),
                 back = a.sent.total(purpose::combine);
      CHECK(static_cast<index_t>(dispatched.sent) == a.count_bytes + 2 * a.rows_out * row);
      CHECK(static_cast<index_t>(back.sent) == a.rows_in * row);
      CHECK(static_cast<index_t>(back.received) == a.rows_out * row);
      CHECK(a.sent.total(purpose::weights).sent + a.sent.total(purpose::gradient).sent == 0);
    }
  }
}

TEST_CASE("expert_exchange: coded rows take the bytes of their format") {
  // Small whole numbers are exact in bf16.
  for (const wire_format& format :
       {wire_format{.code = wire_code::bf16}, wire_format{.code = wire_code::int8, .block = 2}}) {
    INFO(format.text());
    const index_t row = expert_exchange::row_bytes<float>(format, 4);
    CHECK(row == (format.scaled() ? 2 * 4 + 4 : 8));
    for (const placement& where : placements()) {
      const auto all = exchange(where, 4, 1, format);
      for (const arrived& a : all) {
        CHECK((format.scaled() || a.returned));
        if (where.ranks() == 1) continue;
        CHECK(static_cast<index_t>(a.sent.total(purpose::dispatch).sent) ==
              a.count_bytes + 2 * a.rows_out * row);
        CHECK(static_cast<index_t>(a.sent.total(purpose::combine).sent) == a.rows_in * row);
      }
    }
  }
}

TEST_CASE("expert_exchange: what coding may change in a row") {
  const placement where(3, {{2}, {0, 1}});
  const std::vector<index_t> ends = {4, 9, 15};
  auto x = battery::normals<float>(15 * 300, 8);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] *= std::exp2(static_cast<float>(i / 300) - 7);  // rows of different size
  x[5 * 300 + 7] = 1000;                                 // one giant
  for (const wire_code code : {wire_code::bf16, wire_code::fp8, wire_code::int8}) {
    const wire_format format{.code = code, .block = 128};
    INFO(format.text());
    std::vector<double> worst(2);  // of the error over the bound
    run_ranks(2, [&](rank_group& group) {
      context<cpu, rank_group> ctx({.threads = 1}, group.duplicate());
      expert_exchange handle;
      handle.make(ctx, where, where.asked_by(group.rank()), row_groups(ends));
      const auto there = handle.to_holders(ctx, battery::cmatrix_of(x, 15, 300), format);
      const auto back = handle.to_sources(ctx, there);  // uncoded
      for (index_t r = 0; r < 15; ++r)
        for (index_t c = 0; c < 300; ++c) {
          double most = 0;
          for (index_t i = c / 128 * 128; i < std::min<index_t>(300, c / 128 * 128 + 128); ++i)
            most = std::max(most, std::abs(double{x[static_cast<std::size_t>(r * 300 + i)]}));
          const double v = x[static_cast<std::size_t>(r * 300 + c)];
          const double bound = code == wire_code::bf16 ? std::abs(v) / 256
                               : code == wire_code::fp8
                                   ? std::max(std::abs(v) / 16, most / 448 / 512)
                                   : most / 254;
          double& w = worst[static_cast<std::size_t>(group.rank())];
          w = std::max(w, std::abs(back(r, c) - v) / (1.0001 * bound));
        }
    });
    for (const double w : worst) {
      CHECK(w <= 1);
      CHECK(w > 0.3);  // it was coded
    }
  }
}

TEST_CASE("expert_exchange: errors") {
  context<cpu> ctx({.threads = 1});
  expert_exchange handle;
  const placement one = even_placement(2, 1), two = even_placement(2, 2);
  const index_t ends[] = {1, 3};
  const auto x = battery::normals<float>(12, 1);
  CHECK(mentions(message_of([&] { handle.make(ctx, two, two.asked_by(0), row_groups(ends)); }),
                 "over 2 ranks", "communicator of 1"));
  const index_t three[] = {1, 3, 4};
  CHECK(mentions(message_of([&] { handle.make(ctx, one, one.asked_by(0), row_groups(three)); }),
                 "3 groups", "2 experts"));
  handle.make(ctx, one, one.asked_by(0), row_groups(ends));
  CHECK(mentions(message_of([&] { handle.to_holders(ctx, battery::cmatrix_of(x, 4, 3)); }),
                 "to_holders of 4 rows", "made for 3"));
  CHECK(mentions(message_of([&] { handle.to_sources(ctx, battery::cmatrix_of(x, 2, 6)); }),
                 "to_sources of 2 rows", "made for 3"));
  // Ranks whose rows have different widths are told so by the communicator.
  std::string messages[2];
  run_ranks(2, [&](rank_group& group) {
    context<cpu, rank_group> mine({.threads = 1}, group.duplicate());
    const index_t both[] = {1, 2};
    const index_t width = group.rank() + 3;
    expert_exchange h;
    h.make(mine, two, two.asked_by(group.rank()), row_groups(both));
    try {
      h.to_holders(mine, battery::cmatrix_of(x, 2, width));
    } catch (const error& e) {
      messages[group.rank()] = e.what();
      mine.comm().abandon(e.what());
    }
  });
  CHECK(mentions(messages[0], "sends 16 bytes", "expects 12"));
}
