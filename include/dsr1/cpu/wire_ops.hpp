// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers on the wire, coded and decoded on the CPU at the speed of memory.
#pragma once

#include <algorithm>
#include <atomic>

#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/wire_kernels.hpp>

namespace dsr1 {

/// The group `wire_ops` of the backend contract. A task is some blocks of one row, and each number
/// is computed alone, so neither threads nor the instruction set change a bit.
struct cpu_wire {
  template <class Ctx, class T>
  static void wire_pack(Ctx& ctx, const wire_format& f, view<const T, 2> x, view<T, 2> residual,
                        const random_stream& random, std::uint64_t first, view<std::byte, 2> to) {
    expect_wire_pack(f, x, residual, to);
    const index_t n = x.columns();
    each_block<T>(ctx, f, x.rows(), n, [&](auto kernels, index_t r, index_t b, index_t count) {
      const std::uint64_t draw =
          first + static_cast<std::uint64_t>(r) * f.draws(n) +
          static_cast<std::uint64_t>(b) * static_cast<std::uint64_t>(ceil_div(f.block, 128));
      const index_t at = b * f.block;
      kernels.pack(f, x.row(r) + at, residual.data ? residual.row(r) + at : nullptr, count, random,
                   draw, to.row(r) + 4 * b, to.row(r) + f.code_offset(n) + at * f.bits() / 8);
      if (at + count == n) {  // the zeros at the end
        const index_t end = f.code_offset(n) + ceil_div(n * f.bits(), 8);
        std::fill(to.row(r) + end, to.row(r) + to.columns(), std::byte{});
      }
    });
  }

  template <class Ctx, class T>
  static void wire_unpack(Ctx& ctx, const wire_format& f, view<const std::byte, 2> from,
                          view<T, 2> y) {
    expect_wire_bytes("wire_unpack", f, y, from);
    unpack(ctx, f, from, y, false);
  }
  template <class Ctx, class T>
  static void wire_unpack_add(Ctx& ctx, const wire_format& f, view<const std::byte, 2> from,
                              view<T, 2> y) {
    expect_wire_bytes("wire_unpack_add", f, y, from);
    unpack(ctx, f, from, y, true);
  }

  template <class Ctx, class T>
  static index_t first_not_finite(Ctx& ctx, view<const T, 1> v) {
    std::atomic<index_t> first = v.rows();
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      parallel(ctx, v.rows(), ceil_div(v.rows(), task), [&](index_t i, int) {
        const index_t begin = i * task;
        if (begin >= first.load(std::memory_order_relaxed)) return;
        const index_t bad = simd::wire_kernels<decltype(instructions)>::first_not_finite(
            v.data + begin, std::min(task, v.rows() - begin));
        if (bad < 0) return;
        index_t now = first.load();
        while (begin + bad < now && !first.compare_exchange_weak(now, begin + bad)) {
        }
      });
    });
    return first < v.rows() ? first.load() : -1;
  }

 private:
  static constexpr index_t task = 32'768;  // numbers

  template <class Ctx, class F>
  static void parallel(Ctx& ctx, index_t numbers, index_t tasks, F&& f) {
    if (numbers < 100'000)  // not worth waking a thread
      for (index_t i = 0; i < tasks; ++i) f(i, 0);
    else
      parallel_for(ctx, tasks, f);
  }

  /// f(kernels, row, block, numbers in it) over all blocks of all rows, in parallel.
  template <class T, class Ctx, class F>
  static void each_block(Ctx& ctx, const wire_format& format, index_t rows, index_t n, F&& f) {
    const index_t blocks = format.blocks(n), some = std::max<index_t>(task / format.block, 1);
    const index_t tasks = ceil_div(blocks, some);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      parallel(ctx, rows * n, rows * tasks, [&](index_t i, int) {
        const index_t r = i / tasks, begin = i % tasks * some;
        for (index_t b = begin; b < std::min(begin + some, blocks); ++b)
          f(simd::wire_kernels<decltype(instructions)>{}, r, b,
            std::min(format.block, n - b * format.block));
      });
    });
  }

  template <class Ctx, class T>
  static void unpack(Ctx& ctx, const wire_format& f, view<const std::byte, 2> from, view<T, 2> y,
                     bool add) {
    const index_t n = y.columns();
    each_block<T>(ctx, f, y.rows(), n, [&](auto kernels, index_t r, index_t b, index_t count) {
      const index_t at = b * f.block;
      kernels.unpack(f, from.row(r) + 4 * b, from.row(r) + f.code_offset(n) + at * f.bits() / 8,
                     count, y.row(r) + at, add);
    });
  }
};

}  // namespace dsr1
