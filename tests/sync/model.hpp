// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Parameters of many shapes, whole ones and slices, for the tests of who owns what.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/cpu.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/tensor/parameter_list.hpp>

namespace sync_test {

using namespace dsr1;

/// What is trained: two whole tensors, a counter, and the matrices of experts, of which each rank
/// holds those of `held`.
struct some_model {
  static constexpr index_t experts = 6;
  parameter<float> table{{50, 7}, {.init = initial::normal(1)}};
  parameter<float> norm{{5}, {.init = initial::ones()}};
  parameter<float> counts{{experts}, {.update = update_rule::balance}};
  parameter<float> up, down;

  explicit some_model(const std::vector<index_t>& held)
      : up({static_cast<index_t>(held.size()), 4, 3},
           {.init = initial::normal(1), .per_expert = true}),
        down({static_cast<index_t>(held.size()), 3, 4},
             {.init = initial::normal(1), .per_expert = true}) {
    const auto slices =
        std::make_shared<const parameter_slices>(parameter_slices{.whole = experts, .held = held});
    up.part_of(slices);
    down.part_of(slices);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("table"), table);
    visitor(parameter_name("counts"), counts);
    visitor(parameter_name("up"), up);
    visitor(parameter_name("down"), down);
    visitor(parameter_name("norm"), norm);
  }
};

/// Which experts a rank holds: all on one, spread over two, with replicas over three and four.
inline std::vector<index_t> held_by(int rank, int ranks) {
  if (ranks == 1) return {0, 1, 2, 3, 4, 5};
  if (ranks == 2) return rank == 0 ? std::vector<index_t>{4, 0, 1} : std::vector<index_t>{2, 3, 5};
  if (ranks == 3)
    return rank == 0   ? std::vector<index_t>{0, 1, 2}
           : rank == 1 ? std::vector<index_t>{3, 2, 4}
                       : std::vector<index_t>{5, 0, 2};
  return rank % 2 == 0 ? std::vector<index_t>{0, 1, 2} : std::vector<index_t>{3, 4, 5};
}

inline index_t unit_of(const std::string& name, const parameter<float>&) {
  return name == "up" || name == "down" ? 12 : 1;
}

}  // namespace sync_test
