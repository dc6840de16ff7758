// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What every kernel of whole-number products must show: rounding, tiles and direct products of
// every size, the largest codes, and nothing touched beyond an operand.
#pragma once

#include "battery/quant_ops.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/int8_kernels.hpp>

namespace int8_suite {

using namespace dsr1;

/// f.operator()<Type>() for the codings of whole numbers.
template <class F>
void for_each_whole(F&& f) {
  for (const coding_info& info : codings) {
    INFO(info.name);
    with_codec(info.type, [&](auto c) {
      if constexpr (simd::in_whole_numbers(decltype(c)::type))
        f.template operator()<decltype(c)::type>();
    });
  }
}

/// Codes and scales of a matrix, each ending where accessible memory ends.
struct guarded_matrix {
  guarded<std::byte> codes, scales;
  coded_tensor tensor;

  explicit guarded_matrix(const coded_tensor& w)
      : codes(copy(w.parts[0].codes, w.rows * w.row_bytes())),
        scales(copy(w.parts[0].scales, w.rows * w.scale_row_bytes())),
        tensor(w) {
    tensor.parts[0] = {codes.data(), scales.data(), w.rows};
  }
  static std::vector<std::byte> copy(const std::byte* from, index_t n) { return {from, from + n}; }
};

template <coding Type, class T, class Kernels>
std::vector<simd::int8_block<T>> rounded(const std::vector<T>& x, index_t columns) {
  std::vector<simd::int8_block<T>> out(x.size() / 32);
  for (std::size_t t = 0; t < x.size() / at(columns); ++t)
    Kernels::template round<Type>(x.data() + t * at(columns), columns,
                                  out.data() + t * at(columns / 32));
  return out;
}

/// Column i of a block of a token.
template <coding Type, class T>
double number_at(const simd::int8_block<T>& b, int i) {
  const int place = simd::in_pairs(Type) ? i / 2 + i % 2 * 16 : i;
  return b.codes[place] * static_cast<double>(b.scale) / static_cast<double>(simd::unit_of(Type));
}

/// The product in double, with the rounded numbers.
template <coding Type, class T>
std::vector<double> expected(const coded_tensor& w, const std::vector<simd::int8_block<T>>& x,
                             index_t tokens, const std::vector<T>& bias) {
  std::vector<double> numbers;
  for (const auto& block : x)
    for (int i = 0; i < 32; ++i) numbers.push_back(number_at<Type>(block, i));
  const index_t ends[] = {tokens};
  return battery::expected_product(numbers, row_groups(ends), w, battery::doubles(bias));
}

/// Every way to the product gives the same bits, close to the one in double.
template <coding Type, class T, class Kernels>
void check_product(const coded_tensor& weights, const std::vector<T>& x, index_t tokens,
                   double tolerance) {
  constexpr int most = Kernels::rows;
  const guarded_matrix w(weights);
  const index_t columns = weights.columns, blocks = columns / 32;
  const auto rounded_x = rounded<Type, T, Kernels>(x, columns);
  const guarded<simd::int8_block<T>> tokens_memory(rounded_x);
  const simd::int8_tokens<T> all(tokens_memory.data(), tokens, blocks);
  for (int count = 1; count <= std::min<int>(most, static_cast<int>(weights.rows)); ++count) {
    const auto offset = battery::normals<T>(count, 2);
    const guarded<T> bias(offset);
    coded_row rows[most];
    for (int r = 0; r < most; ++r) rows[r] = w.tensor.row(0, std::min(r, count - 1));
    guarded<std::uint8_t> tile(at(most * columns));
    guarded<T> scales(at(most * blocks)), y(at(tokens * count));
    Kernels::template decode<Type>(rows, blocks, tile.data(), scales.data(), 0);
    Kernels::template multiply<Type>(tile.data(), scales.data(), all, bias.data(), y.data(), count,
                                     count);
    coded_tensor some = weights;
    some.rows = some.parts[0].rows = count;
    const auto want = expected<Type, T>(some, rounded_x, tokens, offset);
    for (std::size_t i = 0; i < want.size(); ++i)
      REQUIRE(std::abs(static_cast<double>(y[i]) - want[i]) <= tolerance * (1 + std::abs(want[i])));
    for (const index_t step : {index_t{1}, Kernels::most_direct})
      for (index_t t = 0; step > 0 && Kernels::most_direct > 0 && t < tokens; t += step) {
        const index_t n = std::min(step, tokens - t);
        guarded<T> part(at(n * count));
        Kernels::template few<Type>(rows, all.slice_rows(t, n), bias.data(), part.data(), count,
                                    count, 0);
        battery::check_same(part.vector(),
                            std::vector<T>(y.data() + t * count, y.data() + (t + n) * count),
                            text(n, " tokens from ", t, ", ", count, " rows"));
      }
  }
}

template <class T>
double tolerance() {
  return std::is_same_v<T, double> ? 1e-12 : 2e-5;
}

/// To the nearest code, within half a step; zeros; what is not finite.
template <class T, class Kernels>
void rounding() {
  for_each_whole([&]<coding Type>() {
    const index_t columns = 192;
    auto x = battery::normals<T>(columns, 7, 3.0);
    std::fill_n(x.begin() + 32, 32, T(0));
    std::fill_n(x.begin() + 64, 32, T(1e-32));  // below 2^-100
    for (int i = 0; i < 32; ++i) x[at(96 + i)] = T(i - 16) * T(127) / T(16);
    x[130] = std::numeric_limits<T>::quiet_NaN();
    x[170] = -std::numeric_limits<T>::infinity();
    const auto b = rounded<Type, T, Kernels>(x, columns);
    const double most = std::abs(static_cast<double>(*std::max_element(
        x.begin(), x.begin() + 32, [](T p, T q) { return std::abs(p) < std::abs(q); })));
    int sum = 0;
    for (int i = 0; i < 32; ++i) {
      CHECK(std::abs(number_at<Type>(b[0], i) - static_cast<double>(x[at(i)])) <=
            most / 254 * 1.00001);
      CHECK(number_at<Type>(b[1], i) == 0);
      CHECK(number_at<Type>(b[2], i) == 0);
      CHECK(number_at<Type>(b[3], i) == Approx(std::nearbyint((i - 16) * 127.0 / 16)).margin(1e-5));
      sum += b[0].codes[i];
    }
    CHECK(b[0].start == -simd::offset_of(Type) * sum);
    CHECK((b[1].scale == 0 && b[1].start == 0 && b[2].scale == 0 && b[2].start == 0));
    CHECK((std::isnan(b[4].scale) && std::isnan(b[5].scale)));
  });
}

/// Of all small sizes, as a tile and directly.
template <class T, class Kernels>
void products() {
  for_each_whole([&]<coding Type>() {
    for (const index_t columns : {32, 64, 96, 160, 320})
      for (const index_t tokens : {1, 2, 3, 4, 5, 7, 8, 17})
        check_product<Type, T, Kernels>(battery::weights(Type, 1, Kernels::rows, columns),
                                        battery::normals<T>(tokens * columns, 1), tokens,
                                        tolerance<T>());
  });
}

/// Of weights and tokens: nothing overflows.
template <class T, class Kernels>
void largest_codes() {
  for_each_whole([&]<coding Type>() {
    for (const int code : {0x00, 0x77, 0xff, 0x7f, 0x80, 0x88, 0x78, 0xf7})
      for (const T sign : {T(1), T(-1)}) {
        encoded w(Type, 1, Kernels::rows, 64);
        for (index_t r = 0; r < Kernels::rows; ++r) {
          std::fill_n(w.codes(0, r), w.tensor().row_bytes(), static_cast<std::byte>(code));
          for (index_t b = 0; b < 2; ++b)
            if (Type == coding::mxfp4)
              codes::store(w.scales(0, r), b, std::uint8_t{127});
            else
              codes::store(w.scales(0, r), b, half(1.0f));
        }
        std::vector<T> x(3 * 64, sign);
        for (std::size_t i = 64; i < 128; ++i) x[i] = i % 2 ? sign : -sign;
        check_product<Type, T, Kernels>(w.tensor(), x, 3, tolerance<T>());
      }
  });
}

/// From 2^-127 on, NaN as NaN.
template <class T, class Kernels>
void mxfp4_scales() {
  for (const int s : {0, 1, 2, 127, 200, 254, 255}) {
    encoded w(coding::mxfp4, 1, 1, 32);
    std::fill_n(w.codes(0, 0), 16, std::byte{0x22});  // ones
    codes::store(w.scales(0, 0), 0, static_cast<std::uint8_t>(s));
    const std::vector<T> x(32, T(1));
    const auto tokens = rounded<coding::mxfp4, T, Kernels>(x, 32);
    coded_row rows[Kernels::rows];
    for (coded_row& r : rows) r = w.tensor().row(0, 0);
    std::vector<std::uint8_t> tile(at(Kernels::rows * 32));
    std::vector<T> scales(at(Kernels::rows));
    Kernels::template decode<coding::mxfp4>(rows, 1, tile.data(), scales.data(), 0);
    if (s == 255)
      CHECK(std::isnan(scales[0]));
    else
      CHECK(static_cast<double>(scales[0]) == std::ldexp(1.0, s - 127));
    T y = 0;
    Kernels::template multiply<coding::mxfp4>(
        tile.data(), scales.data(), simd::int8_tokens<T>(tokens.data(), 1, 1), nullptr, &y, 1, 1);
    if (s == 255)
      CHECK(std::isnan(y));
    else if (s < 250)
      CHECK(static_cast<double>(y) == Approx(std::ldexp(32.0, s - 127)));
  }
}

template <class T, class Kernels>
void all() {
  SECTION("rounding") { rounding<T, Kernels>(); }
  SECTION("products of all small sizes, as a tile and directly") { products<T, Kernels>(); }
  SECTION("the largest codes do not overflow") { largest_codes<T, Kernels>(); }
  SECTION("scales of MXFP4 from 2^-127 on") { mxfp4_scales<T, Kernels>(); }
}

}  // namespace int8_suite
