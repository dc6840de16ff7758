// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: from router logits to experts, and the statistics that balance losses need.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// How tokens beyond an expert's capacity are chosen.
enum class drop_rule {
  by_weight,   ///< those with the lowest weight for that expert, later tokens first among equals
  by_position  ///< those that come last
};

/// A gate works on one token at a time; the backend runs it over all of them.
///
/// gate.route(logits, bias, index, weight, scratch)   logits [experts] to k experts and weights;
///     `bias` [experts] (or empty) takes part in the choice; ties go to the lowest index
/// gate.route_backward(logits, bias, index, weight, dweight, dlogits, scratch)   writes dlogits
/// gate.affinities(logits, p)                         p >= 0, sum 1: what balance losses look at
/// gate.affinities_backward(logits, p, dp, dlogits, scratch)   adds to dlogits
/// `scratch` has 2 * experts elements.
template <class G, class T>
concept gate_policy =
    requires(const G& gate, std::span<const T> in, std::span<T> out,
             std::span<const std::int32_t> index, std::span<std::int32_t> chosen) {
      gate.route(in, in, chosen, out, out);
      gate.route_backward(in, in, index, in, in, out, out);
      gate.affinities(in, out);
      gate.affinities_backward(in, in, in, out, out);
    };

/// The smallest gate that fits the concept, for the check below.
struct any_gate {
  template <class T>
  void route(std::span<const T>, std::span<const T>, std::span<std::int32_t>, std::span<T>,
             std::span<T>) const {}
  template <class T>
  void route_backward(std::span<const T>, std::span<const T>, std::span<const std::int32_t>,
                      std::span<const T>, std::span<const T>, std::span<T>, std::span<T>) const {}
  template <class T>
  void affinities(std::span<const T>, std::span<T>) const {}
  template <class T>
  void affinities_backward(std::span<const T>, std::span<const T>, std::span<const T>, std::span<T>,
                           std::span<T>) const {}
};
static_assert(gate_policy<any_gate, float>);

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_route(const view<const T, 2>& logits, const view<const T, 1>& bias,
                  const view<std::int32_t, 2>& index, const view<T, 2>& weight) {
  expects(bias.data == nullptr || bias.rows() == logits.columns(), "route of ",
          extents_text(logits), " with a bias of ", extents_text(bias));
  expects(index.rows() == logits.rows() && same_extents(index, weight), "route of ",
          extents_text(logits), " into ", extents_text(index), " and ", extents_text(weight));
}
template <class T>
void expect_route_backward(const view<const T, 2>& logits, const view<const T, 1>& bias,
                           const view<const std::int32_t, 2>& index, const view<const T, 2>& weight,
                           const view<const T, 2>& dweight, const view<T, 2>& dlogits) {
  expects(bias.data == nullptr || bias.rows() == logits.columns(), "route_backward of ",
          extents_text(logits), " with a bias of ", extents_text(bias));
  expects(index.rows() == logits.rows() && same_extents(index, weight) &&
              same_extents(index, dweight) && same_extents(logits, dlogits),
          "route_backward of ", extents_text(logits), ", index ", extents_text(index), ", weight ",
          extents_text(weight), " and dweight ", extents_text(dweight), " into ",
          extents_text(dlogits));
}
/// Of one logit of a token.
template <class T>
void expect_finite_logit(index_t token, T logit) {
  expects(std::isfinite(logit), "the router's logits of token ", token, " are not finite (", logit,
          ")");
}
template <class T>
void expect_affinities(const view<const T, 2>& logits, const view<T, 2>& p) {
  expects(same_extents(logits, p), "affinities of ", extents_text(logits), " into ",
          extents_text(p));
}
template <class T>
void expect_affinities_backward(const view<const T, 2>& logits, const view<const T, 2>& p,
                                const view<const T, 2>& dp, const row_groups& groups,
                                const view<T, 2>& dlogits) {
  expects(same_extents(logits, p) && same_extents(logits, dlogits), "affinities_backward of ",
          extents_text(logits), " and affinities ", extents_text(p), " into ",
          extents_text(dlogits));
  expects(groups.rows() == logits.rows() && dp.rows() == groups.count() &&
              dp.columns() == logits.columns(),
          "affinities_backward of ", extents_text(logits), " with ", groups.count(),
          " groups over ", groups.rows(), " rows and gradients ", extents_text(dp));
}
template <class T>
void expect_log_sum_exp(const view<const T, 2>& logits, const view<T, 1>& lse) {
  expects(lse.rows() == logits.rows(), "log_sum_exp of ", extents_text(logits), " into ",
          extents_text(lse));
}
template <class T>
void expect_log_sum_exp_backward(const view<const T, 2>& logits, const view<const T, 1>& lse,
                                 const view<const T, 1>& dlse, const view<T, 2>& dlogits) {
  expects(
      lse.rows() == logits.rows() && dlse.rows() == logits.rows() && same_extents(logits, dlogits),
      "log_sum_exp_backward of ", extents_text(logits), ", lse ", extents_text(lse), " and dlse ",
      extents_text(dlse), " into ", extents_text(dlogits));
}
template <class T>
void expect_count_experts(const view<const std::int32_t, 2>& index, const row_groups& groups,
                          const view<T, 2>& counts) {
  expects(counts.rows() == groups.count() && index.rows() == groups.rows(), "count_experts of ",
          extents_text(index), " in ", groups.count(), " groups into ", extents_text(counts));
}
template <class T>
void expect_limit_capacity(const view<const std::int32_t, 2>& index, const view<const T, 2>& weight,
                           index_t capacity, const view<std::int32_t, 2>& kept) {
  expects(same_extents(index, weight) && same_extents(index, kept), "limit_capacity of ",
          extents_text(index), " with weights ", extents_text(weight), " into ",
          extents_text(kept));
  expects(capacity >= 1, "an expert capacity of ", capacity, " tokens, expected at least 1");
}
inline void expect_sort_by_expert(const view<const std::int32_t, 2>& index,
                                  const view<std::int32_t, 1>& order,
                                  const view<std::int32_t, 2>& slots) {
  expects(order.rows() >= index.size() && same_extents(index, slots), "sort_by_expert of ",
          extents_text(index), " into ", extents_text(order), " and ", extents_text(slots));
}
/// Of one choice of a token that is counted or sorted.
inline void expect_expert(index_t token, std::int32_t expert, index_t experts) {
  expects(expert < experts, "token ", token, " chose expert ", expert, ", expected at most ",
          experts - 1);
}

