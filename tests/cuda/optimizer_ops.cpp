// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Optimizer steps on a CUDA device.

#include "battery/optimizer_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/optimizer_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_optimizer>;
static_assert(optimizer_ops<context<backend>, float> && optimizer_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda optimizer_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::adamw<TestType>(ctx);
  battery::sgd<TestType>(ctx);
  battery::lion<TestType>(ctx);
  battery::muon<TestType>(ctx);
  battery::squared_norms<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda optimizer_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::optimizer_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda optimizer_ops: everything as the CPU, and no tensors at all", "[cuda]",
                   float, double) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  battery::check_close(battery::optimizer_bits<TestType>(ctx),
                       battery::doubles(battery::optimizer_bits<TestType>(host)), "against the CPU",
                       10);
  const std::span<const optimizer_tensor<TestType>> none;
  backend::adamw(ctx, none, battery::adamw_example);
  backend::lion(ctx, none, battery::lion_example);
}

TEMPLATE_TEST_CASE("cuda optimizer_ops: a tensor has the same bits in every list", "[cuda]", float,
                   double) {
  context<backend> ctx;
  battery::optimizer_case<context<backend>, TestType> together(ctx);
  std::vector<double> norms(together.tensors.size()), alone_norms(norms.size());
  backend::squared_norms(ctx, together.all(), std::span<double>(norms));
  backend::adamw(ctx, together.all(), battery::adamw_example);
  const auto bits = together.bits();
  battery::optimizer_case<context<backend>, TestType> alone(ctx);
  for (std::size_t i = 0; i < norms.size(); ++i) {
    backend::squared_norms(ctx, alone.all().subspan(i, 1),
                           std::span<double>(alone_norms).subspan(i, 1));
    backend::adamw(ctx, alone.all().subspan(i, 1), battery::adamw_example);
  }
  battery::check_same(alone.bits(), bits, "adamw");
  battery::check_same(alone_norms, norms, "squared_norms");
}

TEST_CASE("cuda optimizer_ops: hundreds of tensors, whose sizes meet the ends of chunks",
          "[cuda]") {
  context<backend> ctx;
  constexpr index_t chunk = cuda_kernels::optimizer_chunk;
  const index_t pattern[] = {0, 1, chunk - 1, 0, 0, chunk, chunk + 1, 2};
  std::vector<optimizer_tensor<float>> tensors;
  std::vector<float> expected;
  index_t all = 0;
  for (int i = 0; i < 300; ++i) all += pattern[i % (i < 16 ? 8 : 2)];
  const battery::device_vector<context<backend>, float> value(
      ctx, std::vector<float>(battery::at(all), 1.0f)),
      gradient(ctx, std::vector<float>(battery::at(all), 1.0f));
  index_t first = 0;
  for (int i = 0; i < 300; ++i) {
    const index_t n = pattern[i % (i < 16 ? 8 : 2)];
    tensors.push_back({.value = value.out().data + first,
                       .gradient = gradient.in().data + first,
                       .size = n,
                       .rate = static_cast<double>(i)});
    expected.insert(expected.end(), battery::at(n), 1.0f - static_cast<float>(i));
    first += n;
  }
  const std::span<const optimizer_tensor<float>> list(tensors);
#if defined(DSR1_HOST_CUDA)
  const auto launches = host_cuda::facts().launches, waits = host_cuda::facts().synchronisations;
#endif
  backend::sgd(
      ctx, list,
      sgd_numbers{
          .momentum = 0, .dampening = 0, .nesterov = false, .first = true, .gradient_scale = 1});
#if defined(DSR1_HOST_CUDA)
  CHECK(host_cuda::facts().launches == launches + 1);
  CHECK(host_cuda::facts().synchronisations == waits);
#endif
  battery::check_same(value.host(), expected, "sgd");
  std::vector<double> norms(tensors.size());
  backend::squared_norms(ctx, list, std::span<double>(norms));
  for (std::size_t i = 0; i < norms.size(); ++i)
    REQUIRE(norms[i] == static_cast<double>(tensors[i].size));
}
