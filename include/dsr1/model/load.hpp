// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// From the tensors of a checkpoint to the parameters of a model, by the rules of its family.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/io/stored_weight.hpp>
#include <dsr1/model/weight_map.hpp>
#include <dsr1/quant/validate.hpp>

namespace dsr1 {

/// The stored tensors of a rule as one operand, where they lie; nothing is copied. Throws `error`
/// naming the tensor and the parameter that wants it when one is missing or does not fit the
/// others.
template <tensor_source Source>
coded_tensor assemble(const Source& source, const weight_rule& rule, std::string_view parameter) {
  coded_tensor all;
  const auto must = [&](bool holds, const auto&... why) {
    if (!holds) throw error(text(source.path(), ": parameter ", parameter, ": ", why...));
  };
  const index_t per = rule.per_matrix, parts = static_cast<index_t>(rule.parts.size());
  must(per > 0 && parts > 0 && parts % per == 0, "a rule of ", parts, " parts, ", per,
       " per matrix");
  std::vector<coded_tensor> stored;
  for (const stored_part& p : rule.parts) {
    try {
      stored.push_back(stored_weight(source, p.tensor));
    } catch (const error& e) {
      throw error(text(e.what(), " (parameter ", parameter, " consists of it)"));
    }
    coded_tensor& t = stored.back();
    must(t.type == stored[0].type && t.columns == stored[0].columns, "\"", p.tensor, "\" is ",
         t.text(), ", \"", rule.parts[0].tensor, "\" is ", stored[0].text());
    must(parts == per || t.matrices == 1, "\"", p.tensor, "\" is ", t.text(),
         ", expected a matrix");
    must(t.matrices == stored[0].matrices, "\"", p.tensor, "\" has ", t.matrices,
         " matrices, expected ", stored[0].matrices);
    if (p.rows > 0) {
      must(p.first_row + p.rows <= t.rows && p.first_row % info_of(t.type).block_rows == 0, "\"",
           p.tensor, "\" is ", t.text(), ", expected rows ", p.first_row, " to ",
           p.first_row + p.rows);
      for (coded_part& c : t.parts) {
        c.codes += p.first_row * t.row_bytes();
        if (c.scales) c.scales += p.first_row / info_of(t.type).block_rows * t.scale_row_bytes();
        c.rows = p.rows;
      }
      t.rows = p.rows;
    }
    all.owners.insert(all.owners.end(), t.owners.begin(), t.owners.end());
  }
  all.type = stored[0].type;
  all.columns = stored[0].columns;
  all.alternating = rule.alternating;
  all.matrices = parts == per ? stored[0].matrices : parts / per;
  for (index_t j = 0; j < per; ++j) all.rows += stored[static_cast<std::size_t>(j)].rows;
  for (index_t m = 0; m < all.matrices; ++m)
    for (index_t j = 0; j < per; ++j) {
      const bool whole = parts == per;
      const coded_tensor& t = stored[static_cast<std::size_t>(whole ? j : m * per + j)];
      all.parts.push_back(t.parts[static_cast<std::size_t>(whole ? m : 0)]);
    }
  all.check();
  return all;
}

/// Throws `error` naming the tensor and the parameter when a scale is NaN, infinite or too large.
inline void expect_sound_scales(const coded_tensor& w, const std::string& path,
                                const weight_rule& rule, std::string_view parameter) {
  try {
    validate_scales(w);
  } catch (const error& e) {
    throw error(
        text(path, ": parameter ", parameter, " (\"", rule.parts[0].tensor, "\"): ", e.what()));
  }
}

/// True when the stored rows are columns of the parameter.
inline bool is_transposed(const weight_rule& rule, const coded_tensor& stored) {
  return rule.transposed && info_of(stored.type).scale_bytes == 0;
}

/// The numbers of a parameter of `count` elements. Throws `error` when the rule gives another
/// number of them.
template <class T, tensor_source Source>
std::vector<T> numbers_of(const Source& source, const weight_rule& rule, std::string_view parameter,
                          index_t count) {
  std::vector<T> out;
  if (rule.parts.empty()) {
    out.assign(static_cast<std::size_t>(count), T(0));
    return out;
  }
  const stored_tensor* first = source.find(rule.parts[0].tensor);
  if (first && first->shape.size() == 1) {
    for (const stored_part& p : rule.parts) {
      const stored_tensor* t = source.find(p.tensor);
      expects(t != nullptr, source.path(), " has no tensor \"", p.tensor, "\", which parameter ",
              parameter, " consists of");
      out.resize(out.size() + static_cast<std::size_t>(t->size()));
      t->copy_to(out.data() + out.size() - static_cast<std::size_t>(t->size()));
    }
  } else {
    const coded_tensor w = assemble(source, rule, parameter);
    out.resize(static_cast<std::size_t>(w.size()));
    expect_sound_scales(w, source.path(), rule, parameter);
    const bool transposed = is_transposed(rule, w);
    std::vector<T> row(static_cast<std::size_t>(w.columns));
    for (index_t m = 0; m < w.matrices; ++m)
      for (index_t r = 0; r < w.rows; ++r) {
        T* const to = out.data() + (m * w.rows + r) * w.columns;
        unpack(w, m, r, transposed ? row.data() : to);
        if (!transposed) continue;
        for (index_t c = 0; c < w.columns; ++c)
          out[static_cast<std::size_t>((m * w.columns + c) * w.rows + r)] =
              row[static_cast<std::size_t>(c)];
      }
  }
  expects(static_cast<index_t>(out.size()) == count, source.path(), ": parameter ", parameter,
          " has ", count, " numbers, its tensors (\"", rule.parts[0].tensor, "\" first) have ",
          out.size());
  return out;
}

/// [experts, in, out] as [experts, out, in], in memory of its own.
inline coded_tensor transposed_copy(const coded_tensor& w) {
  expects(info_of(w.type).scale_bytes == 0, "cannot transpose ", w.text());
  const index_t bytes = info_of(w.type).bits / 8;
  const auto memory =
      std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(w.size() * bytes));
  coded_tensor out;
  out.type = w.type;
  out.matrices = w.matrices;
  out.rows = w.columns;
  out.columns = w.rows;
  for (index_t m = 0; m < w.matrices; ++m) {
    std::byte* const to = memory->data() + m * w.rows * w.columns * bytes;
    for (index_t r = 0; r < w.rows; ++r) {
      const std::byte* const from = w.row(m, r).codes;
      for (index_t c = 0; c < w.columns; ++c)
        std::copy_n(from + c * bytes, bytes, to + (c * w.rows + r) * bytes);
    }
    out.parts.push_back({to, nullptr, out.rows});
  }
  out.owners.push_back(memory);
  return out;
}

