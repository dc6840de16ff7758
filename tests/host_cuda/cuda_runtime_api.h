// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The part of the CUDA runtime that dsr1 uses, on the host: for tests of kernels without a device.
// Everything is done when its call returns, but the copies of a stream that waits for another: they
// are done when somebody waits for them, or has asked often enough whether they are. Device memory
// can only be touched while a kernel or a copy runs, where the processor has protection keys.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define DSR1_HOST_CUDA 1  // for tests that look behind the device
#include "device_memory.hpp"
#include "grid.hpp"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719
};
inline const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
  }
  return "unknown error";
}

namespace host_cuda {
/// What a test may change of the device that is played.
struct device_facts {
  int devices = 1, major = 9, minor = 0, multiprocessors = 4;
  int reads_pages = 1;                    ///< of the host
  int late = 0;                           ///< how often copies beside are asked for in vain
  cudaError_t next_launch = cudaSuccess;  ///< what the next launch returns, once
  cudaError_t pending = cudaSuccess;      ///< what the next synchronisation returns, once
  long long launches = 0, allocations = 0, synchronisations = 0;
};
inline device_facts& facts() {
  static device_facts one;
  return one;
}

/// Gives back at its end what a test has changed since its beginning.
template <class Facts>
class restored {
 public:
  explicit restored(Facts& now) : now_(now), was_(now) {}
  ~restored() { now_ = was_; }
  restored(const restored&) = delete;
  restored& operator=(const restored&) = delete;

 private:
  Facts& now_;
  Facts was_;
};
}  // namespace host_cuda

struct host_cuda_stream {
  bool beside = false;  ///< has waited for another, so its copies come late
  std::vector<std::function<void()>> waiting;

  void run() {
    for (const auto& f : std::exchange(waiting, {})) f();
  }
};
using cudaStream_t = host_cuda_stream*;
struct host_cuda_event {
  std::chrono::steady_clock::time_point at;
  cudaStream_t of = nullptr;
  int asked = 0;
};
using cudaEvent_t = host_cuda_event*;
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrPageableMemoryAccess = 88
};
enum : unsigned { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0 };
struct cudaDeviceProp {
  char name[256] = "host";
  int major = 9, minor = 0, multiProcessorCount = 4;
};

inline cudaError_t cudaGetDeviceCount(int* n) {
  *n = host_cuda::facts().devices;
  return *n > 0 ? cudaSuccess : cudaErrorNoDevice;
}
inline cudaError_t cudaSetDevice(int d) {
  return d >= 0 && d < host_cuda::facts().devices ? cudaSuccess : cudaErrorInvalidDevice;
}
inline cudaError_t cudaGetDevice(int* d) {
  *d = 0;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  const auto& f = host_cuda::facts();
  *p = {};
  p->major = f.major, p->minor = f.minor, p->multiProcessorCount = f.multiprocessors;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  const auto& f = host_cuda::facts();
  *value = which == cudaDevAttrMultiProcessorCount      ? f.multiprocessors
           : which == cudaDevAttrComputeCapabilityMajor ? f.major
           : which == cudaDevAttrComputeCapabilityMinor ? f.minor
                                                        : f.reads_pages;
  return cudaSuccess;
}
inline cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  if (bytes > host_cuda::device_memory::default_limit) return cudaErrorMemoryAllocation;
  *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFreeHost(void* p) {
  std::free(p);
  return cudaSuccess;
}
inline cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  ++host_cuda::facts().allocations;
  *p = host_cuda::device_memory::instance().allocate(bytes);
  return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFree(void* p) {
  return host_cuda::device_memory::instance().release(p) ? cudaSuccess : cudaErrorInvalidValue;
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  host_cuda::device_memory::instance().info(free, total);
  return cudaSuccess;
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  *s = new host_cuda_stream;
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t s) {
  s->run();
  delete s;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  ++host_cuda::facts().synchronisations;
  if (s) s->run();
  return std::exchange(host_cuda::facts().pending, cudaSuccess);
}
inline cudaError_t cudaDeviceSynchronize() { return cudaStreamSynchronize(nullptr); }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaPeekAtLastError() { return cudaSuccess; }

/// Refuses a pointer on the wrong side, as a device would.
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                   cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  auto& memory = host_cuda::device_memory::instance();
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault &&
      (memory.holds(to) != to_device || memory.holds(from) != from_device))
    return cudaErrorInvalidValue;
  const auto copy = [=] {
    const host_cuda::device_memory::opened open;
    std::memmove(to, from, bytes);
  };
  if (stream && stream->beside)
    stream->waiting.emplace_back(copy);
  else
    copy();
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  if (bytes == 0) return cudaSuccess;
  if (!host_cuda::device_memory::instance().holds(to)) return cudaErrorInvalidValue;
  const host_cuda::device_memory::opened open;
  std::memset(to, value, bytes);
  return cudaSuccess;
}

inline cudaError_t cudaEventCreate(cudaEvent_t* e) {
  *e = new host_cuda_event;
  return cudaSuccess;
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) { return cudaEventCreate(e); }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  *e = {std::chrono::steady_clock::now(), s, 0};
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  if (e->of) e->of->run();
  return cudaSuccess;
}
inline cudaError_t cudaEventQuery(cudaEvent_t e) {
  if (e->asked++ < host_cuda::facts().late && e->of && !e->of->waiting.empty())
    return cudaErrorNotReady;
  return cudaEventSynchronize(e);
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  s->beside = true;
  return cudaEventSynchronize(e);
}
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  *ms = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return cudaSuccess;
}
