// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Grids of CUDA threads on one thread of the host: blocks one after the other, the threads of a
// block as fibers that are switched at barriers and shuffles.
#pragma once

#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fibers.hpp"

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace host_cuda {

inline constexpr int warp_size = 32;

/// What kernels did that a device would not forgive; ends the test.
struct misuse : std::logic_error {
  using std::logic_error::logic_error;
};

enum class waiting : std::uint8_t { nothing, block, warp, ended };

/// The block that runs now.
class block {
 public:
  static block& current() {
    static thread_local block one;
    return one;
  }

  /// Runs `kernel` as every thread of every block of the grid. Every other launch goes through
  /// blocks and threads backwards, so that what depends on their order comes to light.
  void run_grid(dim3 grid, dim3 threads, const std::function<void()>& kernel) {
    if (running_) throw misuse("a kernel was launched from inside a kernel");
    running_ = true;
    backwards_ = !backwards_;
    kernel_ = &kernel;
    gridDim = grid;
    blockDim = threads;
    const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
    try {
      for (std::uint64_t i = 0; i < blocks; ++i) {
        const std::uint64_t b = backwards_ ? blocks - 1 - i : i;
        blockIdx =
            dim3(static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                 static_cast<unsigned>(b / grid.x / grid.y));
        run_block(static_cast<int>(threads.x * threads.y * threads.z));
      }
    } catch (...) {
      running_ = false;
      throw;
    }
    running_ = false;
  }

  void block_barrier() { wait(waiting::block); }
  void warp_barrier(unsigned mask) {
    if (mask != 0xffffffffu)
      throw misuse("a warp operation for some lanes only; dsr1's kernels use all 32");
    wait(waiting::warp);
  }

  /// Gives every lane of the warp what `value` is in lane `from`.
  template <class T>
  T exchange(unsigned mask, T value, int from) {
    static_assert(sizeof(T) <= sizeof(lane_value));
    thread& me = threads_[static_cast<std::size_t>(now_)];
    const int warp = now_ / warp_size, lane = now_ % warp_size, side = me.side;
    me.side ^= 1;  // a lane is at most one exchange ahead of another
    std::memcpy(&slots_[static_cast<std::size_t>(warp)][side][lane], &value, sizeof(T));
    warp_barrier(mask);
    T out;
    std::memcpy(&out, &slots_[static_cast<std::size_t>(warp)][side][from & (warp_size - 1)],
                sizeof(T));
    return out;
  }
  int lane() const { return now_ % warp_size; }

 private:
  using lane_value = double[2];
  struct warp_slots {
    using lanes = lane_value[warp_size];  // clang deduces no type before the end of the class
    lanes side[2];
    lanes& operator[](int s) { return side[s]; }
  };
  struct thread {
    waiting state = waiting::nothing;
    int side = 0;
    fiber* on = nullptr;
  };

  void run_block(int count) {
    if (count < 1 || count > 1024)
      throw misuse("a block of " + std::to_string(count) + " threads, expected 1 to 1024");
    threads_.assign(static_cast<std::size_t>(count), {});
    slots_.resize(static_cast<std::size_t>((count + warp_size - 1) / warp_size));
    free_.clear();
    for (const auto& f : fibers_) free_.push_back(f.get());
    try {
      for (int left = count; left > 0;) {
        const int ended = pass(count);
        left -= ended;
        if (left > 0 && !release(count) && ended == 0)
          throw misuse("the threads of a block wait for one another");
      }
    } catch (...) {
      for (const auto& f : fibers_) f->abandon();
      throw;
    }
  }

  // Lets every thread run until it waits or ends; returns how many ended.
  int pass(int count) {
    int ended = 0;
    for (int i = 0; i < count; ++i) {
      now_ = backwards_ ? count - 1 - i : i;
      thread& t = threads_[static_cast<std::size_t>(now_)];
      if (t.state != waiting::nothing) continue;
      if (t.on == nullptr) {
        if (free_.empty()) {
          fibers_.push_back(std::make_unique<fiber>(&block::body));
          free_.push_back(fibers_.back().get());
        }
        t.on = free_.back();
        free_.pop_back();
      }
      const auto n = static_cast<unsigned>(now_);
      threadIdx = dim3(n % blockDim.x, n / blockDim.x % blockDim.y, n / blockDim.x / blockDim.y);
      t.on->resume(this);
      if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
      if (t.state == waiting::ended) {
        free_.push_back(std::exchange(t.on, nullptr));
        ++ended;
      }
    }
    return ended;
  }

  // Opens the barriers at which all have arrived; false when there is none.
  bool release(int count) {
    bool any = false;
    for (int first = 0; first < count; first += warp_size) {
      int at_warp = 0, ended = 0;
      for (int i = first; i < first + warp_size; ++i) {
        if (i >= count) {
          ++ended;
          continue;
        }
        at_warp += threads_[static_cast<std::size_t>(i)].state == waiting::warp;
        ended += threads_[static_cast<std::size_t>(i)].state == waiting::ended;
      }
      if (at_warp == 0) continue;
      if (ended > 0) throw misuse("a warp operation of which a lane has ended or is not there");
      if (at_warp < warp_size) continue;
      for (int i = first; i < first + warp_size; ++i)
        threads_[static_cast<std::size_t>(i)].state = waiting::nothing;
      any = true;
    }
    if (any) return true;
    for (const thread& t : threads_) {
      if (t.state == waiting::warp || t.state == waiting::nothing) return false;
      any = any || t.state == waiting::block;
    }
    if (!any) return false;
    for (thread& t : threads_) {
      if (t.state != waiting::block)
        throw misuse("a block barrier that a thread has passed by ending");
      t.state = waiting::nothing;
    }
    return true;
  }

  void wait(waiting state) {
    if (!running_) throw misuse("a barrier outside a kernel");
    threads_[static_cast<std::size_t>(now_)].state = state;
    fiber::pause();
  }

  static void body(void* self) {
    block& b = *static_cast<block*>(self);
    try {
      (*b.kernel_)();
    } catch (...) {
      b.failure_ = std::current_exception();
    }
    b.threads_[static_cast<std::size_t>(b.now_)].state = waiting::ended;
  }

  bool running_ = false, backwards_ = true;
  const std::function<void()>* kernel_ = nullptr;
  int now_ = 0;
  std::vector<thread> threads_;
  std::vector<warp_slots> slots_;
  std::vector<std::unique_ptr<fiber>> fibers_;
  std::vector<fiber*> free_;
  std::exception_ptr failure_;
};

}  // namespace host_cuda

