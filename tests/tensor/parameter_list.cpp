// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The parameters of a layer as a list.

#include "catch.hpp"

#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/sequential.hpp>
#include <dsr1/tensor/parameter_list.hpp>

using namespace dsr1;

TEST_CASE("parameter_list: names and parameters in the order of the visit") {
  sequential<linear<>, linear<>> layer(linear<>({.in = 2, .out = 3}),
                                       linear<>({.in = 3, .out = 4}));
  const parameter_list<float> list(layer);
  std::vector<std::string> names;
  std::vector<const parameter<float>*> visited;
  layer.for_each_parameter([&](const parameter_name& name, parameter<float>& p) {
    names.push_back(name.str());
    visited.push_back(&p);
  });
  REQUIRE(list.size() == names.size());
  REQUIRE(list.size() >= 2);
  std::size_t i = 0;
  for (const auto& [name, p] : list) {
    CHECK(name == names[i]);
    CHECK(p == visited[i]);
    CHECK(list[i].p == visited[i]);
    ++i;
  }
}