struct load_options {
  bool packed = false;                    ///< weights stay as they are stored, for inference only
  residence experts = residence::device;  ///< where those of experts lie, when they are packed
  bool allow_unused = false;              ///< tensors that no parameter consists of are no error
  bool gradients = true;                  ///< memory for training; never with `packed`
  std::function<void(index_t done, index_t total)> progress = {};  ///< before every parameter
};

/// Takes memory and values for every parameter from a checkpoint. Throws `error` naming the tensor
/// and the parameter when one is missing or does not fit, and listing those that nobody uses.
template <class Ctx, class Model, tensor_source Source>
void load_checkpoint(Ctx& ctx, Model& model, const model_config& config, layer_rule family,
                     const Source& source, const load_options& options = {}) {
  std::set<std::string> used;
  index_t total = 0, done = 0;
  model.for_each_parameter([&](const parameter_name&, auto&) { ++total; });
  model.for_each_parameter([&]<class T>(const parameter_name& chain, parameter<T>& p) {
    const std::string name = chain.str();
    if (options.progress) options.progress(done++, total);
    const weight_rule rule = rule_of(config, family, name);
    for (const stored_part& part : rule.parts)
      for (std::string& t : stored_names(source, part.tensor)) used.insert(std::move(t));
    if (options.packed && p.traits().may_be_coded) {
      coded_tensor w = assemble(source, rule, name);
      // The scales of other codings lie all over the file; `validate` reads them if one wants.
      if (w.type == coding::fp8) expect_sound_scales(w, source.path(), rule, name);
      try {
        return p.hold(
            Ctx::backend::resident(ctx, is_transposed(rule, w) ? transposed_copy(w) : std::move(w),
                                   p.traits().per_expert ? options.experts : residence::device));
      } catch (const error& e) {
        throw error(text(source.path(), ": parameter ", name, " (\"", rule.parts[0].tensor,
                         "\"): ", e.what()));
      }
    }
    p.allocate(ctx.memory(), options.gradients && !options.packed);
    const std::vector<T> values = numbers_of<T>(source, rule, name, p.size());
    Ctx::backend::upload(ctx, values.data(), p.values().as(p.size()));
  });
  if (options.allow_unused) return;
  std::string list;
  index_t count = 0;
  for (const auto& [name, tensor] : source.tensors()) {
    if (used.contains(name) || is_spare_tensor(config, name)) continue;
    if (++count <= 20) list += (list.empty() ? "" : ", ") + name;
  }
  expects(count == 0, source.path(), " has ", count, " tensors that the model does not use: ", list,
          count > 20 ? ", ..." : "");
}

}  // namespace dsr1
