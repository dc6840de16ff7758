// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers on the wire, coded and decoded on a CUDA device at the speed of its memory.
#pragma once

#include <type_traits>

#include <dsr1/cuda/wire_codes.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// The largest magnitudes of blocks of many pieces; a warp looks at 16 pieces. `largest` is zero
/// before.
inline constexpr index_t wire_span = 16;
template <class T>
__global__ void wire_largest(wire_deal d, index_t spans, view<const T, 2> x, view<T, 2> residual,
                             view<std::uint32_t, 2> largest) {
  const index_t warp = thread_number() / warp_size, block = warp / spans;
  const index_t first = block * d.pieces + warp % spans * wire_span;
  std::uint32_t most = 0;
  if (block < d.rows * d.blocks) {
    const index_t end = std::min(first + wire_span, (block + 1) * d.pieces);
#pragma unroll 2
    for (index_t piece = first; piece < end; ++piece) {
      T v[wire_each];
      const wire_part p(d, piece * warp_size + lane_number());
      most = std::max(most, wire_numbers(p, x, residual, v));
    }
  }
  most = warp_reduce(most, larger());
  if (lane_number() == 0 && most > 0) atomicMax(largest.data + block, most);
}

/// One thread per eight numbers. `largest` is empty where a block is one piece.
template <wire_code Code, bool Stochastic, class T>
__global__ void wire_pack(wire_deal d, view<const T, 2> x, view<T, 2> residual,
                          random_stream random, std::uint64_t first,
                          view<const std::uint32_t, 2> largest, view<std::byte, 2> to) {
  constexpr int bits = wire_bits<Code>;
  const wire_part p(d, thread_number());
  T v[wire_each];
  std::uint32_t most = wire_numbers(p, x, residual, v);
  wire_scale s{1, 1};
  if constexpr (Code >= wire_code::fp8) {
    if (largest.data)
      most = p.count > 0 ? largest(p.row, p.block) : 0;
    else
      for (int distance = (1 << d.log_lanes) / 2; distance > 0; distance /= 2)
        most = std::max(most, __shfl_xor_sync(all_lanes, most, distance));
    s = wire_scale_of(Code, most);
    if (p.count > 0 && p.at == 0)
      wire_store_bytes(to.row(p.row) + 4 * p.block, 4, {std::bit_cast<std::uint32_t>(s.scale)});
  }
  std::uint32_t random_bits[wire_each] = {};
  if constexpr (Stochastic) {
    const index_t draw =
        (p.row * d.blocks + p.block) * ceil_div(d.block, index_t{128}) + p.at / 128;
    wire_random(random, first + static_cast<std::uint64_t>(draw), p.at, d.log_lanes, random_bits);
  }
  std::uint32_t words[wire_each * bits / 32] = {};
#pragma unroll
  for (int i = 0; i < wire_each; ++i) {
    const std::uint32_t c = wire_coded<Code, Stochastic>(wire_float(v[i]), s, random_bits[i]) &
                            0xffffffffu >> (32 - bits);
    words[i * bits / 32] |= c << i * bits % 32;
    v[i] -= static_cast<T>(wire_decoded<Code>(c, s.scale));
  }
  if (p.count == 0) return;
  std::byte* const codes = to.row(p.row) + d.codes + p.column * bits / 8;
  const int bytes = (p.count * bits + 7) / 8;
  wire_store_bytes(codes, bytes, words);
  if (p.column + p.count == d.n)  // the zeros at the end
    for (std::byte* z = codes + bytes; z < to.row(p.row) + to.columns(); ++z) *z = std::byte{};
  if (residual.data && s.scale == s.scale) wire_store(residual.row(p.row) + p.column, p.count, v);
}

template <wire_code Code, bool Add, class T>
__global__ void wire_unpack(wire_deal d, view<const std::byte, 2> from, view<T, 2> y) {
  constexpr int bits = wire_bits<Code>;
  const wire_part p(d, thread_number());
  if (p.count == 0) return;
  std::uint32_t scale[1] = {}, words[wire_each * bits / 32];
  if constexpr (Code >= wire_code::fp8) wire_load_bytes(from.row(p.row) + 4 * p.block, 4, scale);
  wire_load_bytes(from.row(p.row) + d.codes + p.column * bits / 8, (p.count * bits + 7) / 8, words);
  T* const to = y.row(p.row) + p.column;
  T v[wire_each] = {};
  if constexpr (Add) wire_load(static_cast<const T*>(to), p.count, v);
#pragma unroll
  for (int i = 0; i < wire_each; ++i) {
    const auto decoded = static_cast<T>(
        wire_decoded<Code>(words[i * bits / 32] >> i * bits % 32, std::bit_cast<float>(scale[0])));
    v[i] = Add ? v[i] + decoded : decoded;
  }
  wire_store(to, p.count, v);
}

