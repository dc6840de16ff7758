// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Return codes of the CUDA runtime become errors.

#include "catch.hpp"

#include <dsr1/cuda/check.hpp>

using namespace dsr1;

TEST_CASE("cuda: return codes become errors that name the function and the runtime's text") {
  check(cudaSuccess, "cudaStreamQuery");
  CHECK(message_of([] { check(cudaErrorInvalidValue, "cudaStreamQuery"); }) ==
        text("cudaStreamQuery failed: ", cudaGetErrorString(cudaErrorInvalidValue)));
}
