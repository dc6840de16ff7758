// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Return codes become errors, with the libraries' own words.

#include "catch.hpp"

#include <dsr1/nccl/check.hpp>

using namespace dsr1;

static_assert(nccl_type<float>() == ncclFloat32 && nccl_type<double>() == ncclFloat64);
static_assert(nccl_type<std::int8_t>() == ncclInt8 && nccl_type<std::uint64_t>() == ncclUint64);
static_assert(nccl_type<bf16>() == ncclBfloat16 && nccl_type<dsr1::half>() == ncclFloat16);
static_assert(!nccl_number<std::int16_t> && !nccl_number<bool> && !nccl_number<std::byte>);

TEST_CASE("nccl: return codes become errors that name the function and the library's text") {
  check(ncclSuccess, "ncclSend");
  check(ncclInProgress, "ncclSend");
  check(cudaSuccess, "cudaStreamQuery");
  CHECK(message_of([] { check(ncclInvalidArgument, "ncclSend"); }) ==
        text("ncclSend failed: ", ncclGetErrorString(ncclInvalidArgument)));
  CHECK(message_of([] { check(cudaErrorInvalidValue, "cudaStreamQuery"); }) ==
        text("cudaStreamQuery failed: ", cudaGetErrorString(cudaErrorInvalidValue)));
}
