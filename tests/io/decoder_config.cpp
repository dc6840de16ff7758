// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What the configurations of all families have in common.

#include "catch.hpp"
#include "io/published_configs.hpp"

#include <dsr1/io/decoder_config.hpp>

using namespace dsr1;
using published::changed;
using published::refusal;

namespace {

model_config read_all(const json_object& file) {
  config_keys keys(file);
  return read_decoder(keys);
}

rope_keys rope(std::string_view text) {
  config_keys keys({parse_json(text, "config.json"), "config.json"});
  std::vector<std::string> unknown;
  rope_keys r = read_rope(keys, 1000, unknown);
  CHECK(unknown.empty());
  return r;
}

}  // namespace

TEST_CASE("decoder_config: positions in both dialects") {
  const rope_keys plain = rope(R"({"rope_theta": 5e5})");
  CHECK(plain.rope == rope_config{.theta = 5e5});
  CHECK_FALSE(plain.yarn);
  CHECK(rope(R"({"rope_theta": 5e5, "rope_scaling": null})") == plain);
  CHECK(rope(R"({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}})") == plain);
  CHECK(rope(R"({"rope_theta": 5e5, "rope_parameters": {"rope_theta": 5e5}})") == plain);
  const rope_keys yarn = rope(R"({"rope_theta": 5e5, "rope_scaling": {"type": "yarn",
                                  "factor": 8, "beta_slow": 2, "mscale": 0.7}})");
  CHECK(yarn.yarn);
  CHECK(yarn.rope.factor == 8);
  CHECK(yarn.rope.beta_fast == 32);
  CHECK(yarn.rope.beta_slow == 2);
  CHECK(yarn.rope.original_length == 1000);
  CHECK(yarn.rope.truncate);
  CHECK(yarn.rope.concentration == Approx(0.1 * std::log(8.) + 1));  // mscale alone says nothing
  CHECK(rope(R"({"rope_parameters": {"rope_theta": 5e5, "rope_type": "yarn", "factor": 8,
                 "beta_slow": 2}})") == yarn);
  CHECK(rope(R"({"rope_theta": 5e5, "rope_scaling": {"type": "yarn", "rope_type": "yarn",
                 "factor": 8, "beta_slow": 2}, "rope_parameters": {"rope_theta": 5e5,
                 "rope_type": "yarn", "factor": 8.0, "beta_slow": 2}})") == yarn);
  CHECK(rope(R"({"rope_theta": 1e4, "rope_scaling": {"type": "yarn", "factor": 8,
                 "attention_factor": 1.25}})")
            .rope.concentration == 1.25);
}

TEST_CASE("decoder_config: YaRN that stretches nothing is none") {
  const rope_keys plain = rope(R"({"rope_theta": 1e4})");
  CHECK(rope(R"({"rope_theta": 1e4, "rope_scaling": {"type": "yarn", "factor": 1.0, "mscale": 1,
                 "mscale_all_dim": 1, "truncate": false}})") == plain);
  CHECK(mentions(message_of([] {
                   rope(R"({"rope_theta": 1e4, "rope_scaling": {"type": "yarn", "factor": 1,
                            "attention_factor": 2.0}})");
                 }),
                 "\"attention_factor\" is 2.0, expected 1.0"));
}

TEST_CASE("decoder_config: yarn_growth") {
  CHECK(yarn_growth(40, 1) == Approx(1.3688879).epsilon(1e-7));
  CHECK(yarn_growth(1, 1) == 1);
  CHECK(yarn_growth(40, 0) == 1);
}

TEST_CASE("decoder_config: tokens") {
  const auto tokens = [](std::string_view text) {
    config_keys keys({parse_json(text, "config.json"), "config.json"});
    return read_tokens(keys, "t", 10);
  };
  CHECK(tokens(R"({})").empty());
  CHECK(tokens(R"({"t": null})").empty());
  CHECK(tokens(R"({"t": -1})").empty());
  CHECK(tokens(R"({"t": 3})") == std::vector<std::int32_t>{3});
  CHECK(tokens(R"({"t": [3, 9]})") == std::vector<std::int32_t>{3, 9});
  CHECK(mentions(message_of([&] { tokens(R"({"t": [3, 10]})"); }),
                 "config.json: \"t\" is [3,10], expected tokens below the \"vocab_size\" 10"));
  CHECK(mentions(message_of([&] { tokens(R"({"t": "3"})"); }), "expected a whole number"));
}

