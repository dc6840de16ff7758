// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How many tensors, bytes and parameters the checkpoint of a published model has.
#pragma once

#include <algorithm>

#include <dsr1/io/model_config.hpp>
#include <dsr1/tensor/coded.hpp>

namespace dsr1 {

/// The sizes of a published model that decide what its checkpoint holds.
struct published_shape {
  index_t vocab = 0, dim = 0;
  bool tied = false;          ///< no head of its own
  index_t dense_layers = 0;   ///< with one feed-forward block
  index_t sparse_layers = 0;  ///< with experts
  index_t draft_layers = 0;   ///< sparse ones that predict a second token
  index_t heads = 0, kv_heads = 0, head_dim = 0;
  bool attention_bias = false, sinks = false, qk_norm = false;
  index_t q_rank = 0, kv_rank = 0;  ///< latent attention; its heads have plain_dim + rope_dim
  index_t plain_dim = 0, rope_dim = 0, value_dim = 0;
  index_t dense_hidden = 0, experts = 0, top_k = 0, expert_hidden = 0, shared_hidden = 0;
  bool router_bias = false, expert_bias = false;
  bool choice_bias = false;           ///< floats, whatever the other numbers are
  bool joined_experts = false;        ///< one tensor for all of a layer; gate and up are one
  coding numbers = coding::bf16;      ///< of what is never quantized
  coding projections = coding::bf16;  ///< of attention and feed-forward blocks
  coding expert_weights = coding::bf16;
};

/// What a checkpoint holds. Parameters are numbers of the model, however stored: scales are none.
struct published_size {
  index_t tensors = 0;
  index_t bytes = 0;       ///< of all tensors, without headers
  index_t parameters = 0;  ///< without the draft layers
  index_t active = 0;      ///< of those: all but the experts a token does not go to
  index_t embedding = 0;   ///< of those: the table (gpt-oss counts it among the inactive)
  index_t draft = 0;       ///< of the draft layers, their copies of the table and the head included

