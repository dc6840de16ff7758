// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a model configuration holds when nobody has said anything.

#include "catch.hpp"

#include <dsr1/io/model_config.hpp>

using namespace dsr1;

TEST_CASE("model_config: nothing said") {
  const model_config c;
  CHECK(c.model_type.empty());
  CHECK(c.experts == 0);
  CHECK(c.latent.kv_rank == 0);
  CHECK(c.rope.factor == 1);
  CHECK(c.glu_limit == 0);
  CHECK(c.end.empty());
  CHECK(c.unknown.empty());
}

TEST_CASE("model_config: equal when every member is") {
  model_config a, b;
  CHECK((a == b));
  b.rope.truncate = false;
  CHECK_FALSE((a == b));
  b = a;
  b.latent.norm_eps = 1e-5;
  CHECK_FALSE((a == b));
  b = a;
  b.unknown.emplace_back("x");
  CHECK_FALSE((a == b));
}
