// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every code under every scale, decoded in registers: the same bits as the codec's own.

#include <bit>
#include <cmath>

#include "cpu/each_isa.hpp"

#include <dsr1/cpu/coded_kernels.hpp>

using namespace dsr1;

namespace {

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

/// A row of 32 columns with these codes and this scale, by the kernels and by the codec.
template <class Set, coding Type>
bool agrees(const std::vector<std::byte>& codes, const std::vector<std::byte>& scale) {
  const guarded<std::byte> c(codes), s(scale);
  float fast[32], slow[32];
  simd::coded_kernels<Set>::template decode_row<Type>({c.data(), s.data()}, 32, true, fast);
  codec_of<Type>::decode({c.data(), s.data()}, 32, slow);
  for (int i = 0; i < 32; ++i)
    if (!same(fast[i], slow[i])) {
      UNSCOPED_INFO("column " << i << " is " << fast[i] << ", expected " << slow[i]);
      return false;
    }
  return true;
}

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> out(values.size() * sizeof(T));
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

template <class F>
void for_each_float_isa(F&& f) {
  for_each_isa([&](auto set) {
    if constexpr (std::is_same_v<typename decltype(set)::value, float>) f(set);
  });
}

}  // namespace

TEST_CASE("coded_lanes: every MXFP4 code under every scale, NaN too") {
  std::vector<std::byte> codes(16);
  for (unsigned i = 0; i < 16; ++i) codes[i] = static_cast<std::byte>(i | (i * 7 + 3) % 16 << 4);
  for_each_float_isa([&](auto set) {
    for (int s = 0; s < 256; ++s) {
      INFO("scale " << s);
      REQUIRE(agrees<decltype(set), coding::mxfp4>(codes, {static_cast<std::byte>(s)}));
    }
  });
}

TEST_CASE("coded_lanes: every E4M3, NaN too, under scales of all sizes") {
  for_each_float_isa([](auto set) {
    for (const float scale : {1.0f, -0.3f, 1e-38f, 0x1p-140f, 0x1p119f, 0.0f})
      for (unsigned first = 0; first < 256; first += 32) {
        std::vector<std::byte> codes;
        for (unsigned i = 0; i < 32; ++i) codes.push_back(static_cast<std::byte>(first + i));
        INFO("codes from " << first << ", scale " << scale);
        REQUIRE(agrees<decltype(set), coding::fp8>(codes, bytes_of<float>({scale})));
      }
  });
}

TEST_CASE("coded_lanes: every whole number, under halves of all sizes") {
  std::vector<std::byte> nibbles(16);
  for (unsigned i = 0; i < 16; ++i) nibbles[i] = static_cast<std::byte>(i | (i * 5 + 1) % 16 << 4);
  for_each_float_isa([&](auto set) {
    for (const std::uint16_t bits : {0x3c00, 0xb456, 0x0001, 0x8000, 0x7bff, 0x0401}) {
      const auto scale = bytes_of<std::uint16_t>({bits});
      REQUIRE(agrees<decltype(set), coding::int4>(nibbles, scale));
      for (unsigned first = 0; first < 256; first += 32) {
        std::vector<std::byte> codes;
        for (unsigned i = 0; i < 32; ++i) codes.push_back(static_cast<std::byte>(first + i));
        REQUIRE(agrees<decltype(set), coding::int8>(codes, scale));
      }
    }
  });
}

TEST_CASE("coded_lanes: every 16-bit float, and floats") {
  for_each_float_isa([](auto set) {
    for (unsigned first = 0; first < 65536; first += 32) {
      std::vector<std::uint16_t> codes;
      for (unsigned i = 0; i < 32; ++i) codes.push_back(static_cast<std::uint16_t>(first + i));
      const auto b = bytes_of(codes);
      INFO("codes from " << first);
      REQUIRE(agrees<decltype(set), coding::f16>(b, {}));
      REQUIRE(agrees<decltype(set), coding::bf16>(b, {}));
    }
    REQUIRE(agrees<decltype(set), coding::f32>(bytes_of(battery::normals<float>(32, 1)), {}));
  });
}

TEST_CASE("coded_lanes: four sums are those of the sixteen lanes one by one") {
  for_each_float_isa([](auto set) {
    using S = decltype(set);
    const auto x = battery::normals<float>(64, 3);
    // With one column of ones a product is the sum of a row's lanes.
    using kernels = simd::coded_kernels<S>;
    float y[4] = {};
    std::vector<float> w(4 * 32), ones(32, 1.0f);
    for (std::size_t r = 0; r < 4; ++r)
      for (std::size_t i = 0; i < 16; ++i) w[r * 32 + i] = x[r * 16 + i];
    kernels::multiply(w.data(), 32, view<const float, 2>(ones.data(), 1, 32), nullptr,
                      view<float, 2>(y, 1, 4), 4);
    for (std::size_t r = 0; r < 4; ++r) {
      float lanes[16];
      std::copy_n(x.data() + r * 16, 16, lanes);
      for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      CHECK(y[r] == lanes[0]);
    }
  });
}
