// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tiles of all sizes for every coding, and nothing touched beyond an operand.

#include "battery/quant_ops.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/coded_kernels.hpp>

using namespace dsr1;

namespace {

/// f.operator()<Type>() for every coding.
template <class F>
void for_each_coding(F&& f) {
  for (const coding_info& info : codings) {
    INFO(info.name);
    with_codec(info.type, [&](auto c) { f.template operator()<decltype(c)::type>(); });
  }
}

/// The same codes and scales at the end of accessible memory.
struct guarded_rows {
  guarded<std::byte> codes, scales;
  coded_tensor tensor;

  explicit guarded_rows(const coded_tensor& w)
      : codes(std::vector<std::byte>(w.parts[0].codes, w.parts[0].codes + w.rows * w.row_bytes())),
        scales(w.parts[0].scales
                   ? std::vector<std::byte>(
                         w.parts[0].scales,
                         w.parts[0].scales +
                             ceil_div(w.rows, info_of(w.type).block_rows) * w.scale_row_bytes())
                   : std::vector<std::byte>()),
        tensor(w) {
    tensor.parts[0].codes = codes.data();
    if (w.parts[0].scales) tensor.parts[0].scales = scales.data();
  }
};

}  // namespace

TEST_CASE("coded_kernels: rows are decoded in the order in which tokens are arranged") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::coded_kernels<decltype(set)>;
    for_each_coding([&]<coding Type>() {
      for (const index_t columns : battery::widths(Type)) {
        const guarded_rows w(battery::weights(Type, 1, 3, columns));
        const index_t padded = round_up(columns, 32);
        for (index_t r = 0; r < 3; ++r) {
          std::vector<T> expected(at(columns));
          unpack(w.tensor, 0, r, expected.data());
          guarded<T> natural(at(columns)), lanes(at(padded)), arranged(at(padded));
          kernels::template decode_row<Type>(w.tensor.row(0, r), columns, true, natural.data());
          REQUIRE(natural.vector() == expected);
          kernels::template decode_row<Type>(w.tensor.row(0, r), columns, false, lanes.data());
          const guarded<T> x(expected);
          kernels::arrange(x.data(), columns, simd::in_pairs(Type), arranged.data());
          REQUIRE(lanes.vector() == arranged.vector());
        }
      }
    });
  });
}

TEST_CASE("coded_kernels: tiles of any height against double, with guarded operands") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::coded_kernels<decltype(set)>;
    for_each_coding([&]<coding Type>() {
      for (const index_t columns : battery::widths(Type))
        for (const index_t tokens : {1, 2, 3, 4, 5, 6, 7, 13})
          for (const int count : {1, 4}) {
            const guarded_rows w(battery::weights(Type, 1, count, columns));
            const index_t padded = round_up(columns, 32);
            const auto x = battery::normals<T>(tokens * columns, 1);
            const auto offset = battery::normals<T>(count, 2);
            const guarded<T> bias(offset);
            guarded<T> arranged(at(tokens * padded)), decoded(at(4 * padded)),
                y(at(tokens * count));
            simd::coded_rows_run run{.count = count};
            for (int r = 0; r < 4; ++r) {
              run.row[r] = w.tensor.row(0, std::min(r, count - 1));
              kernels::template decode_row<Type>(run.row[r], columns, false,
                                                 decoded.data() + r * padded);
            }
            for (index_t t = 0; t < tokens; ++t)
              kernels::arrange(x.data() + t * columns, columns, simd::in_pairs(Type),
                               arranged.data() + t * padded);
            kernels::multiply(decoded.data(), padded,
                              view<const T, 2>(arranged.data(), tokens, padded), bias.data(),
                              view<T, 2>(y.data(), tokens, count), count);
            const index_t ends[] = {tokens};
            battery::check_close(y.vector(),
                                 battery::expected_product(battery::doubles(x), row_groups(ends),
                                                           w.tensor, battery::doubles(offset)),
                                 text(tokens, " tokens by ", w.tensor.text()));
            // The same tokens, decoded in registers: all of them, and one at a time.
            for (const index_t most : {tokens, index_t{1}})
              for (index_t t = 0; t < tokens; t += most) {
                guarded<T> part(at(most * count));
                kernels::template multiply_direct<Type>(
                    run, columns, view<const T, 2>(arranged.data() + t * padded, most, padded),
                    bias.data(), part.data(), count);
                battery::check_same(
                    part.vector(),
                    std::vector<T>(y.data() + t * count, y.data() + (t + most) * count),
                    text("tokens from ", t, " by ", w.tensor.text()));
              }
          }
    });
  });
}
