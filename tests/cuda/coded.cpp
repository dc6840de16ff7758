// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Coded tensors as kernels see them: every code decodes exactly.

#include "battery/quant_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/coded.cuh>

using namespace dsr1;

namespace {

using ctx_type = context<cuda_part<cuda_tensor>>;

template <coding Type>
__global__ void decode_all(device_coded w, view<float, 2> out) {
  const index_t i = thread_number();
  constexpr int columns = coded_run<Type>::columns;
  if (i >= w.rows) return;
  const auto run = coded_run<Type>::load(w.row(0, i), 0, w.row_bytes, true);
  for (int q = 0; q < columns / 4; ++q) {
    float value[4];
    run.values(q, value);
    for (int c = 0; c < 4; ++c) out(i, 4 * q + c) = value[c] * run.factor();
  }
}

/// Rows of one block each, in which all codes of up to 16 bits occur.
template <coding Type>
void every_code(ctx_type& ctx, const std::vector<std::uint8_t>& scale) {
  constexpr index_t bits = info_of(Type).bits;
  constexpr index_t columns = bits == 4 ? 32 : coded_run<Type>::columns;
  constexpr index_t rows = bits == 16 ? 65536 / columns : 256 / columns * (bits == 4 ? 16 : 1);
  encoded host(Type, 1, rows, columns);
  for (index_t r = 0; r < rows; ++r) {
    for (index_t i = 0; i < columns * bits / 8; ++i)
      host.codes(0, r)[i] =
          static_cast<std::byte>(bits == 16 ? (r * columns + i / 2) >> (i % 2 * 8) & 255
                                            : (r * (bits == 4 ? 8 : columns) + i) & 255);
    if (r % info_of(Type).block_rows == 0 && !scale.empty())
      std::memcpy(host.scales(0, r), scale.data(), scale.size());
  }
  const coded_tensor there = cuda_residence::resident(ctx, host.tensor());
  ctx.workspace().reset();
  const battery::device_matrix<ctx_type, float> out(ctx, rows, columns);
  launch_each(ctx, "decode_all", rows, decode_all<Type>, device_coded(there, ctx.device().number()),
              out.out());
  const auto got = out.host();
  std::vector<float> expected(static_cast<std::size_t>(columns));
  for (index_t r = 0; r < rows; ++r) {
    unpack(host.tensor(), 0, r, expected.data());
    for (index_t c = 0; c < coded_run<Type>::columns; ++c) {
      const float a = got[static_cast<std::size_t>(r * columns + c)];
      const float b = expected[static_cast<std::size_t>(c)];
      if (!(std::isnan(b) ? std::isnan(a) : std::bit_cast<int>(a) == std::bit_cast<int>(b))) {
        CAPTURE(info_of(Type).name, r, c, a, b);
        REQUIRE(false);
      }
    }
  }
  SUCCEED();
}

}  // namespace

TEST_CASE("cuda coded: every code decodes to the bits of the codec", "[cuda]") {
  ctx_type ctx;
  every_code<coding::f16>(ctx, {});
  every_code<coding::bf16>(ctx, {});
  every_code<coding::fp8>(ctx, {0x01, 0x02, 0x03, 0x3f});
  every_code<coding::fp8>(ctx, {0xab, 0xaa, 0xaa, 0x80});  // a subnormal scale
  for (const std::uint8_t s : {0, 1, 127, 128, 200, 252, 255}) every_code<coding::mxfp4>(ctx, {s});
  for (const std::uint8_t high : {0x3c, 0xbc, 0x03, 0x83, 0x7b, 0x00}) {
    every_code<coding::int8>(ctx, {0x01, high});
    every_code<coding::int4>(ctx, {0x55, high});
  }
}
