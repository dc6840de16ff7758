// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The checkpoints of the real models, counted by the compiler and from their configurations.

#include <algorithm>

#include "catch.hpp"
#include "golden.hpp"
#include "io/published_configs.hpp"

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/model/published_sizes.hpp>

using namespace dsr1;

namespace {

constexpr published_shape deepseek_v3{.vocab = 129'280,
                                      .dim = 7168,
                                      .dense_layers = 3,
                                      .sparse_layers = 58,
                                      .draft_layers = 1,
                                      .heads = 128,
                                      .kv_heads = 128,
                                      .head_dim = 192,
                                      .q_rank = 1536,
                                      .kv_rank = 512,
                                      .plain_dim = 128,
                                      .rope_dim = 64,
                                      .value_dim = 128,
                                      .dense_hidden = 18'432,
                                      .experts = 256,
                                      .top_k = 8,
                                      .expert_hidden = 2048,
                                      .shared_hidden = 2048,
                                      .choice_bias = true,
                                      .projections = coding::fp8,
                                      .expert_weights = coding::fp8};
constexpr published_shape gpt_oss(index_t layers, index_t experts) {
  return {.vocab = 201'088,
          .dim = 2880,
          .sparse_layers = layers,
          .heads = 64,
          .kv_heads = 8,
          .head_dim = 64,
          .attention_bias = true,
          .sinks = true,
          .experts = experts,
          .top_k = 4,
          .expert_hidden = 2880,
          .router_bias = true,
          .expert_bias = true,
          .joined_experts = true,
          .expert_weights = coding::mxfp4};
}
constexpr published_shape mixtral_8x7b{.vocab = 32'000,
                                       .dim = 4096,
                                       .sparse_layers = 32,
                                       .heads = 32,
                                       .kv_heads = 8,
                                       .head_dim = 128,
                                       .experts = 8,
                                       .top_k = 2,
                                       .expert_hidden = 14'336};
constexpr published_shape qwen3_30b_a3b{.vocab = 151'936,
                                        .dim = 2048,
                                        .sparse_layers = 48,
                                        .heads = 32,
                                        .kv_heads = 4,
                                        .head_dim = 128,
                                        .qk_norm = true,
                                        .experts = 128,
                                        .top_k = 8,
                                        .expert_hidden = 768};

constexpr published_size v3 = size_of(deepseek_v3);  // and R1, the same architecture
constexpr published_size oss120 = size_of(gpt_oss(36, 128)), oss20 = size_of(gpt_oss(24, 32));
constexpr published_size mixtral = size_of(mixtral_8x7b), qwen3 = size_of(qwen3_30b_a3b);

// The files, to the byte.
static_assert(v3.tensors == 91'991 && v3.bytes == 688'574'839'360);
static_assert(oss120.tensors == 687 && oss120.bytes == 65'248'815'744);
static_assert(oss20.tensors == 459 && oss20.bytes == 13'761'264'768);
static_assert(mixtral.tensors == 995 && mixtral.bytes == 93'405'585'408);
static_assert(qwen3.tensors == 18'867 && qwen3.bytes == 61'064'245'248);

/// In hundredths of 10^9, rounded.
constexpr index_t billions(index_t count) { return (count + 5'000'000) / 10'000'000; }

// The model cards: 671 and 37 (and 14 more for a second token), 116.83 and 5.13, 20.91 and 3.61,
// 46.70 and 12.88, 30.53 and 3.35 billion. gpt-oss leaves the embedding out of the active ones.
static_assert(billions(v3.parameters) == 671'03 && billions(v3.active) == 37'55);
static_assert(v3.draft == 13'463'426'304 && billions(v3.draft) == 13'46);
static_assert(billions(oss120.parameters) == 116'83);
static_assert(billions(oss120.active - oss120.embedding) == 5'13);
static_assert(billions(oss20.parameters) == 20'91);
static_assert(billions(oss20.active - oss20.embedding) == 3'61);
static_assert(billions(mixtral.parameters) == 46'70 && billions(mixtral.active) == 12'88);
static_assert(billions(qwen3.parameters) == 30'53 && billions(qwen3.active) == 3'35);

published_size from(std::string_view file, std::string_view patch = "{}") {
  return size_of(published_shape_of(read_model_config(published::changed(file, patch))));
}

}  // namespace

TEST_CASE("published_sizes: the configurations give what the compiler found") {
  CHECK((from(published::deepseek_v3) == v3));
  CHECK((from(published::gpt_oss_120b) == oss120));
  CHECK((from(published::gpt_oss_120b, R"({"num_hidden_layers": 24, "num_local_experts": 32})") ==
         oss20));
  CHECK((from(published::mixtral_8x7b) == mixtral));
  CHECK((from(published::qwen3_30b_a3b) == qwen3));
}

TEST_CASE("published_sizes: every small checkpoint has what its configuration tells", "[golden]") {
  const auto folder = golden::path("models");
  if (folder.empty()) return;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto path = entry.path();
    if (!std::filesystem::exists(path / "model.safetensors") &&
        !std::filesystem::exists(path / "model.safetensors.index.json"))
      continue;
    INFO(path.filename().string());
    const auto type = json_object::read(path / "config.json").get<std::string>("model_type");
    const auto known = known_families();
    if (std::none_of(known.begin(), known.end(),
                     [&](const family_config& f) { return f.model_type == type; }))
      continue;  // a family of somebody else's
    const checkpoint_folder stored(path);
    const bool floats = stored.at("model.embed_tokens.weight").type == dtype::f32;
    const published_size size =
        size_of(published_shape_of(read_model_config(path), floats ? coding::f32 : coding::bf16));
    index_t bytes = 0;
    for (const auto& [name, tensor] : stored.tensors())
      bytes += static_cast<index_t>(tensor.bytes.size());
    CHECK(size.tensors == static_cast<index_t>(stored.tensors().size()));
    CHECK(size.bytes == bytes);
    ++cases;
  }
  CHECK(cases >= 3);
}

TEST_CASE("published_sizes: a tied head is stored once, the norm of every layer counts") {
  published_shape s{.vocab = 10, .dim = 4, .dense_layers = 1, .heads = 1, .kv_heads = 1};
  s.head_dim = 2;
  s.dense_hidden = 3;
  const published_size apart = size_of(s);
  s.tied = true;
  const published_size tied = size_of(s);
  CHECK(apart.parameters - tied.parameters == 40);
  CHECK(apart.tensors - tied.tensors == 1);
  CHECK(tied.parameters == 40 + 2 * 4 + 4 * 8 + 3 * 12 + 4);
  CHECK(tied.active == tied.parameters);
}
