// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Published checkpoints out of parameters: what was loaded is written again, tensor by tensor.

#include "battery/context.hpp"
#include "golden.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/io/write_model_config.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/save.hpp>

using namespace dsr1;

TEST_CASE("golden: a model that was loaded is saved as the same tensors", "[golden]") {
  const temporary_folder folder;
  for (const char* name : {"mixtral", "qwen3_moe", "qwen3_moe_mixed", "gpt_oss"}) {
    const auto from = golden::path(std::string("models/") + name);
    if (from.empty() || golden::path(std::string("models/") + name + "/config.json").empty())
      continue;
    const model_config c = read_model_config(from);
    const checkpoint_folder source(from);
    const auto to = (folder / (std::string(name) + ".safetensors")).string();
    context<cpu> ctx({.threads = 2});
    const dtype type = source.tensors().begin()->second.type;
    with_published<float>(c, [&]<class Published>(Published) {
      auto model = Published::make(c);
      load_checkpoint(ctx, model, c, family_of(c.model_type), source, {.gradients = false});
      // [save]
      const index_t bytes = save_checkpoint(ctx, model, c, family_of(c.model_type), to, type);
      const json config = model_config_json(c);  // for config.json
      // [/save]
      CHECK(config["model_type"] == c.model_type);
      index_t expected = 0;
      for (const auto& [n, t] : source.tensors()) expected += static_cast<index_t>(t.bytes.size());
      CHECK(bytes == expected);
    });
    const safetensors written(to);
    CHECK(written.tensors().size() == source.tensors().size());
    for (const auto& [n, t] : source.tensors()) {
      INFO(name << ": " << n);
      const stored_tensor* w = written.find(n);
      REQUIRE(w != nullptr);
      CHECK(w->text() == t.text());
      CHECK(std::equal(w->bytes.begin(), w->bytes.end(), t.bytes.begin(), t.bytes.end()));
    }
  }
}

TEST_CASE("save: the tensors of a parameter") {
  model_config c;
  c.heads = 4;
  c.kv_heads = 1;
  c.head_dim = 2;
  const weight_rule qkv = weight_rule::following({"q", "k", "v"});
  const auto rows = part_rows_of(c, qkv, 12);
  CHECK(rows == std::vector<index_t>{8, 2, 2});
  const auto out = outgoing_tensors(qkv, {12, 3}, rows);
  REQUIRE(out.size() == 3);
  CHECK(out[1].name == "k");
  CHECK(out[1].shape == std::vector<index_t>{2, 3});
  std::vector<float> values(36);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  CHECK(numbers_for(out[2], qkv, rows, values.data(), {12, 3}) ==
        std::vector<float>{30, 31, 32, 33, 34, 35});
  CHECK_THROWS_WITH(part_rows_of(c, weight_rule::alternate({"g", "u"}), 5), "5 rows for 2 tensors");
}
