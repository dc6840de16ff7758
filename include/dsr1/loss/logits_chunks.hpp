// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The logits of a linear head, for a chunk of tokens at a time: [tokens, vocab] never exists.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <dsr1/nn/product.hpp>
#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// How many of the tokens chose something: `ids` lie in host memory, -1 marks one that does not
/// count. Throws `error` naming the token when an id is outside the vocabulary; `what` is what the
/// ids are: "target", say.
inline index_t count_choices(const char* what, view<const std::int32_t, 1> ids, index_t vocab) {
  index_t count = 0;
  for (index_t t = 0; t < ids.rows(); ++t) {
    expects(ids[t] >= -1 && ids[t] < vocab, "the ", what, " of token ", t, " is ", ids[t],
            ", expected -1 (ignored) to ", vocab - 1);
    count += ids[t] >= 0;
  }
  return count;
}

/// How many of `tokens` rows of logits are computed at a time: as many as fit `chunk_bytes`, but at
/// least 8, so that a product is worth its name. With 0 bytes as many as fit 8 MiB, but at least
/// 128: every chunk reads the whole head three times and its gradient twice.
template <class T>
index_t chunk_rows(index_t tokens, index_t vocab, index_t chunk_bytes) {
  const index_t row_bytes = std::max<index_t>(1, vocab * static_cast<index_t>(sizeof(T)));
  const index_t bytes = chunk_bytes > 0 ? chunk_bytes : index_t{8} << 20;
  return std::min(tokens, std::max<index_t>(chunk_bytes > 0 ? 8 : 128, bytes / row_bytes));
}

/// Calls f(logits, first, count) for chunks of `size` tokens; logits [count, vocab] = h W^T of the
/// tokens [first, first + count), with h [tokens, dim] and W [vocab, dim].
template <class Ctx, class T, class F>
void for_each_chunk_of_logits(Ctx& ctx, view<const T, 2> h, const parameter<T>& head, index_t size,
                              F&& f) {
  const auto logits = ctx.template take<T>(size, head.extent(0));
  for (index_t first = 0; first < h.rows(); first += size) {
    const index_t count = std::min(size, h.rows() - first);
    const auto part = logits.slice_rows(0, count);
    product(ctx, h.slice_rows(first, count), head, part);
    f(part, first, count);
  }
}

/// The backward pass of a chunk: its rows of dh [tokens, dim] are written, the gradient of the head
/// accumulates.
template <class Ctx, class T>
void backward_of_logits(Ctx& ctx, view<const T, 2> dlogits, index_t first, view<const T, 2> h,
                        parameter<T>& head, view<T, 2> dh) {
  const view<const T, 2> w = std::as_const(head).template value<2>();
  const auto dw = head.template gradient<2>();
  const index_t count = dlogits.rows();
  Ctx::backend::matmul(ctx, matrix<const T>(dlogits), matrix<const T>(w),
                       dh.slice_rows(first, count), accumulate::no, view<const T, 1>());
  Ctx::backend::matmul(ctx, transposed(dlogits), matrix<const T>(h.slice_rows(first, count)), dw,
                       head.next_gradient(), view<const T, 1>());
}

}  // namespace dsr1
