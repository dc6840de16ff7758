// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers through a codec and back, from unaligned memory.
#pragma once

#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/quant/validate.hpp>

/// What [x.size() / columns, columns] become, all rows under one row of scales where that is so.
template <class T = float, class Codec>
std::vector<T> there_and_back(const Codec& c, const std::vector<float>& x, dsr1::index_t columns) {
  using namespace dsr1;
  const auto rows = static_cast<index_t>(x.size()) / columns;
  coded_tensor w{.type = Codec::type, .matrices = 1, .rows = rows, .columns = columns};
  const index_t scale_rows = ceil_div(rows, info_of(Codec::type).block_rows);
  std::vector<std::byte> memory(
      static_cast<std::size_t>(rows * w.row_bytes() + scale_rows * w.scale_row_bytes() + 2));
  std::byte* const codes = memory.data() + 1;
  std::byte* const scales = codes + rows * w.row_bytes();
  c.encode(view<const float, 2>(x.data(), rows, columns), codes, scales);
  w.parts.push_back({codes, info_of(Codec::type).scale_bytes ? scales : nullptr, rows});
  w.check();
  std::vector<T> out(x.size());
  for (index_t r = 0; r < rows; ++r) unpack(w, 0, r, out.data() + r * columns);
  return out;
}

/// The scale of the first block of one row.
template <class Scale, class Codec>
Scale scale_of(const Codec& c, const std::vector<float>& x) {
  const auto w = dsr1::encode(
      c, dsr1::view<const float, 2>(x.data(), 1, static_cast<dsr1::index_t>(x.size())));
  return dsr1::codes::load<Scale>(w.row(0, 0).scales);
}

/// 32 numbers that begin with these; the others are zero.
inline std::vector<float> block(std::vector<float> first) {
  first.resize(32);
  return first;
}
