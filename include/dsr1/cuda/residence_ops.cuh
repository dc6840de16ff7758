// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where the codes of weights lie, for a CUDA device: its memory, pinned memory, or a mapped file.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/cuda/launch.cuh>

namespace dsr1 {

/// Frees memory of a device, also after the context that it is from.
struct device_free {
  int device;

  void operator()(const void* p) const noexcept {
    cudaSetDevice(device);
    cudaFree(const_cast<void*>(p));  // waits for kernels that still read
  }
};

/// Owns the table of a tensor's parts in memory of a device, which kernels read, and knows what is
/// in it. The codes have an owner of their own.
struct device_codes : device_free {
  std::vector<coded_part> parts;
};

/// The owner of the table of a tensor that `cuda_residence::resident` returned. Throws `error` for
/// one that lies elsewhere.
inline const std::shared_ptr<const void>& table_owner(const coded_tensor& w, int device) {
  const auto same = [](const coded_part& a, const coded_part& b) {
    return a.codes == b.codes && a.scales == b.scales && a.rows == b.rows;
  };
  for (const auto& owner : w.owners)
    if (const auto* there = std::get_deleter<device_codes>(owner);
        there != nullptr && std::equal(w.parts.begin(), w.parts.end(), there->parts.begin(),
                                       there->parts.end(), same)) {
      expects(there->device == device, w.text(), " lies on CUDA device ", there->device,
              ", expected ", device);
      return owner;
    }
  throw error(text(w.text(),
                   " lies in host memory (or its parts were changed), expected what "
                   "resident(ctx, coded) returns"));
}

/// The end of what a stream has been given so far.
class cuda_event {
 public:
  explicit cuda_event(cudaStream_t stream) {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    event_.reset(event);
    check(cudaEventRecord(event, stream), "cudaEventRecord");
  }
  cudaEvent_t get() const { return event_.get(); }

 private:
  struct destroy {
    void operator()(cudaEvent_t event) const noexcept { cudaEventDestroy(event); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, destroy> event_;
};

/// Copies under way, in the second stream of a context.
class cuda_copies {
 public:
  explicit cuda_copies(cudaStream_t stream) : end_(stream) {}
  cuda_copies(cuda_copies&&) = default;
  cuda_copies& operator=(cuda_copies&& other) noexcept {
    std::swap(end_, other.end_);  // those that are replaced are still waited for
    return *this;
  }
  ~cuda_copies() {
    if (end_.get() != nullptr) cudaEventSynchronize(end_.get());
  }

  /// Throws `error` when a copy failed.
  bool done() const {
    const cudaError_t code = cudaEventQuery(end_.get());
    if (code == cudaErrorNotReady) return false;
    check(code, "copy_aside");
    return true;
  }

 private:
  cuda_event end_;
};

namespace cuda_kernels {

template <int Most>
__global__ void set_parts(std::array<coded_part, Most> parts, coded_part* table, int count) {
  if (const auto i = static_cast<int>(threadIdx.x); i < count) table[i] = parts.data()[i];
}

}  // namespace cuda_kernels

/// The group `residence_ops` of the backend contract (see backend/residence_ops.hpp). Only
/// `resident` waits for the device. What kernels compute does not depend on where they read.
struct cuda_residence {
  /// One block of memory for all codes, or none with `residence::file`; a tensor that is there
  /// already is returned as it is.
  template <class Ctx>
  static coded_tensor resident(Ctx& ctx, const coded_tensor& w,
                               residence where = residence::device) {
    w.check();
    for (const auto& owner : w.owners)
      if (std::get_deleter<device_codes>(owner) != nullptr) {
        static_cast<void>(table_owner(w, ctx.device().number()));
        return w;
      }
    coded_tensor out = w;
    if (where == residence::file)
      expect_readable(ctx, w);
    else
      move(ctx, out, where);
    const std::size_t bytes = out.parts.size() * sizeof(coded_part);
    out.owners.emplace_back(ctx.memory().allocate(bytes),
                            device_codes{{ctx.device().number()}, out.parts});
    auto* const table = const_cast<void*>(out.owners.back().get());
    check(cudaMemcpyAsync(table, out.parts.data(), bytes, cudaMemcpyHostToDevice,
                          ctx.device().stream()),
          "cudaMemcpyAsync");
    ctx.device().wait("resident");  // before the caller lets go of w, which is copied from
    return out;
  }

