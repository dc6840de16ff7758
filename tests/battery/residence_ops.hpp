// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of where codes lie; see backend/residence_ops.hpp.
#pragma once

#include "battery/quant_ops.hpp"

#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace battery {

/// Where codes may lie for a device that reads pages of the host, or does not.
inline std::span<const dsr1::residence> residences(bool reads_pages) {
  static constexpr dsr1::residence all[] = {dsr1::residence::device, dsr1::residence::host,
                                            dsr1::residence::file};
  return {all, reads_pages ? 3u : 2u};
}

/// y = x of five tokens times the three matrices of w, for tokens 0, 1 to 4 and none.
template <class T, class Ctx>
std::vector<T> product_of(Ctx& ctx, const coded_tensor& w) {
  const index_t ends[] = {1, 5, 5};
  const device_matrix<Ctx, T> x(ctx, 5, w.columns, normals<T>(5 * w.columns, 1)), y(ctx, 5, w.rows);
  Ctx::backend::coded_matmul(ctx, x.in(), dsr1::row_groups(ends), w, y.out(), view<const T, 2>());
  return y.host();
}

inline std::vector<coded_tensor> tensors_of_every_kind() {
  std::vector<coded_tensor> out;
  for (const dsr1::coding_info& info : dsr1::codings) {
    // Scales, which lie behind the codes here, are aligned.
    const bool blocks = info.block_rows > 1;
    const index_t columns = info.bits == 4 ? 96 : blocks ? 132 : 84, rows = blocks ? 130 : 6;
    out.push_back(weights(info.type, 3, rows, columns));
    if (blocks) continue;
    out.push_back(in_parts(out.back(), 2, true));
    out.push_back(in_parts(out.back(), 3, false));
  }
  return out;
}

/// Wherever the codes lie, the bits are the same.
template <class T, class Ctx>
void residences_are_equal(Ctx& ctx, bool reads_pages = true) {
  for (const coded_tensor& w : tensors_of_every_kind()) {
    ctx.workspace().reset();
    const auto expected = product_of<T>(ctx, Ctx::backend::resident(ctx, w));
    for (const auto where : residences(reads_pages)) {
      const coded_tensor there = Ctx::backend::resident(ctx, w, where);
      CHECK(there.text() == w.text());
      CHECK(there.bytes() == w.bytes());
      check_same(product_of<T>(ctx, there), expected,
                 dsr1::text(w.text(), " in residence ", text_of(where)));
    }
  }
}

/// Reading at a copy of a matrix of other numbers gives their product, and back at home the old
/// one.
template <class T, class Ctx>
void codes_are_read_at(Ctx& ctx, bool reads_pages = true) {
  for (const coded_tensor& w : tensors_of_every_kind())
    for (const auto where : residences(reads_pages)) {
      ctx.workspace().reset();
      coded_tensor there = Ctx::backend::resident(ctx, w, where);
      const std::vector<dsr1::coded_part> home = there.parts;
      const auto expected = product_of<T>(ctx, there);
      // Group 1 reads matrix 2, which is another's.
      dsr1::buffer<std::byte> slot(4 * w.bytes() + 4096, ctx.memory());
      std::vector<dsr1::code_copy> copies;
      const auto count = at(w.parts_per_matrix());
      const std::span<const dsr1::coded_part> all(home);
      const auto third = all.subspan(2 * count, count);
      std::vector<dsr1::coded_part> parts(third.begin(), third.end());
      dsr1::lay_out(there, parts, slot.data(),
                    [&](const dsr1::code_copy& c) { copies.push_back(c); });
      auto under_way = Ctx::backend::copy_aside(ctx, copies);
      check_same(product_of<T>(ctx, there), expected, "while the copy is under way");
      for (int asked = 0; !under_way.done(); ++asked) REQUIRE(asked < 1000000);
      Ctx::backend::read_at(ctx, there, 1, parts);
      const auto moved = product_of<T>(ctx, there);
      coded_tensor other = w;
      std::copy_n(w.parts.begin() + 2 * w.parts_per_matrix(), count,
                  other.parts.begin() + w.parts_per_matrix());
      check_same(moved, product_of<T>(ctx, Ctx::backend::resident(ctx, other)),
                 dsr1::text(w.text(), ": at the copy"));
      CHECK(moved != expected);
      Ctx::backend::read_at(ctx, there, 1, all.subspan(count, count));
      check_same(product_of<T>(ctx, there), expected, dsr1::text(w.text(), ": at home again"));
      CHECK(mentions(message_of([&] { Ctx::backend::read_at(ctx, there, 3, parts); }),
                     "matrix 3 of", w.text()));
    }
}

}  // namespace battery
