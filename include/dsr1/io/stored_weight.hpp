// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Weights of a checkpoint as they are stored: which tensors they consist of, and as coded tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/io/safetensors.hpp>
#include <dsr1/tensor/coded.hpp>

namespace dsr1 {

/// What to do about numbers that no `coding` stands for.
struct stored_weight_options {
  bool round_f64 = false;  ///< F64 is copied as F32; otherwise it is an error
};

namespace detail {

/// A weight's tensors before their shapes are looked at.
struct weight_tensors {
  std::string name, scales_name;
  const stored_tensor* codes = nullptr;
  const stored_tensor* scales = nullptr;
  coding type = coding::f32;
  bool known = false;  // `type` is the coding of `codes`
};

template <tensor_source Source>
weight_tensors find_weight(const Source& source, const std::string& base) {
  weight_tensors w;
  const auto pair = [&](const std::string& name, const std::string& scales, coding type) {
    w.name = name;
    w.scales_name = scales;
    w.codes = source.find(name);
    w.scales = scales.empty() ? nullptr : source.find(scales);
    w.type = type;
    w.known = true;
  };
  const stored_tensor* plain = source.find(base);
  if (source.find(base + "_blocks") != nullptr) {
    expects(plain == nullptr, source.path(), " has both \"", base, "\" and \"", base,
            "_blocks\", expected one of them");
    pair(base + "_blocks", base + "_scales", coding::mxfp4);
    return w;
  }
  if (plain == nullptr) return w;
  switch (plain->type) {
    case dtype::f64:  // rounded, if that is allowed
    case dtype::f32:
      pair(base, "", coding::f32);
      break;
    case dtype::f16:
      pair(base, "", coding::f16);
      break;
    case dtype::bf16:
      pair(base, "", coding::bf16);
      break;
    case dtype::f8_e4m3:
      pair(base, base + "_scale_inv", coding::fp8);
      break;
    case dtype::i8:
      pair(base, base + "_scale", coding::int8);
      break;
    case dtype::u8:
      pair(base, base + "_scale", coding::int4);
      break;
    default:
      w.name = base;
      w.codes = plain;
  }
  return w;
}

}  // namespace detail

/// The names of the stored tensors that the weight `base` consists of: itself, or its blocks, and
/// their scales. Empty when the source has none.
template <tensor_source Source>
std::vector<std::string> stored_names(const Source& source, const std::string& base) {
  const auto w = detail::find_weight(source, base);
  std::vector<std::string> names;
  if (w.codes != nullptr) names.push_back(w.name);
  if (w.scales != nullptr) names.push_back(w.scales_name);
  return names;
}

/// The weight `base` of a checkpoint, one part per matrix, without a copy:
///     base F32, F16, BF16                                       numbers
///     base F8_E4M3, base_scale_inv F32 [r / 128, c / 128]       fp8 (DeepSeek-V3)
///     base_blocks U8 [r, c / 32, 16], base_scales U8 [r, c/32]  mxfp4 (gpt-oss)
///     base I8, base_scale F16 [r, c / 32]                       int8
///     base U8 [r, c / 2], base_scale F16 [r, c / 32]            int4
/// with quotients rounded up, r rows and c columns; all of them may have the matrices of several
/// experts behind one another: an extent in front. A list of n numbers is one row.
///
/// Numbers and scales that do not begin at a multiple of their size (the format does not promise
/// it) are copied. The result keeps the memory alive if the source has `owner(name)`, as a
/// `checkpoint_folder` does; otherwise the source must outlive it. Throws `error` naming the source
/// and the tensor when it or its scales are missing or have another type or shape than above.
template <tensor_source Source>
coded_tensor stored_weight(const Source& source, const std::string& base,
                           const stored_weight_options& options = {}) {
  const auto w = detail::find_weight(source, base);
  if (w.codes == nullptr) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : source.tensors()) names.push_back(name);
    throw error(text(source.path(), " has no tensor \"", base, "\"", suggestion(base, names)));
  }
  const std::string place = source.path() + ": tensor \"" + w.name + "\"";
  expects(w.known, place, " is ", w.codes->text(),
          ", expected F32, F16, BF16, F8_E4M3, I8 or U8 numbers");
  expects(w.codes->type != dtype::f64 || options.round_f64, place, " is ", w.codes->text(),
          ", and no coding keeps F64; stored_weight_options::round_f64 copies it as F32");

  // Matrices, rows and what is in a row.
  const coding_info& info = info_of(w.type);
  std::vector<index_t> shape = w.codes->shape;
  if (w.type == coding::mxfp4) {
    expects(w.codes->type == dtype::u8 && (shape.size() == 3 || shape.size() == 4) &&
                shape.back() == 16,
            place, " is ", w.codes->text(),
            ", expected U8 [rows, blocks, 16] or a fourth extent "
            "for the matrices in front");
    shape.pop_back();
    shape.back() *= 32;
  } else if (w.type == coding::int4) {
    expects(!shape.empty() && shape.back() % 16 == 0, place, " is ", w.codes->text(),
            ", expected bytes of two columns, 16 to a scale");
    shape.back() *= 2;
  }
  if (info.scale_bytes == 0 && shape.size() == 1) shape.insert(shape.begin(), 1);
  expects(shape.size() == 2 || shape.size() == 3, place, " is ", w.codes->text(),
          ", expected two extents, rows and columns, or three with the matrices in front");
  coded_tensor out;
  out.type = w.type;
  out.matrices = shape.size() == 3 ? shape[0] : 1;
  out.rows = shape[shape.size() - 2];
  out.columns = shape.back();
  expects(out.size() > 0, place, " is ", w.codes->text(), ", expected at least one element");

  // Where they are.
  const auto place_of = [&](const std::string& name, const stored_tensor& t, std::size_t align) {
    if (t.type == dtype::f64 || reinterpret_cast<std::uintptr_t>(t.bytes.data()) % align != 0) {
      const bool rounded = t.type == dtype::f64;
      const auto size = static_cast<std::size_t>(rounded ? t.size() * 4 : t.bytes.size());
      // An array of new is aligned for every type up to std::max_align_t.
      std::shared_ptr<std::byte[]> copy(new std::byte[size + 1]);
      if (rounded)
        t.copy_to(reinterpret_cast<float*>(copy.get()));
      else if (size > 0)
        std::memcpy(copy.get(), t.bytes.data(), size);
      const std::byte* first = copy.get();
      out.owners.emplace_back(std::move(copy));
      return first;
    }
    if constexpr (requires { source.owner(name); }) out.owners.push_back(source.owner(name));
    return t.bytes.data();
  };
  const std::byte* codes = place_of(
      w.name, *w.codes, info.scale_bytes == 0 ? static_cast<std::size_t>(info.bits / 8) : 1);
  const std::byte* scales = nullptr;
  const index_t scale_rows = ceil_div(out.rows, info.block_rows);
  if (info.scale_bytes > 0) {
    stored_tensor wanted;
    wanted.type = w.type == coding::fp8     ? dtype::f32
                  : w.type == coding::mxfp4 ? dtype::u8
                                            : dtype::f16;
    wanted.shape = {scale_rows, ceil_div(out.columns, info.block_columns)};
    if (shape.size() == 3) wanted.shape.insert(wanted.shape.begin(), out.matrices);
    expects(w.scales != nullptr, place, " is ", w.codes->text(), " and needs its scales \"",
            w.scales_name, "\", ", wanted.text());
    expects(w.scales->type == wanted.type && w.scales->shape == wanted.shape, source.path(),
            ": tensor \"", w.scales_name, "\" is ", w.scales->text(), ", expected ", wanted.text());
    scales = place_of(w.scales_name, *w.scales, static_cast<std::size_t>(info.scale_bytes));
  }
  for (index_t m = 0; m < out.matrices; ++m)
    out.parts.push_back({codes + m * out.rows * out.row_bytes(),
                         scales ? scales + m * scale_rows * out.scale_row_bytes() : nullptr,
                         out.rows});
  out.check();
  return out;
}

}  // namespace dsr1
