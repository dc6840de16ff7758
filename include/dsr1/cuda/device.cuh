// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a context of the CUDA backend owns: a device, a stream, and the memory of the device.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include <dsr1/backend/options.hpp>
#include <dsr1/cuda/check.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// Memory of one device. Frees when it is destroyed, so work in flight must have ended by then;
/// `cuda_device` sees to it.
class cuda_memory final : public memory {
 public:
  explicit cuda_memory(int device) : device_(device) {}

  /// Throws `error` naming what was asked for and what is free. May wait for the device: a warm
  /// step allocates nothing.
  void* allocate(std::size_t bytes) override {
    check(cudaSetDevice(device_), "cudaSetDevice");
    void* p = nullptr;
    const cudaError_t code = cudaMalloc(&p, bytes);
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // or the next launch would report it again
      std::size_t free = 0, total = 0;
      check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
      throw error(text("CUDA device ", device_, " is out of memory: ", bytes, " bytes asked for, ",
                       free, " of ", total, " are free"));
    }
    check(code, "cudaMalloc");
    return p;
  }
  void deallocate(void* p, std::size_t) noexcept override { cudaFree(p); }
  bool on_host() const override { return false; }

 private:
  int device_;
};

/// Dense products by somebody else's kernels (see blas.cuh): c (+)= a b. False when it cannot take
/// these sizes or strides, and then nothing has happened.
class product_library {
 public:
  virtual ~product_library() = default;
  virtual bool multiply(matrix<const float> a, matrix<const float> b, view<float, 2> c, bool add,
                        workspace& scratch, cudaStream_t stream) = 0;
  virtual bool multiply(matrix<const double> a, matrix<const double> b, view<double, 2> c, bool add,
                        workspace& scratch, cudaStream_t stream) = 0;
};

/// The device `options.device`, which has to be of compute capability 8.0 or newer, and a stream of
/// its own, in which all operations of the context run in order. No operation waits for the device
/// unless its comment says so.
class cuda_device {
 public:
  static constexpr int oldest_major = 8;  ///< compute capability: Ampere

  explicit cuda_device(const context_options& options)
      : number_(chosen(options.device)),
        waits_(options.wait_for_each),
        rounds_products_(options.products == product_type::bf16),
        memory_(number_) {
    expects(options.activations == activation_type::exact,
            "context on a CUDA device: activations int8, expected exact (int8 is of the CPU only)");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  ~cuda_device() {
    for (const cudaStream_t s : {stream_, aside_}) {
      if (s == nullptr) continue;
      cudaStreamSynchronize(s);
      cudaStreamDestroy(s);
    }
  }
  cuda_device(const cuda_device&) = delete;
  cuda_device& operator=(const cuda_device&) = delete;

  int number() const { return number_; }
  cudaStream_t stream() const { return stream_; }
  /// A second stream, for copies beside the operations.
  cudaStream_t aside() {
    if (aside_ == nullptr)
      check(cudaStreamCreateWithFlags(&aside_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return aside_;
  }
  /// Whether products of floats round their operands to bfloat16.
  bool rounds_products() const { return rounds_products_; }
  dsr1::memory& memory() { return memory_; }

  /// Who makes dense products instead of the kernels of dsr1; null unless somebody was given.
  product_library* products() { return products_.get(); }
  void products(std::unique_ptr<product_library> library) {
    wait();  // for what the one before has started
    products_ = std::move(library);
  }

  /// Waits for everything in the stream. Throws `error` when something in it failed.
  void wait(std::string_view what = "cudaStreamSynchronize") {
    check(cudaStreamSynchronize(stream_), what);
  }
  /// After the launch of `what`: waits if the options say so.
  void launched(std::string_view what) {
    if (waits_) wait(what);
  }

 private:
  static int chosen(int number) {
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    expects(code == cudaSuccess, "no CUDA device: ", cudaGetErrorString(code));
    expects(number >= 0 && number < count, "CUDA device ", number, " asked for, expected 0 to ",
            count - 1);
    check(cudaSetDevice(number), "cudaSetDevice");
    cudaDeviceProp facts;
    check(cudaGetDeviceProperties(&facts, number), "cudaGetDeviceProperties");
    expects(facts.major >= oldest_major, "CUDA device ", number, " (", facts.name,
            ") has compute capability ", facts.major, ".", facts.minor, ", expected ", oldest_major,
            ".0 or newer");
    return number;
  }

  int number_;
  bool waits_;
  bool rounds_products_;
  cuda_memory memory_;
  cudaStream_t stream_ = nullptr, aside_ = nullptr;
  std::unique_ptr<product_library> products_;
};

}  // namespace dsr1
