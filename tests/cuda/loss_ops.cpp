// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cross-entropy on a CUDA device.

#include "battery/loss_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/loss_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_loss>;
static_assert(loss_ops<context<backend>, float> && loss_ops<context<backend>, double>);

namespace {

template <class T>
using device_vector = battery::device_vector<context<backend>, T>;
template <class T>
using device_matrix = battery::device_matrix<context<backend>, T>;

/// Losses and gradients, the latter in the logits.
template <class T>
struct rows_of_losses {
  std::vector<T> loss, gradient;
};

template <class T>
rows_of_losses<T> on_the_device(const std::vector<T>& x, index_t columns,
                                const std::vector<std::int32_t>& wanted, bool one_by_one = false) {
  context<backend> ctx;
  const auto rows = static_cast<index_t>(wanted.size());
  const device_matrix<T> logits(ctx, rows, columns, x);
  const device_vector<std::int32_t> targets(ctx, wanted);
  const device_vector<T> loss(ctx, rows);
  const index_t count = one_by_one ? 1 : rows;
  for (index_t t = 0; t < rows; t += count)
    backend::cross_entropy_rows(ctx, logits.out().slice_rows(t, count),
                                targets.in().slice_rows(t, count), 0.5, 0.01,
                                logits_become::gradient, loss.out().slice_rows(t, count));
  return {loss.host(), logits.host()};
}

template <class T>
rows_of_losses<T> on_the_cpu(std::vector<T> x, index_t columns,
                             const std::vector<std::int32_t>& wanted) {
  context<cpu> ctx({.threads = 1});
  const auto rows = static_cast<index_t>(wanted.size());
  std::vector<T> loss(wanted.size());
  cpu::cross_entropy_rows(ctx, battery::matrix_of(x, rows, columns),
                          view<const std::int32_t, 1>(wanted.data(), rows), 0.5, 0.01,
                          logits_become::gradient, view<T, 1>(loss.data(), rows));
  return {loss, x};
}

}  // namespace

TEMPLATE_TEST_CASE("cuda loss_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::cross_entropy_rows<TestType>(ctx);
  battery::cross_entropy_extremes<TestType>(ctx);
  battery::cross_entropy_nan<TestType>(ctx);
  battery::loss_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda loss_ops: a large vocabulary, as the CPU and to the bit alone", "[cuda]",
                   float, double) {
  for (const index_t columns : {511, 512, 513, 2048, 2049, 30'011}) {
    const std::vector<std::int32_t> wanted = {static_cast<std::int32_t>(columns - 1), 0, -1, 77};
    const auto x = battery::normals<TestType>(4 * columns, 1, 5);
    const auto ours = on_the_device(x, columns, wanted), theirs = on_the_cpu(x, columns, wanted),
               alone = on_the_device(x, columns, wanted, true);
    const std::string what = text(columns, " columns");
    battery::check_close(ours.loss, battery::doubles(theirs.loss), what);
    battery::check_close(ours.gradient, battery::doubles(theirs.gradient), what + ", gradient");
    battery::check_same(alone.loss, ours.loss, what + ", alone");
    battery::check_same(alone.gradient, ours.gradient, what + ", gradient alone");
  }
}

TEMPLATE_TEST_CASE("cuda loss_ops: what is not finite reaches the loss as on the CPU", "[cuda]",
                   float, double) {
  using limits = std::numeric_limits<TestType>;
  const index_t columns = 1100;
  const std::vector<std::int32_t> wanted = {3, 3, 3, 3, 3};
  auto x = battery::normals<TestType>(5 * columns, 1);
  const auto row = [&](index_t t) { return x.begin() + t * columns; };
  std::fill(row(0), row(1), -limits::infinity());      // all excluded
  std::fill(row(1), row(2) - 7, -limits::infinity());  // most excluded
  row(2)[1000] = limits::infinity();                   // certain beyond all bounds
  std::fill(row(3), row(4) - 1, -limits::infinity()), row(4)[-1] = limits::quiet_NaN();
  row(1)[3] = 1;
  const auto ours = on_the_device(x, columns, wanted), theirs = on_the_cpu(x, columns, wanted);
  for (std::size_t t = 0; t < 5; ++t) {
    CAPTURE(t, ours.loss[t], theirs.loss[t]);
    CHECK(std::isnan(ours.loss[t]) == std::isnan(theirs.loss[t]));
    CHECK(std::isfinite(ours.loss[t]) == (t == 1 || t == 4));
  }
}
