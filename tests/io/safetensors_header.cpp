// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Places of tensors; the writer's tests have the errors.

#include "catch.hpp"

#include <dsr1/io/safetensors_header.hpp>

using namespace dsr1;

TEST_CASE("safetensors_header: tensors follow each other, the data begin at a multiple of eight") {
  safetensors_header h("file", {{"format", "pt"}});
  h.declare("a", dtype::f32, {2, 3});
  h.declare("b", dtype::bf16, {5});
  CHECK(h.size() == 34);
  REQUIRE(h.tensors().size() == 2);
  CHECK(h.tensors()[1].begin == 24);
  CHECK(h.tensors()[1].end == 34);
  const std::string bytes = h.bytes();
  CHECK(bytes.size() % 8 == 0);
  CHECK(static_cast<unsigned char>(bytes[0]) + 256u * static_cast<unsigned char>(bytes[1]) ==
        bytes.size() - 8);
  CHECK(json::parse(bytes.substr(8))["b"]["data_offsets"] == json::array({24, 34}));
  CHECK(mentions(message_of([&] { h.declare("a", dtype::f32, {1}); }), "file", "declared twice"));
}
