// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of Mixtral.

#include "model/rules.hpp"

#include <dsr1/model/mixtral.hpp>

using namespace dsr1;
using namespace rules;

TEST_CASE("mixtral: names of router and experts") {
  CHECK(tensors(mixtral_rule, "layers.0.mlp.experts.up") ==
        list{"model.layers.0.block_sparse_moe.experts.0.w1.weight",
             "model.layers.0.block_sparse_moe.experts.0.w3.weight",
             "model.layers.0.block_sparse_moe.experts.1.w1.weight",
             "model.layers.0.block_sparse_moe.experts.1.w3.weight"});
  CHECK(tensors(mixtral_rule, "layers.2.mlp.experts.down") ==
        list{"model.layers.2.block_sparse_moe.experts.0.w2.weight",
             "model.layers.2.block_sparse_moe.experts.1.w2.weight"});
  CHECK(tensors(mixtral_rule, "layers.0.mlp.router.weight") ==
        list{"model.layers.0.block_sparse_moe.gate.weight"});
}
