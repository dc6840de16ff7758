// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The mixture-of-experts layer.
#pragma once

#include <optional>
#include <utility>

#include <dsr1/moe/balance.hpp>
#include <dsr1/moe/dispatch.hpp>
#include <dsr1/moe/experts.hpp>
#include <dsr1/moe/gate.hpp>
#include <dsr1/nn/feed_forward.hpp>

namespace dsr1 {

struct moe_shape {
  index_t dim = dynamic;
  index_t hidden = dynamic;  ///< of one expert
  index_t experts = dynamic;
  index_t top_k = dynamic;
  index_t shared_hidden = 0;  ///< of the shared expert; 0 means none
  bool router_bias = false;   ///< what a type leaves out (shared expert, biases), its constructor
  bool expert_bias = false;   ///< may still add

  /// Trained numbers of one expert, of a layer of this shape, and of those that work on a token.
  constexpr index_t expert_parameters() const {
    return 3 * dim * hidden + (expert_bias ? 2 * hidden + dim : 0);
  }
  constexpr index_t parameters() const {
    return common_parameters() + experts * expert_parameters();
  }
  constexpr index_t active_parameters() const {
    return common_parameters() + top_k * expert_parameters();
  }

 private:
  constexpr index_t common_parameters() const {
    return experts * dim + (router_bias ? experts : 0) + 3 * dim * shared_hidden;
  }
};

struct moe_options {
  glu unit = glu::swiglu();
  dsr1::capacity capacity = {};
};

/// y = sum over the chosen experts e of w_e expert_e(x) + shared(x); x, y [tokens, dim].
///
/// logits = router(x); the gate turns them into top_k experts and weights per token; rows are
/// sorted by expert, computed with one grouped product per matrix, and summed with their weights.
/// Balance losses are added to the context's auxiliary loss. The parameter "balance" is the bias
/// that takes part in the choice; its gradient counts the tokens of each expert (all layers count,
/// whatever the policy, for the monitors). Nothing is dropped unless `capacity` says so.
/// Throws `error` when x has another width or the router's logits are not finite.
template <moe_shape Shape = moe_shape{}, class Gate = softmax_gate, class Balance = bias_balance,
          class T = float, class Experts = glu_experts<T>>
class moe {
  static_assert(gate_policy<Gate, T>, "the second argument of moe is not a gate policy");
  static_assert(Shape.top_k == dynamic || Shape.experts == dynamic || Shape.top_k <= Shape.experts,
                "top_k must not exceed the number of experts");

 public:
  static constexpr std::string_view name = "moe";
  using number = T;

  struct saved {
    view<const T, 2> x, logits, weight, rows;
    view<const std::int32_t, 2> index;
    dispatch_plan plan;
    typename Experts::saved experts;
    typename Balance::template saved<T> balance;
    typename feed_forward<feed_forward_shape{}, T>::saved shared;
    sequence_layout sequences;
  };

  explicit moe(moe_shape given = Shape, Gate gate = {}, Balance balance = {},
               moe_options options = {})
      : shape_(resolve(given)),
        options_(options),
        gate_(std::move(gate)),
        balance_(std::move(balance)),
        router_({.in = shape_.dim, .out = shape_.experts, .bias = shape_.router_bias}),
        bias_({shape_.experts},
              {.update = balance_.bias_rate() > 0 ? update_rule::balance : update_rule::none,
               .counts_load = true,
               .rate = balance_.bias_rate()}),
        experts_({.dim = shape_.dim,
                  .hidden = shape_.hidden,
                  .experts = shape_.experts,
                  .bias = shape_.expert_bias},
                 options.unit) {
    if (shape_.shared_hidden > 0)
      shared_.emplace(feed_forward_shape{.dim = shape_.dim, .hidden = shape_.shared_hidden},
                      options.unit);
    if constexpr (requires { gate_.check(shape_.experts, shape_.top_k); })
      gate_.check(shape_.experts, shape_.top_k);
    expects(options.capacity.factor >= 0, "moe: the capacity factor is ", options.capacity.factor,
            ", expected 0 (drop nothing) or more");
  }

