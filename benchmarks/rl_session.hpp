// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What bench_rl measures: the demo model of examples/deepseek_r1 on sums of two numbers.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/io/write_model_config.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/model/save.hpp>
#include <dsr1/optim/schedule.hpp>
#include <dsr1/rl.hpp>
#include <dsr1/train/trainer.hpp>

#include "../examples/deepseek_r1/seed_model.hpp"
#include "timed_cpu.hpp"

namespace bench {

using dsr1::index_t;

/// One token per byte of the task; the model's other tokens are all "?".
class padded_codec {
 public:
  padded_codec(std::string_view alphabet, index_t vocab, std::int32_t end)
      : bytes_(alphabet), vocab_(vocab), end_(end) {}

  index_t vocab() const { return vocab_; }
  std::int32_t end() const { return end_; }
  std::vector<std::int32_t> encode(std::string_view text) const { return bytes_.encode(text); }
  std::string decode(std::span<const std::int32_t> ids) const {
    std::string out;
    for (const std::int32_t id : ids)
      out += id > 0 && id < bytes_.vocab() ? bytes_.decode({&id, 1}) : std::string("?");
    return out;
  }

 private:
  dsr1::character_codec bytes_;
  index_t vocab_;
  std::int32_t end_;
};

/// The demo size as a gpt-oss, so that other programs can open the same weights.
inline dsr1::model_config demo_config() {
  const seed::model_size s = seed::find_size("demo")->size;
  dsr1::model_config c;
  c.model_type = "gpt_oss";
  c.vocab = s.vocab;
  c.dim = s.dim;
  c.layers = s.layers;
  c.context = 512;
  c.norm_eps = dsr1::rms_norm_options{}.eps;
  c.heads = s.heads;
  c.kv_heads = s.kv_heads;
  c.head_dim = s.head_dim;
  c.attention_bias = c.sinks = c.router_bias = c.expert_bias = true;
  for (index_t i = 0; i < s.layers; ++i) c.window.push_back(s.attention(i).window);
  c.rope.theta = dsr1::rope_options{}.theta;
  c.sparse.assign(static_cast<std::size_t>(s.layers), true);
  c.experts = s.experts;
  c.top_k = s.top_k;
  c.expert_hidden = s.hidden;
  c.router = dsr1::router_rule::top_k_softmax;
  c.glu_alpha = seed::expert_unit.alpha;
  c.glu_limit = seed::expert_unit.limit;
  c.glu_offset = seed::expert_unit.offset;
  c.begin = 0;
  c.end = {0};
  return c;
}

using context = dsr1::context<timed_cpu>;
using model_type = dsr1::published<dsr1::attention<>, dsr1::top_k_softmax_gate>::model;

inline model_type make_model(const dsr1::model_config& c) {
  return dsr1::published<dsr1::attention<>, dsr1::top_k_softmax_gate>::make(c);
}

/// Imitates solutions, so that answers end by themselves and differ in what they reach. Returns the
/// last loss.
template <class Model>
double imitate(context& ctx, Model& model, const dsr1::arithmetic& task, const padded_codec& codec,
               int steps) {
  constexpr index_t sequences = 128;
  dsr1::trainer trainer(ctx, model, dsr1::adamw{});
  const dsr1::schedule rate{.warmup = 10, .total = steps};
  std::uint64_t next = 1'000'000;
  double loss = 0;
  for (int step = 0; step < steps; ++step) {
    std::vector<std::int32_t> in, out;
    std::vector<dsr1::sequence> rows;
    for (index_t i = 0; i < sequences; ++i) {
      const auto problem = task.sample(dsr1::split::train, next++);
      const auto prompt = codec.encode(problem.prompt), answer = codec.encode(problem.solution);
      const auto begin = static_cast<index_t>(in.size());
      in.push_back(codec.end());
      in.insert(in.end(), prompt.begin(), prompt.end());
      in.insert(in.end(), answer.begin(), answer.end());
      out.insert(out.end(), prompt.size(), -1);
      out.insert(out.end(), answer.begin(), answer.end());
      out.push_back(codec.end());
      rows.push_back({.begin = begin, .length = static_cast<index_t>(in.size()) - begin});
    }
    const dsr1::training_batch batch[] = {
        {{dsr1::view<const std::int32_t, 1>(in.data(), in.size()), dsr1::sequence_layout(rows)},
         dsr1::view<const std::int32_t, 1>(out.data(), out.size())}};
    loss = trainer.step(batch, 2e-3 * rate(step)).loss;
  }
  return loss;
}

inline void save(context& ctx, model_type& model, const dsr1::model_config& c,
                 const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  save_checkpoint(ctx, model, c, dsr1::gpt_oss_rule, folder / "model.safetensors",
                  dsr1::dtype::f32);
  dsr1::write_file(folder / "config.json", dsr1::model_config_json(c, "float32").dump(2) + "\n");
}

/// All weights, to start again from them.
inline std::vector<float> weights_of(model_type& model) {
  std::vector<float> all;
  model.for_each_parameter([&](const dsr1::parameter_name&, auto& p) {
    all.insert(all.end(), p.values().begin(), p.values().end());
  });
  return all;
}
inline void restore(model_type& model, const std::vector<float>& all) {
  auto from = all.begin();
  model.for_each_parameter([&](const dsr1::parameter_name&, auto& p) {
    std::copy_n(from, p.values().size(), p.values().begin());
    from += static_cast<std::ptrdiff_t>(p.values().size());
  });
}

}  // namespace bench
