// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Balance policies: what keeps the experts equally loaded.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/backend/routing_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/sequences.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// What a balance policy sees of one forward pass.
template <class T>
struct balance_input {
  view<const T, 2> logits;            ///< [tokens, experts]
  view<const std::int32_t, 2> index;  ///< [tokens, k], as chosen
  sequence_layout sequences;
};

/// policy.forward(ctx, gate, input, saved) returns the loss of this batch;
/// policy.backward(ctx, gate, input, saved, scale, dlogits) adds scale times its gradient.
/// `bias_rate` above zero asks for the bias of auxiliary-loss-free balancing with that step.
template <class B, class Ctx, class Gate, class T>
concept balance_policy =
    requires(const B& policy, Ctx& ctx, const Gate& gate, const balance_input<T>& input,
             typename B::template saved<T>& saved, view<T, 2> dlogits) {
      { policy.forward(ctx, gate, input, saved) } -> std::convertible_to<double>;
      policy.backward(ctx, gate, input, saved, double{}, dlogits);
      { policy.bias_rate() } -> std::convertible_to<double>;
    };

/// No balancing.
struct no_balance {
  template <class T>
  struct saved {};

  template <class Ctx, class Gate, class T>
  double forward(Ctx&, const Gate&, const balance_input<T>&, saved<T>&) const {
    return 0;
  }
  template <class Ctx, class Gate, class T>
  void backward(Ctx&, const Gate&, const balance_input<T>&, saved<T>&, double, view<T, 2>) const {}
  double bias_rate() const { return 0; }
};

/// Auxiliary-loss-free balancing: a bias per expert that takes part in the choice only, moved
/// after each step by  b += rate sign(mean load - load)  with the loads of the global batch.
/// Wang et al. 2024, arXiv 2408.15664. Works with any gate that adds the bias to its scores; the
/// rate is in units of those scores (1e-3 suits sigmoid, softmax over many experts wants less).
struct bias_balance : no_balance {
  double rate = 1e-3;

  constexpr bias_balance(double step = 1e-3) : rate(step) {}  // NOLINT: a rate is all there is
  double bias_rate() const { return rate; }
};

namespace detail {

/// What the Switch loss and the sequence-wise loss keep.
template <class T>
struct load_loss_saved {
  view<T, 2> p;               ///< affinities [tokens, experts]
  view<T, 2> slope;           ///< [groups, experts]: d loss / d p of every token of the group
  std::vector<index_t> ends;  ///< of the groups
};

/// loss = coefficient / groups sum_g sum_e f[g, e] mean over tokens of g of p[t, e], where
/// f[g, e] = experts / (tokens of g) * (choices of e in g) / divisor. Fills p and slope.
template <class Ctx, class Gate, class T>
double load_loss(Ctx& ctx, const Gate& gate, view<const T, 2> logits,
                 view<const std::int32_t, 2> index, double coefficient, double divisor,
                 load_loss_saved<T>& s) {
  const row_groups groups(s.ends);
  const index_t experts = logits.columns();
  s.p = ctx.template take<T>(logits.rows(), experts);
  s.slope = ctx.template take<T>(groups.count(), experts);
  Ctx::backend::affinities(ctx, gate, logits, s.p);
  const workspace::scope scope(ctx.workspace());
  const auto mass = ctx.template take<T>(groups.count(), experts);
  Ctx::backend::grouped_column_sum(ctx, view<const T, 2>(s.p), groups, mass, accumulate::no);
  Ctx::backend::count_experts(ctx, index, groups, s.slope, accumulate::no);
  for (index_t g = 0; g < groups.count(); ++g) {
    const double tokens = static_cast<double>(std::max<index_t>(1, groups.length(g)));
    const double factor = coefficient * static_cast<double>(experts) /
                          (tokens * tokens * divisor * static_cast<double>(groups.count()));
    Ctx::backend::scale(ctx, s.slope[g], static_cast<T>(factor));
  }
  return Ctx::backend::dot(ctx, view<const T, 1>(s.slope.flat()), view<const T, 1>(mass.flat()));
}

template <class Ctx, class Gate, class T>
void load_loss_backward(Ctx& ctx, const Gate& gate, view<const T, 2> logits,
                        const load_loss_saved<T>& s, double scale, view<T, 2> dlogits) {
  Ctx::backend::affinities_backward(ctx, gate, logits, view<const T, 2>(s.p),
                                    view<const T, 2>(s.slope), row_groups(s.ends),
                                    static_cast<T>(scale), dlogits);
}

}  // namespace detail

/// The Switch Transformer loss over all tokens of the call (Fedus et al. 2021, arXiv 2101.03961):
///     L = coefficient E sum_e f_e P_e,  f_e = choices of e / (tokens k),  P_e = mean affinity
/// so that perfect balance gives `coefficient`. With `divide_by_k` off, f_e is not divided by k,
/// as in transformers.
struct switch_loss {
  double coefficient = 1e-2;
  bool divide_by_k = true;

  template <class T>
  using saved = detail::load_loss_saved<T>;

