// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Experts spread over ranks.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <dsr1/moe/expert_exchange.hpp>
#include <dsr1/moe/experts.hpp>
#include <dsr1/moe/move_slices.hpp>

namespace dsr1 {

/// Experts of which every rank holds some: moe<..., expert_parallel<glu_experts<T>>>. Each rank
/// has tokens of its own; rows go to the ranks that hold their experts, through `Inner`, and back.
/// x, y [rows of this rank sorted by expert, dim]. Parameters are the slices that this rank holds
/// (see `parameter::part_of`), under the names of `Inner`.
///
/// `distribute` before memory is taken; without it there is one rank, and this is `Inner`. All
/// ranks call forward and backward together, also without tokens; recomputation may call forward
/// again. With f32 on the wire, results and gradients with respect to x have the bits of one
/// process that has all tokens. So have the gradients of an expert with one holder, when the ranks'
/// tokens are consecutive parts of that batch; those of a replicated expert are the parts of its
/// holders, to be summed.
///
/// Bytes sent in a step: those of `expert_exchange::make`, twice to_holders (forward `dispatch`,
/// backward `gradient`) and twice to_sources (`combine`, `gradient`).
/// Throws `error` when the communicator is not that of the placement, when the ranks disagree on
/// where experts lie or how rows are coded, and when x has another width.
template <class Inner = glu_experts<float>>
class expert_parallel {
 public:
  using number = typename Inner::number;
  using T = number;

  struct saved {
    expert_exchange exchange;
    typename Inner::saved inner;
  };

  explicit expert_parallel(expert_shape shape, glu unit = glu::swiglu())
      : shape_(shape), unit_(unit), inner_(shape, unit), where_(even_placement(shape.experts, 1)) {
    asked_ = where_.asked_by(0);
  }

  /// Says where all experts lie, and which rank this is. Throws `error` when the placement is of
  /// another number of experts, or memory was taken already (then `move`).
  void distribute(placement where, int rank) {
    expects(where.experts() == shape_.experts, "expert_parallel: a placement of ", where.experts(),
            " experts for a layer of ", shape_.experts);
    expects(rank >= 0 && rank < where.ranks(), "expert_parallel: rank ", rank,
            " of a placement over ", where.ranks(), " ranks");
    inner_.for_each_parameter([](const parameter_name& name, parameter<T>& p) {
      expects(p.size() == 0 || !p.allocated(),
              "expert_parallel: distribute after memory was taken ", "for ", name.str(),
              "; call it before dsr1::initialize, or move the experts");
    });
    redeclare(std::move(where), rank);
  }

  const placement& where() const { return where_; }
  int rank() const { return rank_; }
  const expert_wire& wire() const { return wire_; }
  /// The same on all ranks. Throws `error` when a format is none or rounds at random.
  void wire(const expert_wire& formats) {
    for (const wire_format& f : {formats.dispatch, formats.combine, formats.gradient})
      expect_row_format(f);
    wire_ = formats;
    agreed_ = false;
  }

  Inner& inner() { return inner_; }
  auto& up() { return inner_.up(); }
  auto& down() { return inner_.down(); }
  auto& up_bias() { return inner_.up_bias(); }
  auto& down_bias() { return inner_.down_bias(); }

  template <class Ctx>
  view<const T, 2> forward(Ctx& ctx, view<const T, 2> x, const row_groups& groups, saved& s) {
    expects(x.columns() == shape_.dim, "expert_parallel: x has ", x.columns(),
            " columns, expected ", shape_.dim);
    expects(groups.count() == shape_.experts && x.rows() == groups.rows(),
            "expert_parallel: ", x.rows(), " rows and ", groups.count(), " groups, made for ",
            groups.rows(), " rows; expected a group for each of ", shape_.experts, " experts");
    agree(ctx);
    if (stays()) return inner_.forward(ctx, x, groups, s.inner);
    s.exchange.make(ctx, where_, asked_, groups);
    const auto rows = s.exchange.to_holders(ctx, x, wire_.dispatch);
    const view<const T, 2> y = inner_.forward(ctx, rows, s.exchange.groups(), s.inner);
    return s.exchange.to_sources(ctx, y, wire_.combine);
  }

  template <class Ctx>
  view<const T, 2> backward(Ctx& ctx, view<const T, 2> dy, const row_groups& groups, saved& s) {
    expects(dy.columns() == shape_.dim, "expert_parallel: dy has ", dy.columns(),
            " columns, expected ", shape_.dim);
    if (stays()) return inner_.backward(ctx, dy, groups, s.inner);
    const auto rows = s.exchange.to_holders(ctx, dy, wire_.gradient);
    const view<const T, 2> dx = inner_.backward(ctx, rows, s.exchange.groups(), s.inner);
    return s.exchange.to_sources(ctx, dx, wire_.gradient);
  }

