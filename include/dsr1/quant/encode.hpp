// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Weights into codes, a few rows at a time, and codes into weights.
#pragma once

#include <functional>
#include <tuple>
#include <utility>

#include <dsr1/quant/fp8.hpp>
#include <dsr1/quant/int4.hpp>
#include <dsr1/quant/int8.hpp>
#include <dsr1/quant/mxfp4.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace dsr1 {

/// In the order of `coding`.
using all_codecs =
    std::tuple<f32_codec, f16_codec, bf16_codec, fp8_codec, mxfp4_codec, int8_codec, int4_codec>;

/// The codec of a coding, with its default policy.
template <coding Type>
using codec_of = std::tuple_element_t<static_cast<std::size_t>(Type), all_codecs>;

static_assert(codec_of<coding::bf16>::type == coding::bf16 &&
              codec_of<coding::mxfp4>::type == coding::mxfp4 &&
              codec_of<coding::int4>::type == coding::int4);

/// Calls f with the codec of a coding known at run time: f(mxfp4_codec{}), say.
template <class F>
decltype(auto) with_codec(coding type, F&& f) {
  switch (type) {
    case coding::f16:
      return f(f16_codec{});
    case coding::bf16:
      return f(bf16_codec{});
    case coding::fp8:
      return f(fp8_codec{});
    case coding::mxfp4:
      return f(mxfp4_codec{});
    case coding::int8:
      return f(int8_codec{});
    case coding::int4:
      return f(int4_codec{});
    case coding::f32:
      break;
  }
  return f(f32_codec{});
}

/// out[columns] = a row of a coded tensor, decoded; T is float or double.
template <class T>
void unpack(const coded_tensor& w, index_t matrix, index_t row, T* out) {
  expects(matrix >= 0 && matrix < w.matrices && row >= 0 && row < w.rows, "row ", row,
          " of matrix ", matrix, " of a coded tensor ", w.text());
  with_codec(w.type, [&](auto c) { c.decode(w.row(matrix, row), w.columns, out); });
}

/// The memory of a coded tensor of one part, to be filled.
class encoded {
 public:
  encoded(coding type, index_t matrices, index_t rows, index_t columns) {
    tensor_.type = type;
    tensor_.matrices = matrices;
    tensor_.rows = rows;
    tensor_.columns = columns;
    const coding_info& info = info_of(type);
    matrix_codes_ = rows * tensor_.row_bytes();
    matrix_scales_ = ceil_div(rows, info.block_rows) * tensor_.scale_row_bytes();
    // One byte more, so that there is an address even without elements.
    memory_ = std::make_shared<buffer<std::byte>>(matrices * (matrix_codes_ + matrix_scales_) + 1);
    std::byte* const scales = memory_->data() + matrices * matrix_codes_;
    for (index_t m = 0; m < matrices; ++m)
      tensor_.parts.push_back({memory_->data() + m * matrix_codes_,
                               info.scale_bytes ? scales + m * matrix_scales_ : nullptr, rows});
    tensor_.owners.push_back(memory_);
    tensor_.check();
  }

  /// Where the codes of a row go, and the scales of its blocks.
  std::byte* codes(index_t matrix, index_t row) {
    return memory_->data() + matrix * matrix_codes_ + row * tensor_.row_bytes();
  }
  std::byte* scales(index_t matrix, index_t row) {
    return memory_->data() + tensor_.matrices * matrix_codes_ + matrix * matrix_scales_ +
           row / info_of(tensor_.type).block_rows * tensor_.scale_row_bytes();
  }
  /// Shares the memory, which lives as long as either.
  const coded_tensor& tensor() const { return tensor_; }

 private:
  coded_tensor tensor_;
  std::shared_ptr<buffer<std::byte>> memory_;
  index_t matrix_codes_ = 0;
  index_t matrix_scales_ = 0;
};

/// The codes of matrices [matrices, rows, columns] whose rows `source(matrix, first, count, out)`
/// writes to out [count, columns]: count is the number of rows that share scales (1 or up to 128),
/// so besides the codes only those rows are in memory.
/// Throws `error` naming the matrix, row and column of a number that is not finite or too large.
template <codec C, class Source>
  requires std::invocable<Source&, index_t, index_t, index_t, float*>
coded_tensor encode(const C& c, index_t matrices, index_t rows, index_t columns, Source&& source) {
  encoded to(C::type, matrices, rows, columns);
  const index_t band = info_of(C::type).block_rows;
  buffer<float> memory(band * columns);
  for (index_t m = 0; m < matrices; ++m)
    for (index_t r = 0; r < rows; r += band) {
      const auto x = memory.as(std::min(band, rows - r), columns);
      source(m, r, x.rows(), x.data);
      for (index_t i = 0; i < x.size(); ++i)
        expects(std::abs(x.data[i]) <= C::largest, "matrix ", m, ", row ", r + i / columns,
                ", column ", i % columns, " is ", x.data[i], "; ", info_of(C::type).name,
                " codes finite numbers up to ", C::largest);
      c.encode(x, to.codes(m, r), to.scales(m, r));
    }
  return to.tensor();
}

/// The codes of w [matrices, rows, columns].
template <codec C>
coded_tensor encode(const C& c, view<const float, 3> w) {
  return encode(c, w.extents[0], w.extents[1], w.extents[2],
                [&](index_t m, index_t first, index_t count, float* out) {
                  std::copy_n(w[m].row(first), count * w.extents[2], out);
                });
}
/// The codes of w [rows, columns].
template <codec C>
coded_tensor encode(const C& c, view<const float, 2> w) {
  return encode(c, 1, w.rows(), w.columns(),
                [&](index_t, index_t first, index_t count, float* out) {
                  for (index_t r = 0; r < count; ++r)
                    std::copy_n(w.row(first + r), w.columns(), out + r * w.columns());
                });
}
/// The same with the default policy of a coding.
template <int Rank>
coded_tensor encode(coding type, view<const float, Rank> w) {
  return with_codec(type, [&](auto c) { return encode(c, w); });
}

/// A coded tensor in another coding.
template <codec C>
coded_tensor recode(const C& c, const coded_tensor& w) {
  w.check();
  return encode(c, w.matrices, w.rows, w.columns,
                [&](index_t m, index_t first, index_t count, float* out) {
                  for (index_t r = 0; r < count; ++r) unpack(w, m, first + r, out + r * w.columns);
                });
}

}  // namespace dsr1