inline void __syncthreads() { host_cuda::block::current().block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  host_cuda::block::current().warp_barrier(mask);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from) {
  return host_cuda::block::current().exchange(mask, value, from);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int with) {
  auto& b = host_cuda::block::current();
  return b.exchange(mask, value, b.lane() ^ with);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by) {
  auto& b = host_cuda::block::current();
  const int from = b.lane() - static_cast<int>(by);
  return b.exchange(mask, value, from < 0 ? b.lane() : from);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by) {
  auto& b = host_cuda::block::current();
  const int from = b.lane() + static_cast<int>(by);
  return b.exchange(mask, value, from >= host_cuda::warp_size ? b.lane() : from);
}
inline unsigned __ballot_sync(unsigned mask, bool value) {
  unsigned bits = 0;
  for (int lane = 0; lane < host_cuda::warp_size; ++lane)
    bits |= unsigned{__shfl_sync(mask, value, lane)} << lane;
  return bits;
}
inline bool __any_sync(unsigned mask, bool value) { return __ballot_sync(mask, value) != 0; }
inline bool __all_sync(unsigned mask, bool value) {
  return __ballot_sync(mask, value) == 0xffffffffu;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  unsigned bits = 0;
  for (int lane = 0; lane < host_cuda::warp_size; ++lane)
    bits |= unsigned{__shfl_sync(mask, value, lane) == value} << lane;
  return bits;
}
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(unsigned v) { return __builtin_ffs(static_cast<int>(v)); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz(static_cast<unsigned>(v)); }

/// The bytes of a and b that the lower four hexadecimal digits of `which` name.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned which) {
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  unsigned out = 0;
  for (int i = 0; i < 4; ++i, which >>= 4) {
    const auto byte = static_cast<unsigned>(both >> (which & 7) * 8) & 0xffu;
    out |= (which & 8 ? (byte & 0x80u ? 0xffu : 0u) : byte) << i * 8;
  }
  return out;
}

// One rounding each, never contracted.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }

template <class T>
T atomicAdd(T* to, T value) {
  const T was = *to;
  *to = was + value;
  return was;
}
template <class T>
T atomicMax(T* to, T value) {
  const T was = *to;
  if (value > was) *to = value;
  return was;
}
template <class T>
T atomicMin(T* to, T value) {
  const T was = *to;
  if (value < was) *to = value;
  return was;
}
