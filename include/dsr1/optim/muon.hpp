// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Muon: momentum whose matrices are made orthogonal; AdamW for everything else.
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/optim/adamw.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// How the orthogonal update is scaled for a matrix [rows, columns].
enum class muon_scale {
  spectral,   ///< sqrt(max(1, rows / columns))
  match_rms   ///< 0.2 sqrt(max(rows, columns)): updates as large as AdamW's (arXiv 2502.16982)
};

/// Five Newton-Schulz steps X = a X + (b A + c A A) X, A = X X^T, that bring the singular values of
/// X near 1; `x` [rows, columns] is replaced. In the number type of x (torch computes in bfloat16).
template <class Ctx, class T>
void newton_schulz(Ctx& ctx, view<T, 2> x, int steps = 5) {
  constexpr double a = 3.4445, b = -4.775, c = 2.0315;
  const bool tall = x.rows() > x.columns();
  const index_t n = std::min(x.rows(), x.columns());
  const workspace::scope scope(ctx.workspace());
  const auto gram = ctx.template take<T>(n, n), poly = ctx.template take<T>(n, n);
  const auto next = ctx.template take<T>(x.rows(), x.columns());
  const view<const T, 1> flat = x.flat(), none;
  const double norm = std::sqrt(Ctx::backend::dot(ctx, flat, flat));
  Ctx::backend::scale(ctx, x.flat(), static_cast<T>(1 / std::max(norm, 1e-7)));
  for (int i = 0; i < steps; ++i) {
    const matrix<const T> m(x), g(gram);
    Ctx::backend::matmul(ctx, tall ? m.transposed() : m, tall ? m : m.transposed(), gram,
                         accumulate::no, none);
    // poly = b A + c A A: scale A by b after its square, scaled by c, has been added to it.
    Ctx::backend::matmul(ctx, g, g, poly, accumulate::no, none);
    Ctx::backend::scale(ctx, poly.flat(), static_cast<T>(c / b));
    Ctx::backend::add(ctx, view<const T, 2>(gram), poly);
    Ctx::backend::scale(ctx, poly.flat(), static_cast<T>(b / a));
    const matrix<const T> p(poly);
    Ctx::backend::copy(ctx, view<const T, 2>(x), next);
    Ctx::backend::matmul(ctx, tall ? m : p, tall ? p : m, next, accumulate::yes, none);
    Ctx::backend::scale(ctx, next.flat(), static_cast<T>(a));
    Ctx::backend::copy(ctx, view<const T, 2>(next), x);
  }
}

/// b = momentum b + (1 - momentum) g, u = orthogonal(momentum b + (1 - momentum) g),
/// p = p (1 - rate decay) - rate scale u, for every matrix of a parameter (an expert tensor holds
/// many). Vectors, embeddings and the head take `rest` with the rate times `rest_rate`.
/// Jordan et al. 2024; as torch.optim.Muon, but computed in the parameter's number type.
struct muon {
  double momentum = 0.95;
  bool nesterov = true;
  muon_scale scale = muon_scale::spectral;
  dsr1::weight_decay weight_decay = {.value = 0.1};
  adamw rest = {};
  double rest_rate = 1;

  static constexpr int states = 2;  // matrices use one, the rest two
  double decay(std::string_view name, int rank) const {
    return rank >= 2 && is_matrix(name) ? weight_decay(rank) : rest.decay(name, rank);
  }
  /// Embeddings and the head are tables, not maps between hidden states.
  bool is_matrix(std::string_view name) const {
    return !name.starts_with("embedding") && !name.starts_with("head");
  }

  template <class Ctx, class T>
    requires optimizer_ops<Ctx, T> && linear_ops<Ctx, T>
  void update(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors, const optimizer_step& s) const {
    for (const optimizer_tensor<T>& t : tensors) {
      if (t.rows == 0) {
        optimizer_tensor<T> other = t;
        other.rate *= rest_rate;
        rest.update(ctx, std::span<const optimizer_tensor<T>>(&other, 1), s);
        continue;
      }
      const workspace::scope scope(ctx.workspace());
      const auto u = ctx.template take<T>(t.size);
      Ctx::backend::muon_momentum(
          ctx, t, muon_numbers{.momentum = momentum, .nesterov = nesterov, .gradient_scale = s.gradient_scale}, u);
      const index_t size = t.rows * t.columns;
      for (index_t first = 0; first < t.size; first += size)
        newton_schulz(ctx, view<T, 2>(u.data + first, t.rows, t.columns));
      const double rows = static_cast<double>(t.rows), columns = static_cast<double>(t.columns);
      Ctx::backend::apply_update(ctx, t, view<const T, 1>(u),
                                 scale == muon_scale::spectral
                                     ? std::sqrt(std::max(1.0, rows / columns))
                                     : 0.2 * std::sqrt(std::max(rows, columns)));
    }
  }
};

}  // namespace dsr1
