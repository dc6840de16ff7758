// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Log-probability, entropy and divergence of tokens under a linear head, and their gradient.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <dsr1/backend/policy_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/loss/logits_chunks.hpp>

namespace dsr1 {

struct policy_head_options {
  double temperature = 1;                  ///< logits are divided by it, those of a reference too
  index_t chunk_bytes = index_t{8} << 20;  ///< logits (of each model) that exist at one time
};

/// What a policy says of the tokens that were chosen, one number per row of states; natural
/// logarithms. 0 where the action is -1.
struct token_probabilities {
  std::vector<double> log_probability;
  std::vector<double> entropy;     ///< exact, over the vocabulary
  std::vector<double> divergence;  ///< exact KL(policy || reference); 0 without a reference
};

/// The reference model's states [rows, its dim] for the same rows, and its head [vocab, its dim].
template <class T>
struct reference_states {
  view<const T, 2> h;
  const parameter<T>* head = nullptr;
};

/// p = softmax(h W^T / temperature) with h [rows, dim] and W [vocab, dim];
/// log_probability[t] = log p[t, action], entropy[t] = -sum p log p,
/// divergence[t] = sum p (log p - log q) with q the same of the reference. Computed for a chunk of
/// rows at a time, so that neither model's [rows, vocab] exists. Where a row of the product is the
/// same alone and among others (`float` on the CPU), so are the results, to the bit, and the size
/// of the chunks changes none.
/// Actions lie in host memory; -1 marks a row that does not count. `backward` needs what `forward`
/// got and computes the logits again.
/// Throws `error` on another action outside the vocabulary, on a reference that does not fit and,
/// naming the token and the value, on a result or a slope that is not finite.
template <class T>
class policy_head {
 public:
  using ids = view<const std::int32_t, 1>;
  using slopes = std::span<const double>;

  explicit policy_head(policy_head_options options = {}) : options_(options) {
    expects(options.temperature > 0 && std::isfinite(options.temperature),
            "policy_head: the temperature is ", options.temperature, ", expected more than 0");
    expects(options.chunk_bytes > 0, "policy_head: ", options.chunk_bytes,
            " bytes a chunk, expected more than 0");
  }

