// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Moving and adding tensors on a CUDA device.
#pragma once

#include <type_traits>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

template <class T>
__global__ void fill(view<T, 1> x, T value) {
  if (const index_t i = thread_number(); i < x.rows()) x[i] = value;
}

template <class T>
__global__ void scale(view<T, 1> x, T a) {
  if (const index_t i = thread_number(); i < x.rows()) x[i] *= a;
}

template <class T>
__global__ void copy(view<const T, 2> from, view<T, 2> to) {
  const index_t i = thread_number();
  if (i < from.size())
    to(i / from.columns(), i % from.columns()) = from(i / from.columns(), i % from.columns());
}

template <class T>
__global__ void add(view<const T, 2> x, view<T, 2> y) {
  const index_t i = thread_number();
  if (i < x.size()) y(i / x.columns(), i % x.columns()) += x(i / x.columns(), i % x.columns());
}

/// The products that a block adds: as many for every device, so that the order of the sum is one.
inline constexpr index_t dot_part = 4096;

template <class T>
__global__ void dot_parts(view<const T, 1> x, view<const T, 1> y, view<double, 1> parts) {
  const index_t first = blockIdx.x * dot_part;
  const index_t end = first + dot_part < x.rows() ? first + dot_part : x.rows();
  double sum = 0;
  for (index_t i = first + threadIdx.x; i < end; i += cuda_block)
    sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  sum = block_reduce<cuda_block>(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

}  // namespace cuda_kernels

/// The group `tensor_ops` of the backend contract. `dot`, `upload` and `download` wait for the
/// device.
struct cuda_tensor {
  template <class Ctx, class T>
  static void fill(Ctx& ctx, view<T, 1> x, std::type_identity_t<T> value) {
    launch_each(ctx, "fill", x.rows(), cuda_kernels::fill<T>, x, value);
  }

  /// The numbers are made on the host and copied: their bits depend on the C library's logf and
  /// sinf, which a device does not have.
  template <class Ctx, class T>
  static void fill_normal(Ctx& ctx, view<T, 1> x, const random_stream& stream, double deviation,
                          index_t offset = 0) {
    constexpr index_t part = index_t{1} << 18;
    std::vector<T> host(static_cast<std::size_t>(std::min(part, x.rows())));
    for (index_t first = 0; first < x.rows(); first += part) {
      const index_t count = std::min(part, x.rows() - first);
      float four[4] = {};
      for (index_t i = 0; i < count; ++i) {
        const index_t n = offset + first + i;
        if (i == 0 || n % 4 == 0) stream.normals(static_cast<std::uint64_t>(n / 4), four);
        host[static_cast<std::size_t>(i)] =
            static_cast<T>(deviation * static_cast<double>(four[n % 4]));
      }
      upload(ctx, host.data(), x.slice_rows(first, count));
    }
  }

  template <class Ctx, class T>
  static void copy(Ctx& ctx, view<const T, 2> from, view<T, 2> to) {
    expect_copy(from, to);
    launch_each(ctx, "copy", from.size(), cuda_kernels::copy<T>, from, to);
  }

  template <class Ctx, class T>
  static void add(Ctx& ctx, view<const T, 2> x, view<T, 2> y) {
    expect_add(x, y);
    launch_each(ctx, "add", x.size(), cuda_kernels::add<T>, x, y);
  }

  template <class Ctx, class T>
  static void scale(Ctx& ctx, view<T, 1> x, std::type_identity_t<T> a) {
    launch_each(ctx, "scale", x.rows(), cuda_kernels::scale<T>, x, a);
  }

  template <class Ctx, class T>
  static double dot(Ctx& ctx, view<const T, 1> x, view<const T, 1> y) {
    expect_dot(x, y);
    workspace::scope scope(ctx.workspace());
    const auto parts = ctx.template take<double>(ceil_div(x.rows(), cuda_kernels::dot_part));
    launch(ctx, "dot", parts.rows(), cuda_block, cuda_kernels::dot_parts<T>, x, y, parts);
    std::vector<double> host(static_cast<std::size_t>(parts.rows()));
    download(ctx, view<const double, 1>(parts), host.data());
    double sum = 0;
    for (const double p : host) sum += p;
    return sum;
  }

  template <class Ctx, class T>
  static void upload(Ctx& ctx, const T* host, view<T, 1> x) {
    move(ctx, "upload", x.data, host, x.rows(), cudaMemcpyHostToDevice);
  }

  template <class Ctx, class T>
  static void download(Ctx& ctx, view<const T, 1> x, T* host) {
    move(ctx, "download", host, x.data, x.rows(), cudaMemcpyDeviceToHost);
  }

 private:
  template <class Ctx, class T>
  static void move(Ctx& ctx, std::string_view operation, T* to, const T* from, index_t count,
                   cudaMemcpyKind kind) {
    if (count == 0) return;
    check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(count) * sizeof(T), kind,
                          ctx.device().stream()),
          operation);
    ctx.device().wait(operation);
  }
};

}  // namespace dsr1
