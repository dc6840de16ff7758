// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where codes lie, on the CPU.

#include "battery/residence_ops.hpp"

using namespace dsr1;

static_assert(residence_ops<context<cpu>>);

TEST_CASE("cpu residence_ops: the bits do not depend on where codes lie") {
  context<cpu> ctx({.threads = 2});
  battery::residences_are_equal<float>(ctx);
  battery::residences_are_equal<double>(ctx);
}

TEST_CASE("cpu residence_ops: codes are read where they are said to lie") {
  context<cpu> ctx({.threads = 2});
  battery::codes_are_read_at<float>(ctx);
}

TEST_CASE(
    "cpu residence_ops: host is a copy of its own, the others are the codes that were given") {
  context<cpu> ctx({.threads = 1});
  const auto w = battery::weights(coding::mxfp4, 2, 6, 64);
  CHECK(cpu::resident(ctx, w).parts[1].codes == w.parts[1].codes);
  CHECK(cpu::resident(ctx, w, residence::file).parts[1].codes == w.parts[1].codes);
  const auto copy = cpu::resident(ctx, w, residence::host);
  CHECK(copy.parts[1].codes != w.parts[1].codes);
  CHECK(copy.owners.size() == 1);
  CHECK(copy.owners[0] != w.owners[0]);
}