  /// Brings the weights to where they lie under `to`. Collective, between steps: gradients are
  /// cleared. Outputs keep their bits. See `move_experts` for an optimizer's state besides.
  template <class Ctx>
  void move(Ctx& ctx, const placement& to) {
    expect_movable(ctx, to);
    std::vector<buffer<T>> old;
    float untrained = 0;  // ranks without a gradient; one without experts has none to tell by
    inner_.for_each_parameter([&](const parameter_name&, parameter<T>& p) {
      if (!p.trainable()) untrained = 1;
      move_slices(ctx, where_, to, p.slice_size(), p.values());
      old.push_back(std::move(p.values()));
    });
    ctx.comm().all_reduce(view<float, 1>(&untrained, 1));
    const int rank = rank_;
    redeclare(to, rank);
    std::size_t i = 0;
    inner_.for_each_parameter([&](const parameter_name&, parameter<T>& p) {
      p.values() = std::move(old[i++]);
      if (untrained == 0) p.gradients() = buffer<T>(p.size(), ctx.memory());
    });
  }

  /// Throws `error` unless `move` to this placement is possible, and all ranks mean the same one.
  template <class Ctx>
  void expect_movable(Ctx& ctx, const placement& to) {
    expect_ranks(ctx);
    expects(to.experts() == shape_.experts && to.ranks() == where_.ranks(),
            "expert_parallel: a placement of ", to.experts(), " experts over ", to.ranks(),
            " ranks for a layer of ", shape_.experts, " over ", where_.ranks());
    inner_.for_each_parameter([&](const parameter_name& name, parameter<T>& p) {
      expects(!p.coded(), "expert_parallel: parameter ", name.str(), " is stored as ",
              p.coded() ? p.coded()->text() : "", "; only plain numbers can move");
      expects(p.allocated(), "expert_parallel: move before memory was taken for ", name.str(),
              "; before dsr1::initialize, call distribute");
    });
    ctx.comm().agree("where the experts shall lie", to.fingerprint());
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    inner_.for_each_parameter(visitor);
  }

 private:
  /// Whether no row leaves its rank and none is coded, on any rank: there is nothing to exchange.
  bool stays() const {
    return everywhere_ && wire_.dispatch.code == wire_code::f32 &&
           wire_.combine.code == wire_code::f32 && wire_.gradient.code == wire_code::f32;
  }

  void redeclare(placement where, int rank) {
    const std::span<const index_t> held = where.held(rank);
    expert_shape local = shape_;
    local.experts = static_cast<index_t>(held.size());
    std::vector<parameter_traits> traits;  // a model may have changed them
    inner_.for_each_parameter(
        [&](const parameter_name&, parameter<T>& p) { traits.push_back(p.traits()); });
    inner_ = Inner(local, unit_);  // the parameters keep their addresses
    const auto slices = std::make_shared<const parameter_slices>(
        parameter_slices{shape_.experts, {held.begin(), held.end()}});
    std::size_t i = 0;
    inner_.for_each_parameter([&](const parameter_name&, parameter<T>& p) {
      p.part_of(slices);
      p.traits() = traits[i++];
    });
    asked_ = where.asked_by(rank);
    everywhere_ = true;
    for (int r = 0; r < where.ranks(); ++r) {
      const std::span<const index_t> all = where.held(r);
      everywhere_ = everywhere_ && static_cast<index_t>(all.size()) == shape_.experts &&
                    std::is_sorted(all.begin(), all.end());
    }
    where_ = std::move(where);
    rank_ = rank;
    agreed_ = false;
  }

  template <class Ctx>
  void expect_ranks(Ctx& ctx) {
    expects(ctx.comm().size() == 1 || where_.ranks() > 1, "expert_parallel: ", ctx.comm().size(),
            " ranks, but the experts were not distributed; call distribute(placement, rank) before "
            "dsr1::initialize");
    expects(ctx.comm().size() == where_.ranks() && ctx.comm().rank() == rank_,
            "expert_parallel: this is rank ", ctx.comm().rank(), " of ", ctx.comm().size(),
            ", the experts were distributed for rank ", rank_, " of ", where_.ranks());
  }

  /// Once after every change: ranks that disagree would exchange rows of the wrong experts.
  template <class Ctx>
  void agree(Ctx& ctx) {
    expect_ranks(ctx);
    if (std::exchange(agreed_, true)) return;
    ctx.comm().agree("where the experts lie", where_.fingerprint());
    for (const wire_format& f : {wire_.dispatch, wire_.combine, wire_.gradient})
      ctx.comm().agree("how rows between experts are coded", f.fingerprint());
  }

  expert_shape shape_;
  glu unit_;
  Inner inner_;
  placement where_;
  std::vector<placement::holder> asked_;
  int rank_ = 0;
  expert_wire wire_;
  bool agreed_ = false;
  bool everywhere_ = true;  // every rank holds every expert, in their order
};

}  // namespace dsr1