/// The least place of a number that is not finite, where there is one; a warp looks at 1024.
inline constexpr int wire_looks = 4;
template <class T>
__global__ void first_not_finite(view<const T, 1> x, unsigned long long* first) {
  constexpr unsigned long long none = ~0ull;
  unsigned long long mine = none;
  const index_t begin = thread_number() / warp_size * (wire_looks * warp_size * wire_each);
#pragma unroll
  for (int look = wire_looks - 1; look >= 0; --look) {
    const index_t at = begin + (look * warp_size + lane_number()) * wire_each;
    T v[wire_each];
    wire_load(x.data + at,
              static_cast<int>(std::clamp(x.rows() - at, index_t{0}, index_t{wire_each})), v);
#pragma unroll
    for (int i = wire_each - 1; i >= 0; --i)
      if (!(std::abs(v[i]) < static_cast<T>(wire_limit)))
        mine = static_cast<unsigned long long>(at + i);
  }
  // The complement, so that the least place is the largest.
  mine = ~warp_reduce(~mine, larger());
  if (lane_number() == 0 && mine != none) atomicMin(first, mine);
}

}  // namespace cuda_kernels

/// The group `wire_ops` of the backend contract. Each number is computed alone, and the largest
/// magnitude is one of whole numbers, so no order changes a bit. `first_not_finite` waits for the
/// device.
struct cuda_wire {
  template <class Ctx, class T>
  static void wire_pack(Ctx& ctx, const wire_format& f, view<const T, 2> x, view<T, 2> residual,
                        const random_stream& random, std::uint64_t first, view<std::byte, 2> to) {
    expect_wire_pack(f, x, residual, to);
    const cuda_kernels::wire_deal d(f, x.rows(), x.columns());
    const workspace::scope scope(ctx.workspace());
    view<std::uint32_t, 2> largest;
    if (f.scaled() && d.pieces > 1 && d.threads() > 0) {
      largest = ctx.template take<std::uint32_t>(d.rows, d.blocks);
      check(cudaMemsetAsync(largest.data, 0, static_cast<std::size_t>(largest.size()) * 4,
                            ctx.device().stream()),
            "cudaMemsetAsync");
      const index_t spans = ceil_div(d.pieces, cuda_kernels::wire_span);
      launch_each(ctx, "wire_pack", d.rows * d.blocks * spans * warp_size,
                  cuda_kernels::wire_largest<T>, d, spans, x, residual, largest);
    }
    with_code(f.code, [&](auto code) {
      const auto start = [&](auto kernel) {
        launch_each(ctx, "wire_pack", d.threads(), kernel, d, x, residual, random, first, largest,
                    to);
      };
      if constexpr (code() != wire_code::f32)
        if (f.stochastic) return start(&cuda_kernels::wire_pack<code(), true, T>);
      start(&cuda_kernels::wire_pack<code(), false, T>);
    });
  }

  template <class Ctx, class T>
  static void wire_unpack(Ctx& ctx, const wire_format& f, view<const std::byte, 2> from,
                          view<T, 2> y) {
    expect_wire_bytes("wire_unpack", f, y, from);
    unpack<false>(ctx, "wire_unpack", f, from, y);
  }
  template <class Ctx, class T>
  static void wire_unpack_add(Ctx& ctx, const wire_format& f, view<const std::byte, 2> from,
                              view<T, 2> y) {
    expect_wire_bytes("wire_unpack_add", f, y, from);
    unpack<true>(ctx, "wire_unpack_add", f, from, y);
  }

  template <class Ctx, class T>
  static index_t first_not_finite(Ctx& ctx, view<const T, 1> v) {
    if (v.rows() == 0) return -1;
    const workspace::scope scope(ctx.workspace());
    const auto first = ctx.template take<unsigned long long>(1);
    check(cudaMemsetAsync(first.data, 0xff, sizeof(unsigned long long), ctx.device().stream()),
          "cudaMemsetAsync");
    launch_each(ctx, "first_not_finite",
                ceil_div(v.rows(), index_t{cuda_kernels::wire_looks * cuda_kernels::wire_each}),
                cuda_kernels::first_not_finite<T>, v, first.data);
    unsigned long long host = 0;
    check(cudaMemcpyAsync(&host, first.data, sizeof host, cudaMemcpyDeviceToHost,
                          ctx.device().stream()),
          "first_not_finite");
    ctx.device().wait("first_not_finite");
    return static_cast<index_t>(host);  // all ones where there is none
  }

 private:
  /// f(a constant that is the code).
  template <class F>
  static void with_code(wire_code code, F&& f) {
    switch (code) {
      case wire_code::f32:
        return f(std::integral_constant<wire_code, wire_code::f32>());
      case wire_code::bf16:
        return f(std::integral_constant<wire_code, wire_code::bf16>());
      case wire_code::fp8:
        return f(std::integral_constant<wire_code, wire_code::fp8>());
      case wire_code::int8:
        return f(std::integral_constant<wire_code, wire_code::int8>());
      case wire_code::int4:
        return f(std::integral_constant<wire_code, wire_code::int4>());
    }
  }

  template <bool Add, class Ctx, class T>
  static void unpack(Ctx& ctx, const char* name, const wire_format& f,
                     view<const std::byte, 2> from, view<T, 2> y) {
    const cuda_kernels::wire_deal d(f, y.rows(), y.columns());
    with_code(f.code, [&](auto code) {
      launch_each(ctx, name, d.threads(), &cuda_kernels::wire_unpack<code(), Add, T>, d, from, y);
    });
  }
};

}  // namespace dsr1
