// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The table that turns token ids into rows.
#pragma once

#include <dsr1/backend/quant_ops.hpp>
#include <dsr1/backend/row_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/nn/concepts.hpp>

namespace dsr1 {

struct embedding_shape {
  index_t vocab = dynamic;
  index_t dim = dynamic;
};

/// y[t] = table[id[t]]; table [vocab, dim], y [tokens, dim]. It begins a model, so it takes ids
/// and its backward returns nothing. The ids lie in host memory. Throws `error` on an id outside
/// the vocabulary.
template <embedding_shape Shape = embedding_shape{}, class T = float>
class embedding {
 public:
  static constexpr std::string_view name = "embedding";
  using number = T;
  using ids = view<const std::int32_t, 1>;

  struct saved {
    ids rows;  // in the device's memory
  };

  explicit embedding(embedding_shape given = Shape)
      : vocab_(resolve_extent("embedding: vocab", Shape.vocab, given.vocab)),
        dim_(resolve_extent("embedding: dim", Shape.dim, given.dim)),
        table_({vocab_, dim_}, {.init = initial::scaled(dim_), .may_be_coded = true}) {}

  index_t vocab() const { return vocab_; }
  index_t dim() const { return dim_; }
  parameter<T>& table() { return table_; }

  template <class Ctx>
    requires row_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, ids tokens, saved& s) {
    for (index_t t = 0; t < tokens.rows(); ++t)
      expects(tokens[t] >= 0 && tokens[t] < vocab_, "token ", t, " has id ", tokens[t],
              ", expected 0 to ", vocab_ - 1);
    const auto rows = ctx.template take<std::int32_t>(tokens.rows());
    Ctx::backend::upload(ctx, tokens.data, rows);
    s.rows = rows;
    const auto y = ctx.template take<T>(tokens.rows(), dim_);
    if (const coded_tensor* codes = table_.coded()) {
      if constexpr (quant_ops<Ctx, T>) {
        Ctx::backend::coded_rows(ctx, *codes, s.rows, y);
        return y;
      }
      expects(false, "this backend has no rows of coded tables (", codes->text(), ")");
    }
    Ctx::backend::gather_rows(ctx, view<const T, 2>(table_.template value<2>()), s.rows, y);
    return y;
  }

  template <class Ctx>
    requires row_ops<Ctx, T> && tensor_ops<Ctx, T>
  void backward(Ctx& ctx, view<const T, 2> dy, const saved& s) {
    const auto gradient = table_.template gradient<2>();
    if (table_.next_gradient() == accumulate::no) Ctx::backend::fill(ctx, gradient.flat(), T(0));
    Ctx::backend::scatter_add_rows(ctx, dy, s.rows, gradient);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("weight"), table_);
  }

 private:
  index_t vocab_;
  index_t dim_;
  parameter<T> table_;
};

}  // namespace dsr1
