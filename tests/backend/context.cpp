// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A context joins device, communicator, workspace and options, for any backend.

#include <utility>

#include "backend/fake_backend.hpp"
#include "catch.hpp"

using namespace dsr1;

namespace {

struct pair_of_ranks : loopback {
  int which = 0;
  int rank() const { return which; }
  static constexpr int size() { return 2; }
};

static_assert(std::is_same_v<fake_context::backend, fake_backend>);
static_assert(std::is_same_v<fake_context::comm_type, loopback>, "alone unless said otherwise");
static_assert(!std::is_copy_constructible_v<fake_context>, "a context owns its workspace");

}  // namespace

TEST_CASE("context: hands its options to the device and keeps them") {
  fake_context ctx({.threads = 3, .seed = 9});
  CHECK(ctx.device().threads == 3);
  CHECK(ctx.options().seed == 9);
  CHECK(ctx.comm().size() == 1);
  fake_context plain;
  CHECK(plain.options().threads == 0);
}

TEST_CASE("context: the workspace takes from the device's memory, and gives it back") {
  fake_context ctx;
  CHECK(&ctx.memory() == &ctx.device().own);
  const auto x = ctx.take<float>(4, 5);
  CHECK(x.columns() == 5);
  CHECK(ctx.device().own.allocations == 1);
  CHECK(ctx.workspace().peak_bytes() == 128);
  const auto y = ctx.take<double>(3);
  CHECK(reinterpret_cast<char*>(y.data) - reinterpret_cast<char*>(x.data) == 128);
  ctx.workspace().reset();
  CHECK(ctx.take<float>(1).data == x.data);
}

TEST_CASE("context: a communicator of one's own") {
  pair_of_ranks comm;
  comm.which = 1;
  context<fake_backend, pair_of_ranks> ctx({}, comm);
  CHECK(ctx.comm().rank() == 1);
  CHECK(ctx.comm().size() == 2);
}

TEST_CASE("context: inference is off, the auxiliary loss empty, both can be set") {
  fake_context ctx;
  CHECK_FALSE(ctx.inference());
  ctx.inference(true);
  CHECK(ctx.inference());
  CHECK(ctx.auxiliary().sum == 0);
  CHECK(ctx.auxiliary().scale == 1);
  ctx.auxiliary().sum += 2;
  CHECK(ctx.auxiliary().sum == 2);
}
