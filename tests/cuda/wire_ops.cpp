// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers on the wire on a CUDA device: the bytes of the specification.

#include "battery/wire_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/wire_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_wire>;
static_assert(wire_ops<context<backend>, float> && wire_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda wire_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::wire<TestType>(ctx);
  battery::wire_not_finite<TestType>(ctx);
  battery::wire_errors<TestType>(ctx);
}