  template <class Ctx, class Gate, class T>
  double forward(Ctx& ctx, const Gate& gate, const balance_input<T>& in, saved<T>& s) const {
    s.ends.assign(1, in.logits.rows());
    return detail::load_loss(ctx, gate, in.logits, in.index, coefficient,
                             divide_by_k ? static_cast<double>(in.index.columns()) : 1.0, s);
  }
  template <class Ctx, class Gate, class T>
  void backward(Ctx& ctx, const Gate& gate, const balance_input<T>& in, saved<T>& s, double scale,
                view<T, 2> dlogits) const {
    detail::load_loss_backward(ctx, gate, in.logits, s, scale, dlogits);
  }
  double bias_rate() const { return 0; }
};

/// The sequence-wise loss of DeepSeek-V3 (arXiv 2412.19437, eq. 17 to 20), mean over sequences:
///     L = coefficient sum_e f_e P_e,  f_e = E / (k T) choices of e by *unbiased* score
struct sequence_loss {
  double coefficient = 1e-4;

  template <class T>
  using saved = detail::load_loss_saved<T>;

  template <class Ctx, class Gate, class T>
  double forward(Ctx& ctx, const Gate& gate, const balance_input<T>& in, saved<T>& s) const {
    s.ends.clear();
    for (index_t i = 0; i < in.sequences.count(); ++i)
      s.ends.push_back(in.sequences[i].begin + in.sequences[i].length);
    const index_t k = in.index.columns();
    const auto index = ctx.template take<std::int32_t>(in.index.rows(), k);
    const auto weight = ctx.template take<T>(in.index.rows(), k);
    Ctx::backend::route(ctx, gate, in.logits, view<const T, 1>(), index, weight);
    return detail::load_loss(ctx, gate, in.logits, view<const std::int32_t, 2>(index), coefficient,
                             static_cast<double>(k), s);
  }
  template <class Ctx, class Gate, class T>
  void backward(Ctx& ctx, const Gate& gate, const balance_input<T>& in, saved<T>& s, double scale,
                view<T, 2> dlogits) const {
    detail::load_loss_backward(ctx, gate, in.logits, s, scale, dlogits);
  }
  double bias_rate() const { return 0; }
};

/// The router z-loss, coefficient mean_t logsumexp(logits[t])^2 (Zoph et al. 2022,
/// arXiv 2202.08906); keeps the logits small.
struct router_z_loss {
  double coefficient = 1e-3;

  template <class T>
  struct saved {
    view<T, 1> lse;
  };

  template <class Ctx, class Gate, class T>
  double forward(Ctx& ctx, const Gate&, const balance_input<T>& in, saved<T>& s) const {
    s.lse = ctx.template take<T>(in.logits.rows());
    Ctx::backend::log_sum_exp(ctx, in.logits, s.lse);
    const view<const T, 1> lse = s.lse;
    return factor(s) * Ctx::backend::dot(ctx, lse, lse);
  }
  template <class Ctx, class Gate, class T>
  void backward(Ctx& ctx, const Gate&, const balance_input<T>& in, saved<T>& s, double scale,
                view<T, 2> dlogits) const {
    const workspace::scope scope(ctx.workspace());
    const auto dlse = ctx.template take<T>(index_t{1}, s.lse.rows());
    Ctx::backend::copy(ctx, view<const T, 2>(s.lse.data, index_t{1}, s.lse.rows()), dlse);
    Ctx::backend::scale(ctx, dlse.flat(), static_cast<T>(2 * scale * factor(s)));
    Ctx::backend::log_sum_exp_backward(ctx, in.logits, view<const T, 1>(s.lse),
                                       view<const T, 1>(dlse.flat()), dlogits);
  }
  double bias_rate() const { return 0; }

 private:
  template <class T>
  double factor(const saved<T>& s) const {
    return coefficient / static_cast<double>(std::max<index_t>(1, s.lse.rows()));
  }
};

/// Several policies at once: the losses add, at most one may move the bias.
template <class... Policies>
struct balance_with {
  std::tuple<Policies...> policies;

  constexpr balance_with() = default;
  constexpr explicit balance_with(Policies... each)
    requires(sizeof...(Policies) > 0)
      : policies(each...) {}

  template <class T>
  struct saved {
    std::tuple<typename Policies::template saved<T>...> each;
  };

  template <class Ctx, class Gate, class T>
  double forward(Ctx& ctx, const Gate& gate, const balance_input<T>& in, saved<T>& s) const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return (0.0 + ... + std::get<I>(policies).forward(ctx, gate, in, std::get<I>(s.each)));
    }(std::index_sequence_for<Policies...>());
  }
  template <class Ctx, class Gate, class T>
  void backward(Ctx& ctx, const Gate& gate, const balance_input<T>& in, saved<T>& s, double scale,
                view<T, 2> dlogits) const {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (std::get<I>(policies).backward(ctx, gate, in, std::get<I>(s.each), scale, dlogits), ...);
    }(std::index_sequence_for<Policies...>());
  }
  double bias_rate() const {
    return std::apply([](const auto&... p) { return std::max({0.0, p.bias_rate()...}); }, policies);
  }
};

}  // namespace dsr1
