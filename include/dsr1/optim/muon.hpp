// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Muon: momentum whose matrices are made orthogonal; AdamW for everything else.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/optim/adamw.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// How the orthogonal update is scaled for a matrix [rows, columns].
enum class muon_scale {
  spectral,  ///< sqrt(max(1, rows / columns))
  match_rms  ///< 0.2 sqrt(max(rows, columns)): updates as large as AdamW's (arXiv 2502.16982)
};

/// Embeddings and the head are tables, not maps between hidden states.
inline bool is_hidden_matrix(std::string_view name) {
  for (std::size_t first = 0; first <= name.size();) {
    const std::size_t end = std::min(name.find('.', first), name.size());
    const std::string_view segment = name.substr(first, end - first);
    if (segment == "embedding" || segment == "head") return false;
    first = end + 1;
  }
  return true;
}

/// Newton-Schulz steps X = a X + (b A + c A A) X, A = X X^T, that bring the singular values of
/// every matrix near 1; `x` [matrices, rows, columns] is dense and is replaced. All matrices go
/// through one grouped product at a time. In the number type of x (torch computes in bfloat16).
template <class Ctx, class T>
  requires linear_ops<Ctx, T> && optimizer_ops<Ctx, T>
void newton_schulz(Ctx& ctx, view<T, 3> x, int steps = 5) {
  constexpr double a = 3.4445, b = -4.775, c = 2.0315;
  constexpr index_t most = 64;  // matrices at a time, so that what the host needs fits on the stack
  expects(x.dense(), "newton_schulz: ", extents_text(x), " has gaps between its matrices");
  const index_t count = x.extents[0], rows = x.extents[1], columns = x.extents[2];
  if (x.empty()) return;
  if (count > most) {
    for (index_t first = 0; first < count; first += most)
      newton_schulz(ctx, x.slice_rows(first, std::min(most, count - first)), steps);
    return;
  }
  std::array<optimizer_tensor<T>, most> each;
  std::array<double, most> norms;
  std::array<index_t, most> row_ends, gram_ends;
  const bool tall = rows > columns;
  const index_t n = std::min(rows, columns), size = rows * columns;
  for (index_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    each[at] = optimizer_tensor<T>{.gradient = x.row(i), .size = size};  // named for nvcc 13.0
    row_ends[at] = (i + 1) * rows;
    gram_ends[at] = (i + 1) * n;
  }
  const auto used = static_cast<std::size_t>(count);
  Ctx::backend::squared_norms(ctx, std::span<const optimizer_tensor<T>>(each.data(), used),
                              std::span<double>(norms.data(), used));
  for (index_t i = 0; i < count; ++i)
    Ctx::backend::scale(
        ctx, x.slice_rows(i, 1).flat(),
        static_cast<T>(1 / std::max(std::sqrt(norms[static_cast<std::size_t>(i)]), 1e-7)));

  const workspace::scope scope(ctx.workspace());
  const auto gram = ctx.template take<T>(count, n, n), poly = ctx.template take<T>(count, n, n);
  const auto product = ctx.template take<T>(count * rows, columns);
  const row_groups of_rows(std::span<const index_t>(row_ends.data(), used));
  const row_groups of_gram(std::span<const index_t>(gram_ends.data(), used));
  const view<const T, 2> none, x_rows = x.reshaped(count * rows, columns);
  const view<T, 2> gram_rows = gram.reshaped(count * n, n), poly_rows = poly.reshaped(count * n, n);
  for (int i = 0; i < steps; ++i) {
    if (tall)  // the smaller Gram matrix serves: (X X^T) X = X (X^T X)
      Ctx::backend::k_grouped_matmul(ctx, x_rows, x_rows, of_rows, gram, accumulate::no);
    else
      Ctx::backend::m_grouped_matmul(ctx, x_rows, of_rows, view<const T, 3>(x), true, gram_rows,
                                     none);
    // poly = (b A + c A A) / a, by way of A + (c / b) A A
    Ctx::backend::m_grouped_matmul(ctx, view<const T, 2>(gram_rows), of_gram,
                                   view<const T, 3>(gram), false, poly_rows, none);
    Ctx::backend::scale(ctx, poly.flat(), static_cast<T>(c / b));
    Ctx::backend::add(ctx, view<const T, 2>(gram_rows), poly_rows);
    Ctx::backend::scale(ctx, poly.flat(), static_cast<T>(b / a));
    if (tall)
      Ctx::backend::m_grouped_matmul(ctx, x_rows, of_rows, view<const T, 3>(poly), false, product,
                                     none);
    else
      Ctx::backend::m_grouped_matmul(ctx, view<const T, 2>(poly_rows), of_gram, view<const T, 3>(x),
                                     false, product, none);
    Ctx::backend::add(ctx, view<const T, 2>(product), x.reshaped(count * rows, columns));
    Ctx::backend::scale(ctx, x.flat(), static_cast<T>(a));
  }
}