  index_t dim() const { return shape_.dim; }
  const moe_shape& shape() const { return shape_; }
  Experts& experts() { return experts_; }
  linear<linear_shape{}, T>& router() { return router_; }
  parameter<T>& balance_bias() { return bias_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && routing_ops<Ctx, T> && row_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, activations<T> x, saved& s) {
    static_assert(balance_policy<Balance, Ctx, Gate, T>,
                  "the third argument of moe is not a balance policy");
    expects(x.columns() == shape_.dim, "moe: x has ", x.columns(), " columns, expected ",
            shape_.dim);
    s.x = x;
    s.sequences = x.sequences;
    typename linear<linear_shape{}, T>::saved unused;
    s.logits = router_.forward(ctx, x, unused);
    const auto index = ctx.template take<std::int32_t>(x.rows(), shape_.top_k);
    const auto weight = ctx.template take<T>(x.rows(), shape_.top_k);
    Ctx::backend::route(ctx, gate_, s.logits, selection_bias(), index, weight);
    s.index = index;
    s.weight = weight;
    ctx.auxiliary().sum += balance_.forward(ctx, gate_, input_of(s), s.balance);
    s.plan.make(ctx, limit(ctx, s.index, s.weight), shape_.experts);
    s.rows = experts_.forward(ctx, s.plan.dispatch(ctx, s.x), s.plan.groups(), s.experts);
    const auto y = s.plan.combine(ctx, s.rows, s.weight);
    if (shared_) Ctx::backend::add(ctx, view<const T, 2>(shared_->forward(ctx, s.x, s.shared)), y);
    return y;
  }

  template <class Ctx>
    requires linear_ops<Ctx, T> && routing_ops<Ctx, T> && row_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, saved& s) {
    expects(same_extents(dy, s.x), "moe: dy is ", extents_text(dy), ", expected ",
            extents_text(s.x));
    const auto drows = ctx.template take<T>(s.rows.rows(), shape_.dim);
    const auto dweight = ctx.template take<T>(s.weight.rows(), shape_.top_k);
    Ctx::backend::combine_rows_backward(ctx, dy, s.rows, s.plan.slots, s.weight, drows, dweight);
    const view<const T, 2> dinput = experts_.backward(ctx, drows, s.plan.groups(), s.experts);
    const auto dx = s.plan.combine(ctx, dinput);

    const auto dlogits = ctx.template take<T>(s.logits.rows(), shape_.experts);
    Ctx::backend::route_backward(ctx, gate_, s.logits, selection_bias(), s.index, s.weight,
                                 view<const T, 2>(dweight), dlogits);
    balance_.backward(ctx, gate_, input_of(s), s.balance, ctx.auxiliary().scale, dlogits);
    Ctx::backend::add(ctx, view<const T, 2>(router_.backward(ctx, dlogits, {s.x})), dx);
    if (shared_) Ctx::backend::add(ctx, view<const T, 2>(shared_->backward(ctx, dy, s.shared)), dx);
    count_load(ctx, s.index);
    return dx;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_under("router", router_, visitor);
    visitor(parameter_name("balance"), bias_);
    visit_under("experts", experts_, visitor);
    if (shared_) visit_under("shared", *shared_, visitor);
  }

 private:
  static moe_shape resolve(moe_shape given) {
    given.dim = resolve_extent("moe: dim", Shape.dim, given.dim);
    given.hidden = resolve_extent("moe: hidden", Shape.hidden, given.hidden);
    given.experts = resolve_extent("moe: experts", Shape.experts, given.experts);
    given.top_k = resolve_extent("moe: top_k", Shape.top_k, given.top_k);
    if (Shape.shared_hidden != 0)
      given.shared_hidden =
          resolve_extent("moe: shared_hidden", Shape.shared_hidden, given.shared_hidden);
    expects(given.top_k <= given.experts, "moe: top_k is ", given.top_k, ", but there are only ",
            given.experts, " experts");
    given.router_bias |= Shape.router_bias;
    given.expert_bias |= Shape.expert_bias;
    return given;
  }

  view<const T, 1> selection_bias() const { return bias_.template value<1>(); }

  balance_input<T> input_of(const saved& s) const { return {s.logits, s.index, s.sequences}; }

  template <class Ctx>
  view<const std::int32_t, 2> limit(Ctx& ctx, view<const std::int32_t, 2> index,
                                    view<const T, 2> weight) {
    if (options_.capacity.factor == 0 || index.empty()) return index;
    const auto kept = ctx.template take<std::int32_t>(index.rows(), index.columns());
    Ctx::backend::limit_capacity(ctx, index, weight,
                                 options_.capacity.limit(index.size(), shape_.experts),
                                 options_.capacity.rule, kept);
    return kept;
  }

  template <class Ctx>
  void count_load(Ctx& ctx, view<const std::int32_t, 2> index) {
    const index_t ends[] = {index.rows()};
    Ctx::backend::count_experts(ctx, index, row_groups(ends),
                                bias_.template gradient<1>().reshaped(index_t{1}, shape_.experts),
                                bias_.next_gradient());
  }

  moe_shape shape_;
  moe_options options_;
  Gate gate_;
  Balance balance_;
  linear<linear_shape{}, T> router_;
  parameter<T> bias_;
  Experts experts_;
  std::optional<feed_forward<feed_forward_shape{}, T>> shared_;
};

}  // namespace dsr1