  template <class Ctx>
  static cuda_copies copy_aside(Ctx& ctx, std::span<const code_copy> list) {
    const cudaStream_t aside = ctx.device().aside();
    {
      const cuda_event now(ctx.device().stream());
      check(cudaStreamWaitEvent(aside, now.get(), 0), "cudaStreamWaitEvent");
    }
    for (const code_copy& c : list)
      if (c.bytes > 0)
        check(cudaMemcpyAsync(c.to, c.from, static_cast<std::size_t>(c.bytes), cudaMemcpyDefault,
                              aside),
              "copy_aside");
    return cuda_copies(aside);
  }

  template <class Ctx>
  static void read_at(Ctx& ctx, coded_tensor& w, index_t matrix,
                      std::span<const coded_part> parts) {
    const auto& owner = table_owner(w, ctx.device().number());
    const auto old = parts_to_replace(w, matrix, parts);
    const std::size_t first = static_cast<std::size_t>(matrix) * old.size();
    auto* const table =
        static_cast<coded_part*>(const_cast<void*>(owner.get())) + static_cast<index_t>(first);
    std::array<coded_part, parts_at_once> some = {};
    for (std::size_t i = 0; i < parts.size(); i += some.size()) {
      const std::size_t count = std::min(some.size(), parts.size() - i);
      std::copy_n(parts.begin() + static_cast<index_t>(i), count, some.begin());
      launch(ctx, "read_at", 1, parts_at_once, cuda_kernels::set_parts<parts_at_once>, some,
             table + i, static_cast<int>(count));
    }
    std::copy(parts.begin(), parts.end(), old.begin());
    auto& known = std::get_deleter<device_codes>(owner)->parts;
    std::copy(parts.begin(), parts.end(), known.begin() + static_cast<index_t>(first));
  }

 private:
  static constexpr int parts_at_once = 8;

  template <class Ctx>
  static void expect_readable(Ctx& ctx, const coded_tensor& w) {
    int readable = 0;
    check(cudaDeviceGetAttribute(&readable, cudaDevAttrPageableMemoryAccess, ctx.device().number()),
          "cudaDeviceGetAttribute");
    expects(readable != 0, "CUDA device ", ctx.device().number(),
            " cannot read pages of the host: ", w.text(),
            " in a mapped file, expected residence device or host");
    // Codes are read by bytes where they are not aligned; scales are not.
    const auto size = static_cast<std::uintptr_t>(std::max<index_t>(
        info_of(w.type).scale_bytes, info_of(w.type).bits > 8 ? info_of(w.type).bits / 8 : 1));
    for (const coded_part& p : w.parts)
      expects(reinterpret_cast<std::uintptr_t>(p.scales) % size == 0, w.text(),
              ": its scales in the file are not aligned to ", size,
              " bytes, expected residence device or host");
  }

  struct pinned_free {
    void operator()(const void* p) const noexcept { cudaFreeHost(const_cast<void*>(p)); }
  };

  /// Copies all codes and scales into one block. The copies may be under way at the end.
  template <class Ctx>
  static void move(Ctx& ctx, coded_tensor& w, residence where) {
    const index_t bytes = laid_out_bytes(w, w.parts);
    if (bytes == 0) return;
    void* block = nullptr;
    std::shared_ptr<const void> owner;
    if (where == residence::device) {
      block = ctx.memory().allocate(static_cast<std::size_t>(bytes));
      owner = std::shared_ptr<const void>(block, device_free{ctx.device().number()});
    } else {
      const cudaError_t code =
          cudaHostAlloc(&block, static_cast<std::size_t>(bytes), cudaHostAllocDefault);
      if (code != cudaSuccess) cudaGetLastError();  // or the next launch would report it again
      expects(code == cudaSuccess, bytes, " bytes of pinned host memory for ", w.text(), ": ",
              cudaGetErrorString(code));
      owner = std::shared_ptr<const void>(block, pinned_free());
    }
    lay_out(w, w.parts, static_cast<std::byte*>(block), [&](const code_copy& c) {
      if (where == residence::host)
        std::memcpy(c.to, c.from, static_cast<std::size_t>(c.bytes));
      else
        check(cudaMemcpyAsync(c.to, c.from, static_cast<std::size_t>(c.bytes),
                              cudaMemcpyHostToDevice, ctx.device().stream()),
              "cudaMemcpyAsync");
    });
    w.owners.assign(1, std::move(owner));
  }
};

}  // namespace dsr1