/// The same for one matrix [rows, columns].
template <class Ctx, class T>
void newton_schulz(Ctx& ctx, view<T, 2> x, int steps = 5) {
  newton_schulz(ctx, x.reshaped(index_t{1}, x.rows(), x.columns()), steps);
}

/// b = momentum b + (1 - momentum) g, u = orthogonal(momentum b + (1 - momentum) g),
/// p = p (1 - rate decay) - rate scale u, for every matrix of a parameter (an expert tensor holds
/// many). Vectors, and the parameters that `matrices` refuses by name, take `rest` with the rate
/// times `rest_rate`. A matrix has one state, the rest those of AdamW. Throws `error` when momentum
/// is not in [0, 1). Jordan et al. 2024; as torch.optim.Muon, but in the parameter's number type.
struct muon {
  static constexpr std::string_view name = "muon";

  double momentum = 0.95;
  bool nesterov = true;
  muon_scale scale = muon_scale::spectral;
  dsr1::weight_decay weight_decay = {.value = 0.1};
  adamw rest = {};
  double rest_rate = 1;
  bool (*matrices)(std::string_view name) = is_hidden_matrix;

  bool is_matrix(std::string_view which, int rank) const { return rank >= 2 && matrices(which); }
  int states(std::string_view which, int rank) const {
    return is_matrix(which, rank) ? 1 : rest.states(which, rank);
  }
  double decay(std::string_view which, int rank) const {
    return is_matrix(which, rank) ? weight_decay(rank) : rest.decay(which, rank);
  }

  void validate() const {
    expect_fraction("muon: momentum", momentum);
    expects(std::isfinite(rest_rate) && rest_rate >= 0, "muon: rest_rate is ", rest_rate,
            ", expected a number of at least 0");
    rest.validate();
  }

  template <class Ctx, class T>
    requires optimizer_ops<Ctx, T> && linear_ops<Ctx, T>
  void update(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors,
              const optimizer_step& s) const {
    validate();
    std::array<optimizer_tensor<T>, 32> others;  // those that are no matrices, in few launches
    std::size_t count = 0;
    const auto flush = [&] {
      rest.update(ctx, std::span<const optimizer_tensor<T>>(others.data(), count), s);
      count = 0;
    };
    for (const optimizer_tensor<T>& t : tensors) {
      if (t.rows > 0) {
        if (t.size > 0) update_matrices(ctx, t, s);
        continue;
      }
      others[count] = t;
      others[count].rate *= rest_rate;
      if (++count == others.size()) flush();
    }
    flush();
  }

 private:
  /// A few million elements at a time, which bounds the scratch and keeps it in the cache's reach.
  template <class Ctx, class T>
  void update_matrices(Ctx& ctx, const optimizer_tensor<T>& t, const optimizer_step& s) const {
    const index_t size = t.rows * t.columns, all = t.size / size;
    const index_t batch =
        std::clamp<index_t>((index_t{1} << 22) / size, 1, std::min<index_t>(all, 64));
    const double rows = static_cast<double>(t.rows), columns = static_cast<double>(t.columns);
    const double factor = scale == muon_scale::spectral ? std::sqrt(std::max(1.0, rows / columns))
                                                        : 0.2 * std::sqrt(std::max(rows, columns));
    const muon_numbers numbers{
        .momentum = momentum, .nesterov = nesterov, .gradient_scale = s.gradient_scale};
    const workspace::scope scope(ctx.workspace());
    const auto memory = ctx.template take<T>(batch, t.rows, t.columns);
    for (index_t first = 0; first < all; first += batch) {
      const auto u = memory.slice_rows(0, std::min(batch, all - first));
      optimizer_tensor<T> part = t;
      part.size = u.size();
      part.value += first * size;
      part.state[0] += first * size;
      if (part.gradient) part.gradient += first * size;
      Ctx::backend::muon_momentum(ctx, part, numbers, u.flat());
      newton_schulz(ctx, u);
      Ctx::backend::apply_update(ctx, part, view<const T, 1>(u.flat()), factor);
    }
  }
};

}  // namespace dsr1
