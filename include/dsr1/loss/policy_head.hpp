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
#include <dsr1/backend/row_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/loss/logits_chunks.hpp>

namespace dsr1 {

struct policy_head_options {
  double temperature = 1;   ///< logits are divided by it, those of a reference too
  index_t chunk_bytes = 0;  ///< logits (of each model) that exist at one time; 0: see chunk_rows
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
/// Actions lie in host memory; -1 marks a row that does not count, and for which nothing is
/// computed. `backward` needs what `forward` got and computes the logits again.
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
    expects(options.chunk_bytes >= 0, "policy_head: ", options.chunk_bytes,
            " bytes a chunk, expected 0 or more");
  }

  const policy_head_options& options() const { return options_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && policy_ops<Ctx, T> && row_ops<Ctx, T> && tensor_ops<Ctx, T>
  token_probabilities forward(Ctx& ctx, view<const T, 2> h, const parameter<T>& head, ids actions,
                              const reference_states<T>* reference = nullptr) const {
    const workspace::scope scope(ctx.workspace());
    const acting_rows<Ctx> acting(ctx, h, head, actions, reference);
    const index_t rows = acting.count();
    const auto log_probability = ctx.template take<T>(rows), entropy = ctx.template take<T>(rows),
               divergence = ctx.template take<T>(rows);
    chunks(ctx, acting, head,
           [&](view<T, 2> logits, view<const T, 2> other, ids chosen, index_t first) {
             const auto part = [&](view<T, 1> all) { return all.slice_rows(first, logits.rows()); };
             Ctx::backend::policy_rows(ctx, view<const T, 2>(logits), other, chosen,
                                       1 / options_.temperature, part(log_probability),
                                       part(entropy), part(divergence));
           });
    return {acting.on_host("log-probability", log_probability), acting.on_host("entropy", entropy),
            acting.on_host("divergence from the reference", divergence)};
  }

  /// With the derivatives of a loss by the results of `forward`, one per row (an empty span: all
  /// zero), writes dh [rows, dim] and adds to the gradient of the head. The reference is a
  /// constant.
  template <class Ctx>
    requires linear_ops<Ctx, T> && policy_ops<Ctx, T> && row_ops<Ctx, T> && tensor_ops<Ctx, T>
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
    const acting_rows<Ctx> acting(ctx, h, head, actions, reference);
    const auto dl = acting.on_device("log-probability", d_log_probability),
               de = acting.on_device("entropy", d_entropy),
               dd = acting.on_device("divergence", d_divergence);
    const view<T, 2> d = acting.beside(dh);
    chunks(ctx, acting, head,
           [&](view<T, 2> logits, view<const T, 2> other, ids chosen, index_t first) {
             const auto part = [&](view<const T, 1> all) {
               return all.slice_rows(first, logits.rows());
             };
             Ctx::backend::policy_gradient_rows(ctx, logits, other, chosen,
                                                1 / options_.temperature, part(dl), part(de),
                                                part(dd));
             backward_of_logits(ctx, view<const T, 2>(logits), first, acting.h, head, d);
           });
    acting.put_back(d, dh);
  }

 private:
  /// The rows that have an action, one behind the other: the others need no logits.
  template <class Ctx>
  class acting_rows {
   public:
    view<const T, 2> h, reference_h;
    const parameter<T>* reference_head = nullptr;
    ids actions;  // on the device

    acting_rows(Ctx& ctx, view<const T, 2> all, const parameter<T>& head, ids chosen,
                const reference_states<T>* reference)
        : ctx_(ctx), rows_(all.rows()) {
      const index_t vocab = head.extent(0);
      expects(chosen.rows() == rows_, "policy_head: ", rows_, " rows and ", chosen.rows(),
              " actions");
      number_.reserve(static_cast<std::size_t>(count_choices("action", chosen, vocab)));
      std::vector<std::int32_t> host;
      for (index_t t = 0; t < rows_; ++t) {
        if (chosen[t] < 0) continue;
        number_.push_back(static_cast<std::int32_t>(t));
        host.push_back(chosen[t]);
      }
      actions = uploaded(host);
      h = picked(all);
      if (!reference) return;
      reference_head = reference->head;
      expects(reference_head != nullptr, "policy_head: a reference without a head");
      expects(reference->h.rows() == rows_ && reference_head->extent(0) == vocab,
              "policy_head: a reference of ", reference->h.rows(), " rows and a vocabulary of ",
              reference_head->extent(0), ", expected ", rows_, " and ", vocab);
      reference_h = picked(reference->h);
    }