TEST_CASE("decoder_config: what is refused in every family") {
  const refusal all[] = {
      {R"({"vocab_size": null})", "\"vocab_size\" is missing"},
      {R"({"vocab_size": 0})", "\"vocab_size\" is 0, expected 1 to 16777216"},
      {R"({"vocab_size": 100000000})", "\"vocab_size\" is 100000000, expected 1 to"},
      {R"({"hidden_size": -4})", "\"hidden_size\" is -4, expected 1 to"},
      {R"({"hidden_size": 1e3})", "\"hidden_size\" is 1000.0, expected a whole number"},
      {R"({"hidden_size": 18446744073709551615})", "\"hidden_size\" is 18446744073709551615"},
      {R"({"num_hidden_layers": 1000000})", "\"num_hidden_layers\" is 1000000, expected 1 to"},
      {R"({"max_position_embeddings": -1})", "\"max_position_embeddings\" is -1, expected 1 to"},
      {R"({"rms_norm_eps": -1e-6})", "\"rms_norm_eps\" is -1e-06, expected"},
      {R"({"rms_norm_eps": null})", "\"rms_norm_eps\" is missing"},
      {R"({"rms_norm_eps": "NaN"})", "\"rms_norm_eps\" is \"NaN\", expected a number"},
      {R"({"num_key_value_heads": 3})", "\"num_attention_heads\" is 32",
       "expected a multiple of \"num_key_value_heads\", 3"},
      {R"({"num_key_value_heads": null})", "\"num_key_value_heads\" is missing"},
      {R"({"hidden_act": "gelu"})", "\"hidden_act\" is \"gelu\", expected \"silu\""},
      {R"({"tie_word_embeddings": 1})", "\"tie_word_embeddings\" is 1, expected true or false"},
      {R"({"eos_token_id": 151936})", "\"eos_token_id\" is 151936, expected tokens below"},
      {R"({"bos_token_id": -2})", "\"bos_token_id\" is -2, expected tokens below"},
      {R"({"pad_token_id": [1, 2]})", "\"pad_token_id\" is a list of 2, expected one token"},
      {R"({"router_aux_loss_coef": -1})", "\"router_aux_loss_coef\" is -1, expected 0 to"},
      {R"({"rope_theta": null})", "\"rope_theta\" is missing"},
      {R"({"rope_theta": 0})", "\"rope_theta\" is 0, expected 1 to"},
      {R"({"rope_parameters": {"rope_theta": 1e4}})",
       "\"rope_parameters\": \"rope_theta\" is 10000",
       "but outside of it 1e+06; expected the same"},
      {R"({"rope_theta": null, "rope_parameters": {"rope_type": "default"}})",
       "\"rope_parameters\": \"rope_theta\" is missing"},
      {R"({"rope_scaling": {"type": "linear", "factor": 2}})", "the type is \"linear\"",
       "expected \"default\" or \"yarn\""},
      {R"({"rope_scaling": {"type": "yarn", "rope_type": "default"}})", "\"type\" is \"yarn\"",
       "expected \"default\""},
      {R"({"rope_scaling": {"type": "yarn"}})", "\"rope_scaling\": \"factor\" is missing"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 0.5}})", "\"factor\" is 0.5, expected 1 to"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": 1}})",
       "\"beta_slow\" is 1 and \"beta_fast\" 1, expected"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 0}})",
       "\"original_max_position_embeddings\" is 0, expected 1 to"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 2},
           "rope_parameters": {"rope_type": "yarn", "factor": 4}})",
       "\"rope_scaling\" and \"rope_parameters\" differ"},
      {R"({"rope_scaling": [1]})", "\"rope_scaling\" is array, expected an object"},
      {R"({"quantization_config": {"quant_method": "gptq"}})",
       "\"quantization_config\": \"quant_method\" is \"gptq\"",
       "expected \"mxfp4\", \"fp8\" or \"dsr1\""},
      {R"({"quantization_config": {}})", "\"quant_method\" is missing"},
      {R"({"quantization_config": {"quant_method": "fp8", "fmt": "e5m2"}})",
       "\"fmt\" is \"e5m2\", expected \"e4m3\""},
      {R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 64]}})",
       "\"weight_block_size\" is [64,64], expected [128,128]"},
  };
  published::check_refused(read_all, published::qwen3_30b_a3b, all);
  CHECK(mentions(message_of([] { parse_json(R"({"rms_norm_eps": NaN})", "config.json"); }),
                 "config.json is not valid JSON"));
}
