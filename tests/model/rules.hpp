// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A small config and the stored names of a parameter under the rules of a family.
#pragma once

#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/model/weight_map.hpp>

namespace rules {

using list = std::vector<std::string>;

inline dsr1::model_config small() {
  dsr1::model_config c;
  c.model_type = "some_type";
  c.layers = 4;
  c.experts = 2;
  c.draft_layers = 1;
  return c;
}

inline list tensors(dsr1::layer_rule family, std::string_view parameter) {
  list out;
  for (const dsr1::stored_part& p : dsr1::rule_of(small(), family, parameter).parts)
    out.push_back(p.tensor);
  return out;
}

}  // namespace rules
