// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// An exported run is the model that was trained, as a published checkpoint; other formats are
// refused with the reason.

#include "program.hpp"
#include "seed_model.hpp"

#include <dsr1/cpu.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/testing/compare.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace program_test;
using dsr1::index_t;

namespace {

template <class Model>
std::vector<float> logits_of(dsr1::context<dsr1::cpu>& ctx, Model& m,
                             const std::vector<std::int32_t>& ids) {
  ctx.workspace().reset();
  typename Model::saved s;
  const dsr1::token_batch batch{dsr1::view<const std::int32_t, 1>(ids.data(), ids.size()),
                                dsr1::sequence_layout(static_cast<index_t>(ids.size()))};
  const dsr1::view<const float, 2> h = m.hidden(ctx, batch, s);
  const auto y = m.logits(ctx, h);
  return {y.data, y.data + y.size()};
}

}  // namespace

TEST_CASE("export: the trained model as a gpt-oss checkpoint") {
  const folder f;
  make_data(f);
  REQUIRE(run(f, small_run("run", 20, "--rate 1e-2 --save-steps 20")) == 0);
  const int status = run(f, "export run oss");
  INFO(read(f / "err.txt"));
  REQUIRE(status == 0);

  const dsr1::model_config c = dsr1::read_model_config(f / "oss");
  CHECK(c.model_type == "gpt_oss");
  CHECK(c.unknown.empty());
  dsr1::context<dsr1::cpu> ctx({.threads = 2});
  auto published = dsr1::published<dsr1::attention<>, dsr1::top_k_softmax_gate>::make(c);
  load_checkpoint(ctx, published, c, dsr1::gpt_oss_rule,
                  dsr1::checkpoint_folder((f / "oss").string()), {.gradients = false});
  seed::model_size size = seed::find_size("nano")->size;
  size.vocab = c.vocab;  // what the corpus gave
  auto trained = seed::make(size);
  dsr1::initialize(ctx, trained, false);
  dsr1::load_parameters(
      ctx, (dsr1::checkpoint::path_of(f / "run/checkpoints", 20) / "model.safetensors").string(),
      trained);
  std::vector<std::int32_t> ids;
  for (index_t i = 0; i < 70; ++i)  // longer than the window
    ids.push_back(static_cast<std::int32_t>(dsr1::random_stream(1).below(i, c.vocab)));
  const auto a = logits_of(ctx, published, ids), b = logits_of(ctx, trained, ids);
  const auto d = dsr1::testing::compare(a.data(), b.data(), static_cast<index_t>(a.size()));
  CHECK(d.scale > 0.1);
  CHECK(d.relative() < 1e-5);
  CHECK(read(f / "oss/tokenizer.json").find("TemplateProcessing") != std::string::npos);
}

TEST_CASE("export: what it refuses") {
  const folder f;
  make_data(f);
  REQUIRE(run(f, small_run("run", 2)) == 0);
  for (const char* format : {"mixtral", "qwen3_moe"}) {
    CHECK(run(f, std::string("export run out --format ") + format) == 1);
    CHECK(read(f / "err.txt") ==
          dsr1::text("deepseek_r1: a config.json of ", format, " cannot express sinks\n"));
    CHECK_FALSE(fs::exists(f / "out"));
  }
  CHECK(run(f, "export run out --step 7") == 1);
  CHECK(read(f / "err.txt") == "deepseek_r1: run has no checkpoint of step 7; the newest is 2\n");
}