/// route(ctx, gate, logits, bias, index, weight)    logits [tokens, experts], index and weight
///     [tokens, k]; throws `error` naming a token whose logits are not finite
/// route_backward(ctx, gate, logits, bias, index, weight, dweight, dlogits)
/// affinities(ctx, gate, logits, p)
/// affinities_backward(ctx, gate, logits, p, dp, groups, scale, dlogits)   adds; all tokens of
///     group g have the gradient scale dp[g]
/// log_sum_exp(ctx, logits, lse)                    lse[t] = log sum_i exp(logits[t, i])
/// log_sum_exp_backward(ctx, logits, lse, dlse, dlogits)   dlogits[t, i] += dlse[t] softmax[t, i]
/// count_experts(ctx, index, groups, counts, add)   counts[g, e] (+)= choices of e in group g
/// limit_capacity(ctx, index, weight, capacity, rule, kept)   kept = index, -1 where dropped
/// sort_by_expert(ctx, index, ends, order, slots)   rows sorted by expert, then by token: row r is
///     token order[r]; slots[t, j] is the row of choice j of token t (-1 where index is -1);
///     expert e has the rows up to ends[e] (host memory). Rows from ends.back() on are unused.
template <class Ctx, class T>
concept routing_ops = requires(
    Ctx& ctx, const any_gate& gate, view<const T, 2> x, view<T, 2> y, view<const T, 1> bias,
    view<T, 1> v, view<const std::int32_t, 2> index, view<std::int32_t, 2> chosen,
    view<std::int32_t, 1> order, std::span<index_t> ends, const row_groups& groups) {
  Ctx::backend::route(ctx, gate, x, bias, chosen, y);
  Ctx::backend::route_backward(ctx, gate, x, bias, index, x, x, y);
  Ctx::backend::affinities(ctx, gate, x, y);
  Ctx::backend::affinities_backward(ctx, gate, x, x, x, groups, T{}, y);
  Ctx::backend::log_sum_exp(ctx, x, v);
  Ctx::backend::log_sum_exp_backward(ctx, x, bias, bias, y);
  Ctx::backend::count_experts(ctx, index, groups, y, accumulate::no);
  Ctx::backend::limit_capacity(ctx, index, x, index_t{}, drop_rule::by_weight, chosen);
  Ctx::backend::sort_by_expert(ctx, index, ends, order, chosen);
};

}  // namespace dsr1
