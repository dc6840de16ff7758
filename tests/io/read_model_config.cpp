// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any family's configuration, from a folder or a file.

#include "catch.hpp"
#include "golden.hpp"
#include "io/published_configs.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/read_model_config.hpp>

using namespace dsr1;
using published::changed;

TEST_CASE("read_model_config: both dialects of every case describe the same model", "[golden]") {
  const auto folder = golden::path("models");
  if (folder.empty()) return;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!std::filesystem::exists(entry.path() / "config.published.json")) continue;
    INFO(entry.path().filename().string());
    const model_config saved = read_model_config(entry.path());
    const model_config downloaded = read_model_config(entry.path() / "config.published.json");
    CHECK((saved == downloaded));
    CHECK(saved.unknown.empty());
    CHECK(saved.layers == static_cast<index_t>(saved.window.size()));
    CHECK(saved.layers == static_cast<index_t>(saved.sparse.size()));
    ++cases;
  }
  CHECK(cases >= 3);
}

TEST_CASE("read_model_config: the sizes of the small models", "[golden]") {
  const auto read = [](const std::string& name) {
    return read_model_config(golden::root() / "models" / name);
  };
  if (golden::path("models/deepseek_v3_mtp/config.json").empty()) return;
  const model_config deepseek = read("deepseek_v3_mtp");
  CHECK(deepseek.latent == latent_config{24, 32, 12, 8, 16, 1e-6});
  CHECK(deepseek.norm_eps == 1e-5);
  CHECK(deepseek.shared_hidden == 48);
  CHECK(deepseek.draft_layers == 1);
  CHECK(deepseek.sparse == std::vector<bool>{false, true});
  if (golden::path("models/gpt_oss_mxfp4/config.json").empty()) return;
  const model_config oss = read("gpt_oss_mxfp4");
  CHECK(oss.window == std::vector<index_t>{8, 0, 8});
  CHECK(oss.quantization == "mxfp4");
  CHECK(oss.rope.original_length == 256);
  if (golden::path("models/qwen3_moe_mixed/config.json").empty()) return;
  const model_config qwen = read("qwen3_moe_mixed");
  CHECK(qwen.sparse == std::vector<bool>{false, true, false, false, false, true});
  CHECK(qwen.tied);
  CHECK_FALSE(qwen.normalize);
  CHECK(qwen.kv_heads == 1);
  CHECK(qwen.dense_hidden == 56);
}

TEST_CASE("read_model_config: the family decides who reads") {
  CHECK(read_model_config(changed(published::deepseek_v3)).latent.kv_rank == 512);
  CHECK(read_model_config(changed(published::gpt_oss_120b)).sinks);
  CHECK(read_model_config(changed(published::mixtral_8x7b)).expert_hidden == 14'336);
  CHECK(read_model_config(changed(published::qwen3_30b_a3b)).qk_norm);
  CHECK(mentions(
      message_of([] {
        read_model_config(changed(published::mixtral_8x7b, R"({"model_type": "mixtrall"})"));
      }),
      "config.json: \"model_type\" is \"mixtrall\", expected one of \"deepseek_v3\", \"gpt_oss\"",
      "did you mean \"mixtral\"?"));
  CHECK(mentions(message_of([] {
                   read_model_config(changed(published::mixtral_8x7b, R"({"model_type": null})"));
                 }),
                 "\"model_type\" is missing"));
}

TEST_CASE("read_model_config: a fifth family is a function of the user's") {
  // [family]
  const family_config mine[] = {{"olmoe", [](const json_object& file) {
                                   config_keys keys(file);
                                   model_config c = read_decoder(keys);
                                   c.experts = keys.size("experts", 1, 99);
                                   keys.add_unknown(c.unknown);
                                   return c;
                                 }}};
  // [/family]
  const auto file =
      changed(published::mixtral_8x7b, R"({"model_type": "olmoe", "experts": 64, "extra": 1,
               "num_experts_per_tok": null, "num_local_experts": null, "sliding_window": null,
               "intermediate_size": null})");
  const model_config c = read_model_config(file, mine);
  CHECK(c.experts == 64);
  CHECK(c.unknown == std::vector<std::string>{"extra"});
  CHECK(mentions(message_of([&] { read_model_config(file); }), "\"model_type\" is \"olmoe\""));
  CHECK(read_model_config(changed(published::qwen3_30b_a3b), mine).qk_norm);  // ours as before
}

TEST_CASE("read_model_config: files") {
  const temporary_folder folder;
  CHECK(mentions(message_of([&] { read_model_config(folder.path()); }), "config.json"));
  const auto path = put(folder / "config.json", published::mixtral_8x7b);
  CHECK((read_model_config(folder.path()) == read_model_config(path)));
  const auto refused = [&](std::string_view text) {
    put(path, text);
    return message_of([&] { read_model_config(folder.path()); });
  };
  CHECK(mentions(refused(R"({"model_type": "mixtral", "hidden_size": 8, "hidden_size": 16})"),
                 path.string(), "two members are called \"hidden_size\""));
  CHECK(mentions(refused("[]"), "expected an object"));
  CHECK(mentions(refused(""), "is not valid JSON"));
  CHECK(mentions(refused("{\"model_type\": \"\xff\"}"), path.string(), "is not valid JSON"));
  CHECK(mentions(refused("{\"a\":" + std::string(300, '[')), "nested deeper than 200 levels"));
}
