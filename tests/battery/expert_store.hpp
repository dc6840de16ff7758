// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of experts apart from where they are computed; see moe/expert_store.hpp.
#pragma once

#include "battery/residence_ops.hpp"

#include <dsr1/moe/expert_store.hpp>
#include <dsr1/moe/experts.hpp>

namespace battery {

/// Two layers of six coded experts.
struct expert_layers {
  static constexpr index_t layers = 2, experts = 6, dim = 64, hidden = 32;
  dsr1::glu_experts<float> each[2] = {
      dsr1::glu_experts<float>({.dim = dim, .hidden = hidden, .experts = experts}),
      dsr1::glu_experts<float>({.dim = dim, .hidden = hidden, .experts = experts})};

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    for (index_t i = 0; i < layers; ++i)
      each[i].for_each_parameter([&](const dsr1::parameter_name& name, auto& p) {
        visitor(dsr1::parameter_name(i, name), p);
      });
  }

  template <class Ctx>
  void hold(Ctx& ctx, dsr1::residence where, coding type = coding::mxfp4) {
    std::uint64_t stream = 20;
    for (auto& e : each) {
      e.up().hold(
          Ctx::backend::resident(ctx, weights(type, experts, 2 * hidden, dim, ++stream), where));
      e.down().hold(
          Ctx::backend::resident(ctx, weights(type, experts, dim, hidden, ++stream), where));
    }
  }

  /// Bytes of one expert in a slot.
  static index_t bytes(coding type = coding::mxfp4) {
    const auto of = [&](index_t rows, index_t columns) {
      const auto w = weights(type, 1, rows, columns);
      return dsr1::round_up(w.code_bytes(w.parts[0]), 256) +
             dsr1::round_up(w.scale_bytes(w.parts[0]), 256);
    };
    return of(2 * hidden, dim) + of(dim, hidden);
  }

  /// Rows of the experts in call `number`: none, one or two each.
  static std::vector<index_t> ends(index_t number) {
    const dsr1::random_stream r(7, static_cast<std::uint64_t>(number));
    std::vector<index_t> out;
    for (index_t e = 0, sum = 0; e < experts; ++e) {
      const auto draw = r.bits(static_cast<std::uint64_t>(e)) % 6;
      out.push_back(sum += draw == 0 ? 2 : draw < 3 ? 1 : 0);
    }
    return out;
  }

  /// What the layers make of the same tokens in call `number`.
  template <class Ctx>
  std::vector<float> run(Ctx& ctx, const std::vector<index_t>& rows_of) {
    ctx.workspace().reset();
    const dsr1::row_groups groups(rows_of);
    device_matrix<Ctx, float> x(ctx, groups.rows(), dim, normals<float>(groups.rows() * dim, 3));
    view<const float, 2> y = x.in();
    for (auto& e : each) {
      dsr1::glu_experts<float>::saved s;
      y = e.forward(ctx, y, groups, s);
    }
    std::vector<float> host(at(y.size()));
    Ctx::backend::download(ctx, y.flat(), host.data());
    return host;
  }
};

/// Wherever the experts lie, and whatever has been copied, the bits are those of experts that are
/// all on the device; and every use is counted.
template <class Ctx>
void store_changes_no_bit(Ctx& ctx, index_t calls, bool reads_pages = true) {
  expert_layers here;
  here.hold(ctx, dsr1::residence::device);
  std::vector<std::vector<float>> expected;
  index_t uses = 0;
  for (index_t i = 0; i < calls; ++i) {
    const auto rows = expert_layers::ends(i);
    for (index_t e = 0; e < expert_layers::experts; ++e)
      uses += 2 * (dsr1::row_groups(rows).length(e) > 0);
    expected.push_back(here.run(ctx, rows));
  }
  for (const auto where : residences(reads_pages))
    for (const index_t slots : {1, 4, 100})
      for (const double margin : {0.0, 0.5}) {
        INFO(text_of(where) << ", " << slots << " slots, margin " << margin);
        expert_layers apart;
        apart.hold(ctx, where);
        const auto home = apart.each[1].down().coded()->parts;
        {
          dsr1::expert_store store(ctx, apart,
                                   {.bytes = slots * expert_layers::bytes(), .margin = margin});
          CHECK(store.slots() == std::min<index_t>(slots, 12));
          CHECK(store.experts() == 12);
          for (index_t i = 0; i < calls; ++i)
            check_same(apart.run(ctx, expert_layers::ends(i)), expected[at(i)],
                       dsr1::text("call ", i));
          CHECK(store.counts().uses == uses);
          CHECK(store.counts().hits > 0);
          CHECK(store.counts().hits < uses);
          CHECK(store.counts().copied > 0);
          if (slots == 100) {  // in the end all are there
            CHECK(store.counts().copied == 12);
            store.clear_counts();
            apart.run(ctx, expert_layers::ends(0));
            CHECK(store.counts().hits == store.counts().uses);
            CHECK(store.counts().copied == 0);
          }
          CHECK(ctx.experts() == &store);
        }
        CHECK(ctx.experts() == nullptr);
        const auto& after = apart.each[1].down().coded()->parts;
        CHECK(std::equal(home.begin(), home.end(), after.begin(), after.end(),
                         [](const auto& a, const auto& b) {
                           return a.codes == b.codes && a.scales == b.scales;
                         }));
        check_same(apart.run(ctx, expert_layers::ends(1)), expected[1], "without the store");
      }
}

/// The experts in demand get the places, also when demand changes.
template <class Ctx>
void store_follows_demand(Ctx& ctx) {
  expert_layers apart;
  apart.hold(ctx, dsr1::residence::host);
  dsr1::expert_store store(ctx, apart, {.bytes = 4 * expert_layers::bytes(), .half_life = 8});
  const auto hits_of = [&](const std::vector<index_t>& rows) {
    store.clear_counts();
    apart.run(ctx, rows);
    return store.counts().hits;
  };
  const std::vector<index_t> first = {1, 2, 2, 2, 2, 2}, last = {0, 0, 0, 0, 1, 2};
  for (int i = 0; i < 20; ++i) apart.run(ctx, first);
  CHECK(hits_of(first) == 4);
  CHECK(hits_of(last) == 0);
  CHECK(store.counts().copied == 0);  // one use is no demand
  CHECK(hits_of(first) == 4);
  for (int i = 0; i < 60; ++i) apart.run(ctx, last);
  CHECK(hits_of(last) == 4);
  CHECK(hits_of(first) == 0);
}

}  // namespace battery