    index_t count() const { return static_cast<index_t>(number_.size()); }

    /// Where the gradient of `h` goes before `put_back`.
    view<T, 2> beside(view<T, 2> dh) const {
      return count() == rows_ ? dh : ctx_.template take<T>(count(), dh.columns());
    }
    /// Zero in the rows that have no action.
    void put_back(view<T, 2> d, view<T, 2> dh) const {
      if (count() == rows_) return;
      std::vector<std::int32_t> place(static_cast<std::size_t>(rows_), -1);
      for (std::size_t i = 0; i < number_.size(); ++i)
        place[static_cast<std::size_t>(number_[i])] = static_cast<std::int32_t>(i);
      Ctx::backend::gather_rows(ctx_, view<const T, 2>(d), uploaded(place), dh);
    }

    /// One number for each of all rows, 0 where there is no action.
    std::vector<double> on_host(const char* what, view<const T, 1> x) const {
      std::vector<T> values(number_.size());
      Ctx::backend::download(ctx_, x, values.data());
      std::vector<double> all(static_cast<std::size_t>(rows_));
      for (std::size_t i = 0; i < values.size(); ++i) {
        expects(std::isfinite(values[i]), "the ", what, " of token ", number_[i], " is ", values[i],
                ", expected a finite number");
        all[static_cast<std::size_t>(number_[i])] = values[i];
      }
      return all;
    }
    /// The slopes of the acting rows.
    view<const T, 1> on_device(const char* what, slopes d) const {
      expects(d.empty() || static_cast<index_t>(d.size()) == rows_, "policy_head: ", d.size(),
              " slopes of the ", what, ", expected ", rows_);
      for (std::size_t t = 0; t < d.size(); ++t)
        expects(std::isfinite(d[t]), "the slope of the ", what, " of token ", t, " is ", d[t],
                ", expected a finite number");
      std::vector<T> values(number_.size());
      for (std::size_t i = 0; i < values.size() && !d.empty(); ++i)
        values[i] = static_cast<T>(d[static_cast<std::size_t>(number_[i])]);
      const auto x = ctx_.template take<T>(count());
      Ctx::backend::upload(ctx_, values.data(), x);
      return x;
    }

   private:
    ids uploaded(const std::vector<std::int32_t>& list) const {
      const auto there = ctx_.template take<std::int32_t>(static_cast<index_t>(list.size()));
      Ctx::backend::upload(ctx_, list.data(), there);
      return there;
    }
    view<const T, 2> picked(view<const T, 2> all) const {
      if (count() == rows_) return all;
      const auto some = ctx_.template take<T>(count(), all.columns());
      Ctx::backend::gather_rows(ctx_, all, uploaded(number_), some);
      return some;
    }

    Ctx& ctx_;
    index_t rows_;
    std::vector<std::int32_t> number_;  // of the row
  };

  /// f(logits, logits of the reference, actions, first row) for every chunk of acting rows.
  template <class Ctx, class F>
  void chunks(Ctx& ctx, const acting_rows<Ctx>& acting, const parameter<T>& head, F&& f) const {
    const index_t vocab = head.extent(0);
    const index_t size = chunk_rows<T>(acting.count(), vocab, options_.chunk_bytes);
    const bool referred = acting.reference_head != nullptr;
    const auto others = referred ? ctx.template take<T>(size, vocab) : view<T, 2>();
    for_each_chunk_of_logits(
        ctx, acting.h, head, size, [&](view<T, 2> logits, index_t first, index_t count) {
          const auto other = referred ? others.slice_rows(0, count) : view<T, 2>();
          if (referred)
            product(ctx, acting.reference_h.slice_rows(first, count), *acting.reference_head,
                    other);
          f(logits, view<const T, 2>(other), acting.actions.slice_rows(first, count), first);
        });
  }

  policy_head_options options_;
};

}  // namespace dsr1