  bool operator==(const published_size&) const = default;
};

/// Counts tensor by tensor.
constexpr published_size size_of(const published_shape& s) {
  published_size out;
  bool draft = false;
  const auto add = [&](index_t tensors, index_t matrices, index_t rows, index_t columns,
                       coding type, index_t used) {
    const coding_info& info = info_of(type);
    const index_t scales = ceil_div(rows, info.block_rows) * ceil_div(columns, info.block_columns);
    out.tensors += info.scale_bytes > 0 ? 2 * tensors : tensors;
    out.bytes += matrices * (rows * columns * info.bits / 8 + scales * info.scale_bytes);
    (draft ? out.draft : out.parameters) += matrices * rows * columns;
    out.active += draft ? 0 : used * rows * columns;
  };
  const auto list = [&](index_t size, bool there = true) {
    if (there) add(1, 1, 1, size, s.numbers, 1);
  };
  const auto matrix = [&](index_t rows, index_t columns, coding type) {
    add(1, 1, rows, columns, type, 1);
  };
  const auto block = [&](index_t hidden) {
    matrix(hidden, s.dim, s.projections);
    matrix(hidden, s.dim, s.projections);
    matrix(s.dim, hidden, s.projections);
  };
  const auto latent = [&] {
    const index_t q = s.heads * (s.plain_dim + s.rope_dim);
    if (s.q_rank > 0) {
      matrix(s.q_rank, s.dim, s.projections);
      list(s.q_rank);
    }
    matrix(q, s.q_rank > 0 ? s.q_rank : s.dim, s.projections);
    matrix(s.kv_rank + s.rope_dim, s.dim, s.projections);
    list(s.kv_rank);
    matrix(s.heads * (s.plain_dim + s.value_dim), s.kv_rank, s.projections);
    matrix(s.dim, s.heads * s.value_dim, s.projections);
  };
  const auto grouped = [&] {
    for (const index_t rows : {s.heads, s.kv_heads, s.kv_heads}) {
      matrix(rows * s.head_dim, s.dim, s.projections);
      list(rows * s.head_dim, s.attention_bias);
    }
    matrix(s.dim, s.heads * s.head_dim, s.projections);
    list(s.dim, s.attention_bias);
    list(s.heads, s.sinks);
    list(s.head_dim, s.qk_norm);
    list(s.head_dim, s.qk_norm);
  };
  const auto experts = [&] {
    matrix(s.experts, s.dim, s.numbers);
    list(s.experts, s.router_bias);
    if (s.choice_bias) add(1, 1, 1, s.experts, coding::f32, 1);
    // Joined or apart, there are as many rows.
    const index_t halves = s.joined_experts ? 1 : 2, rows = s.expert_hidden * (3 - halves);
    const index_t tensors = s.joined_experts ? 1 : s.experts;
    add(halves * tensors, halves * s.experts, rows, s.dim, s.expert_weights, halves * s.top_k);
    add(tensors, s.experts, s.dim, s.expert_hidden, s.expert_weights, s.top_k);
    if (s.expert_bias) {
      add(halves * tensors, halves * s.experts, 1, rows, s.numbers, halves * s.top_k);
      add(tensors, s.experts, 1, s.dim, s.numbers, s.top_k);
    }
    if (s.shared_hidden > 0) block(s.shared_hidden);
  };
  const auto layer = [&](bool sparse) {
    list(s.dim);
    list(s.dim);
    s.kv_rank > 0 ? latent() : grouped();
    sparse ? experts() : block(s.dense_hidden);
  };
  matrix(s.vocab, s.dim, s.numbers);
  out.embedding = s.vocab * s.dim;
  for (index_t i = 0; i < s.dense_layers; ++i) layer(false);
  for (index_t i = 0; i < s.sparse_layers; ++i) layer(true);
  list(s.dim);
  if (!s.tied) matrix(s.vocab, s.dim, s.numbers);
  draft = true;
  for (index_t i = 0; i < s.draft_layers; ++i) {
    layer(true);
    for (int norms = 0; norms < 3; ++norms) list(s.dim);
    matrix(s.dim, 2 * s.dim, s.numbers);
    matrix(s.vocab, s.dim, s.numbers);
    matrix(s.vocab, s.dim, s.numbers);
  }
  return out;
}

/// The sizes that a config.json tells. `numbers` is what it calls its dtype.
inline published_shape published_shape_of(const model_config& c, coding numbers = coding::bf16) {
  const auto sparse = static_cast<index_t>(std::count(c.sparse.begin(), c.sparse.end(), true));
  const coding all = c.quantization == "fp8" ? coding::fp8 : numbers;
  return {.vocab = c.vocab,
          .dim = c.dim,
          .tied = c.tied,
          .dense_layers = c.layers - sparse,
          .sparse_layers = sparse,
          .draft_layers = c.draft_layers,
          .heads = c.heads,
          .kv_heads = c.kv_heads,
          .head_dim = c.head_dim,
          .attention_bias = c.attention_bias,
          .sinks = c.sinks,
          .qk_norm = c.qk_norm,
          .q_rank = c.latent.q_rank,
          .kv_rank = c.latent.kv_rank,
          .plain_dim = c.latent.plain_dim,
          .rope_dim = c.latent.rope_dim,
          .value_dim = c.latent.value_dim,
          .dense_hidden = c.dense_hidden,
          .experts = c.experts,
          .top_k = c.top_k,
          .expert_hidden = c.expert_hidden,
          .shared_hidden = c.shared_hidden,
          .router_bias = c.router_bias,
          .expert_bias = c.expert_bias,
          .choice_bias = c.choice_bias,
          .joined_experts = c.model_type == "gpt_oss",
          .numbers = numbers,
          .projections = all,
          .expert_weights = c.quantization == "mxfp4" ? coding::mxfp4 : all};
}

}  // namespace dsr1
