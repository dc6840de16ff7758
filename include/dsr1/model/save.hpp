// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// From the parameters of a model to the tensors of a published checkpoint.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/io/parameters.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/model/weight_map.hpp>

namespace dsr1 {

/// One stored tensor and the rows of a parameter that it holds.
struct outgoing_tensor {
  std::string name;
  std::vector<index_t> shape;
  index_t matrix = 0, matrices = 1;  ///< which of the parameter's matrices
  index_t part = 0;                  ///< which of a matrix's parts
};

/// The tensors that a parameter of these extents becomes. Throws `error` when its rows do not
/// divide among the parts.
inline std::vector<outgoing_tensor> outgoing_tensors(const weight_rule& rule,
                                                     const std::vector<index_t>& extents,
                                                     const std::vector<index_t>& part_rows) {
  std::vector<outgoing_tensor> out;
  const auto parts = static_cast<index_t>(rule.parts.size());
  const bool whole = parts == rule.per_matrix;
  for (index_t i = 0; i < parts; ++i) {
    outgoing_tensor t{.name = rule.parts[static_cast<std::size_t>(i)].tensor, .shape = extents};
    t.part = i % rule.per_matrix;
    t.matrix = whole ? 0 : i / rule.per_matrix;
    t.matrices = whole && extents.size() == 3 ? extents[0] : 1;
    if (!whole) t.shape.erase(t.shape.begin());
    const std::size_t rows = t.shape.size() >= 2 ? t.shape.size() - 2 : 0;
    t.shape[rows] = part_rows[static_cast<std::size_t>(t.part)];
    if (rule.transposed) std::swap(t.shape[rows], t.shape[rows + 1]);
    out.push_back(std::move(t));
  }
  return out;
}

/// How many rows of a matrix each part of it holds. Parts that follow one another are q, k and v of
/// an attention layer, whose sizes the config gives; all others are equal.
inline std::vector<index_t> part_rows_of(const model_config& c, const weight_rule& rule,
                                         index_t rows) {
  if (rule.per_matrix == 3 && !rule.alternating)
    return {c.heads * c.head_dim, c.kv_heads * c.head_dim, c.kv_heads * c.head_dim};
  expects(rows % rule.per_matrix == 0, rows, " rows for ", rule.per_matrix, " tensors");
  return std::vector<index_t>(static_cast<std::size_t>(rule.per_matrix), rows / rule.per_matrix);
}

/// The numbers of one stored tensor, picked from all values of the parameter.
template <class T>
std::vector<T> numbers_for(const outgoing_tensor& t, const weight_rule& rule,
                           const std::vector<index_t>& part_rows, const T* values,
                           const std::vector<index_t>& extents) {
  const bool flat = extents.size() == 1;
  const index_t columns = flat ? 1 : extents.back();
  const index_t rows = flat ? extents[0] : extents[extents.size() - 2];
  const index_t count = part_rows[static_cast<std::size_t>(t.part)];
  index_t first = 0;
  for (index_t p = 0; p < t.part; ++p) first += part_rows[static_cast<std::size_t>(p)];
  std::vector<T> out(static_cast<std::size_t>(t.matrices * count * columns));
  for (index_t m = 0; m < t.matrices; ++m)
    for (index_t r = 0; r < count; ++r) {
      const index_t row = rule.alternating ? r * rule.per_matrix + t.part : first + r;
      const T* const from = values + ((t.matrix + m) * rows + row) * columns;
      for (index_t c = 0; c < columns; ++c) {
        const index_t at = rule.transposed ? c * count + r : r * columns + c;
        out[static_cast<std::size_t>(m * count * columns + at)] = from[c];
      }
    }
  return out;
}

/// Writes all parameters as the tensors of their family, as F32 or BF16 (rounded to nearest), in
/// one file that appears whole or not at all. A parameter without tensors there must be zero.
/// Throws `error` naming a parameter that the family cannot hold. Returns the bytes of the tensors.
template <class Ctx, class Model>
index_t save_checkpoint(Ctx& ctx, Model& model, const model_config& config, layer_rule family,
                        const std::filesystem::path& path, dtype type = dtype::bf16) {
  expects(type == dtype::f32 || type == dtype::bf16, "save_checkpoint as ", info_of(type).name,
          ", expected F32 or BF16");
  safetensors_writer out(path, {{"format", "pt"}});
  const auto each = [&](auto&& f) {
    model.for_each_parameter([&]<class T>(const parameter_name& chain, parameter<T>& p) {
      const std::string name = chain.str();
      const weight_rule rule = rule_of(config, family, name);
      const std::vector<index_t> extents = shape_of(p);
      const auto rows =
          part_rows_of(config, rule, extents.size() > 1 ? extents[extents.size() - 2] : extents[0]);
      f(name, p, rule, extents, rows);
    });
  };
  each([&](const std::string&, auto&, const weight_rule& rule, const auto& extents,
           const auto& rows) {
    for (const outgoing_tensor& t : outgoing_tensors(rule, extents, rows))
      out.declare(t.name, type, t.shape);
  });
  each([&]<class T>(const std::string& name, parameter<T>& p, const weight_rule& rule,
                    const auto& extents, const auto& rows) {
    std::vector<T> host(static_cast<std::size_t>(p.size()));
    Ctx::backend::download(ctx, view<const T, 1>(p.values().as(p.size())), host.data());
    for (std::size_t i = 0; rule.parts.empty() && i < host.size(); ++i)
      expects(host[i] == T(0), "parameter ", name, " has no tensor in family ", config.model_type,
              ", and element ", i, " is ", host[i], ", expected 0");
    for (const outgoing_tensor& t : outgoing_tensors(rule, extents, rows)) {
      const std::vector<T> numbers = numbers_for(t, rule, rows, host.data(), extents);
      if (type == dtype::f32) {
        const std::vector<float> as(numbers.begin(), numbers.end());
        out.write(std::span<const float>(as));
      } else {
        std::vector<bf16> as;
        as.reserve(numbers.size());
        for (const T x : numbers) as.emplace_back(static_cast<float>(x));
        out.write(std::span<const bf16>(as));
      }
    }
  });
  out.commit();
  return out.declared();
}

}  // namespace dsr1
