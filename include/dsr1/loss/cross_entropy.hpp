// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Next-token cross-entropy of a linear head, without the [tokens, vocab] matrix of logits.
#pragma once

#include <cmath>
#include <cstdint>

#include <dsr1/backend/loss_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/loss/logits_chunks.hpp>

namespace dsr1 {

struct cross_entropy_options {
  double z = 0;             ///< coefficient of the z-loss, z lse^2 per token
  index_t chunk_bytes = 0;  ///< logits that exist at one time; 0: see chunk_rows
};

/// Sums over the tokens that count (targets of -1 do not).
struct token_loss {
  double sum = 0;
  index_t tokens = 0;

  double mean() const { return tokens > 0 ? sum / static_cast<double>(tokens) : 0; }
  token_loss& operator+=(const token_loss& other) {
    sum += other.sum;
    tokens += other.tokens;
    return *this;
  }
};

/// logits = h W^T with h [tokens, dim] and W [vocab, dim]; loss[t] = -log
/// softmax(logits[t])[target]
/// (+ z-loss), computed for a chunk of tokens at a time, so that memory does not grow with
/// tokens times vocabulary. The size of the chunks changes no bit of the result.
/// Targets lie in host memory; -1 marks a token that does not count.
/// Throws `error` on another target outside the vocabulary and on a loss that is not finite.
template <class T>
class cross_entropy {
 public:
  using ids = view<const std::int32_t, 1>;

  explicit cross_entropy(cross_entropy_options options = {}) : options_(options) {
    expects(options.z >= 0 && options.chunk_bytes >= 0, "cross_entropy: z is ", options.z, " and ",
            options.chunk_bytes, " bytes a chunk, expected 0 or more of both");
  }

  /// The loss alone.
  template <class Ctx>
    requires linear_ops<Ctx, T> && loss_ops<Ctx, T> && tensor_ops<Ctx, T>
  token_loss forward(Ctx& ctx, view<const T, 2> h, const parameter<T>& head, ids targets) const {
    return chunks(ctx, h, head, targets, 0, logits_become::undefined, [](auto...) {});
  }

  /// The loss, and `scale` times its gradient: dh [tokens, dim] is written, the gradient of the
  /// head accumulates. One pass, because the logits of a chunk are gone after it.
  template <class Ctx>
    requires linear_ops<Ctx, T> && loss_ops<Ctx, T> && tensor_ops<Ctx, T>
  token_loss forward_backward(Ctx& ctx, view<const T, 2> h, parameter<T>& head, ids targets,
                              double scale, view<T, 2> dh) const {
    expects(same_extents(h, dh), "cross_entropy: dh is ", extents_text(dh), ", expected ",
            extents_text(h));
    return chunks(ctx, h, head, targets, scale, logits_become::gradient,
                  [&](view<const T, 2> dlogits, index_t first) {
                    backward_of_logits(ctx, dlogits, first, h, head, dh);
                  });
  }

 private:
  template <class Ctx, class F>
  token_loss chunks(Ctx& ctx, view<const T, 2> h, const parameter<T>& head, ids targets,
                    double scale, logits_become become, F&& with_gradient) const {
    const index_t tokens = h.rows(), vocab = head.extent(0);
    expects(targets.rows() == tokens, "cross_entropy: ", tokens, " tokens and ", targets.rows(),
            " targets");
    token_loss total;
    total.tokens = count_choices("target", targets, vocab);
    const workspace::scope scope(ctx.workspace());
    const auto device_targets = ctx.template take<std::int32_t>(tokens);
    Ctx::backend::upload(ctx, targets.data, device_targets);
    const auto loss = ctx.template take<T>(tokens);
    const index_t size = chunk_rows<T>(tokens, vocab, options_.chunk_bytes);
    for_each_chunk_of_logits(
        ctx, h, head, size, [&](view<T, 2> logits, index_t first, index_t count) {
          Ctx::backend::cross_entropy_rows(
              ctx, logits, view<const std::int32_t, 1>(device_targets.slice_rows(first, count)),
              scale, options_.z, become, loss.slice_rows(first, count));
          with_gradient(view<const T, 2>(logits), first);
        });
    const auto ones = ctx.template take<T>(tokens);
    Ctx::backend::fill(ctx, ones, T(1));
    total.sum = Ctx::backend::dot(ctx, view<const T, 1>(loss), view<const T, 1>(ones));
    expects(std::isfinite(total.sum), "the loss is not finite (", total.sum, ")");
    return total;
  }

  cross_entropy_options options_;
};

}  // namespace dsr1