  const policy_head_options& options() const { return options_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && policy_ops<Ctx, T> && tensor_ops<Ctx, T>
  token_probabilities forward(Ctx& ctx, view<const T, 2> h, const parameter<T>& head, ids actions,
                              const reference_states<T>* reference = nullptr) const {
    const workspace::scope scope(ctx.workspace());
    const index_t rows = h.rows();
    const auto log_probability = ctx.template take<T>(rows), entropy = ctx.template take<T>(rows),
               divergence = ctx.template take<T>(rows);
    chunks(ctx, h, head, actions, reference,
           [&](view<T, 2> logits, view<const T, 2> other, ids chosen, index_t first) {
             const auto part = [&](view<T, 1> all) { return all.slice_rows(first, logits.rows()); };
             Ctx::backend::policy_rows(ctx, view<const T, 2>(logits), other, chosen,
                                       1 / options_.temperature, part(log_probability),
                                       part(entropy), part(divergence));
           });
    return {on_host(ctx, "log-probability", log_probability), on_host(ctx, "entropy", entropy),
            on_host(ctx, "divergence from the reference", divergence)};
  }

  /// With the derivatives of a loss by the results of `forward`, one per row (an empty span: all
  /// zero), writes dh [rows, dim] and adds to the gradient of the head. The reference is a
  /// constant.
  template <class Ctx>
    requires linear_ops<Ctx, T> && policy_ops<Ctx, T> && tensor_ops<Ctx, T>
  void backward(Ctx& ctx, view<const T, 2> h, parameter<T>& head, ids actions,
                const reference_states<T>* reference, slopes d_log_probability, slopes d_entropy,
                slopes d_divergence, view<T, 2> dh) const {
    expects(same_extents(h, dh), "policy_head: dh is ", extents_text(dh), ", expected ",
            extents_text(h));
    const bool diverges =
        std::any_of(d_divergence.begin(), d_divergence.end(), [](double d) { return d != 0; });
    expects(reference || !diverges, "policy_head: a slope of the divergence without a reference");
    if (!diverges) reference = nullptr;  // spares its logits
    const workspace::scope scope(ctx.workspace());
    const auto dl = on_device(ctx, "log-probability", d_log_probability, h.rows()),
               de = on_device(ctx, "entropy", d_entropy, h.rows()),
               dd = on_device(ctx, "divergence", d_divergence, h.rows());
    chunks(ctx, h, head, actions, reference,
           [&](view<T, 2> logits, view<const T, 2> other, ids chosen, index_t first) {
             const auto part = [&](view<const T, 1> all) {
               return all.slice_rows(first, logits.rows());
             };
             Ctx::backend::policy_gradient_rows(ctx, logits, other, chosen,
                                                1 / options_.temperature, part(dl), part(de),
                                                part(dd));
             backward_of_logits(ctx, view<const T, 2>(logits), first, h, head, dh);
           });
  }

 private:
  /// f(logits, logits of the reference, actions, first row) for every chunk.
  template <class Ctx, class F>
  void chunks(Ctx& ctx, view<const T, 2> h, const parameter<T>& head, ids actions,
              const reference_states<T>* reference, F&& f) const {
    const index_t rows = h.rows(), vocab = head.extent(0);
    expects(actions.rows() == rows, "policy_head: ", rows, " rows and ", actions.rows(),
            " actions");
    count_choices("action", actions, vocab);
    if (reference) {
      expects(reference->head != nullptr, "policy_head: a reference without a head");
      expects(reference->h.rows() == rows && reference->head->extent(0) == vocab,
              "policy_head: a reference of ", reference->h.rows(), " rows and a vocabulary of ",
              reference->head->extent(0), ", expected ", rows, " and ", vocab);
    }
    const index_t size = chunk_rows<T>(rows, vocab, options_.chunk_bytes);
    const auto chosen = ctx.template take<std::int32_t>(rows);
    Ctx::backend::upload(ctx, actions.data, chosen);
    const auto others = reference ? ctx.template take<T>(size, vocab) : view<T, 2>();
    for_each_chunk_of_logits(
        ctx, h, head, size, [&](view<T, 2> logits, index_t first, index_t count) {
          const auto other = reference ? others.slice_rows(0, count) : view<T, 2>();
          if (reference)
            product(ctx, reference->h.slice_rows(first, count), *reference->head, other);
          f(logits, view<const T, 2>(other), ids(chosen.slice_rows(first, count)), first);
        });
  }

  template <class Ctx>
  static std::vector<double> on_host(Ctx& ctx, const char* what, view<const T, 1> x) {
    std::vector<T> values(static_cast<std::size_t>(x.rows()));
    Ctx::backend::download(ctx, x, values.data());
    for (std::size_t t = 0; t < values.size(); ++t)
      expects(std::isfinite(values[t]), "the ", what, " of token ", t, " is ", values[t],
              ", expected a finite number");
    return {values.begin(), values.end()};
  }

  template <class Ctx>
  static view<const T, 1> on_device(Ctx& ctx, const char* what, slopes d, index_t rows) {
    expects(d.empty() || static_cast<index_t>(d.size()) == rows, "policy_head: ", d.size(),
            " slopes of the ", what, ", expected ", rows);
    for (std::size_t t = 0; t < d.size(); ++t)
      expects(std::isfinite(d[t]), "the slope of the ", what, " of token ", t, " is ", d[t],
              ", expected a finite number");
    std::vector<T> values(d.begin(), d.end());
    values.resize(static_cast<std::size_t>(rows));
    const auto x = ctx.template take<T>(rows);
    Ctx::backend::upload(ctx, values.data(), x);
    return x;
  }

  policy_head_options options_;
};

}  // namespace dsr1
