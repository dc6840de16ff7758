// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 export: a trained run as a published checkpoint.

#include <map>

#include <fmt/format.h>

#include <dsr1/cpu.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/io/write_model_config.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/model/save.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/train/checkpoint.hpp>

#include "commands.hpp"
#include "run.hpp"
#include "tokenizer_json.hpp"

namespace seed {
namespace {

struct options {
  std::string run, folder, format = "gpt_oss", type = "f32";
  index_t step = -1;
};

using exported = dsr1::published<dsr1::attention<>, gate>;

/// The run's architecture in the vocabulary of published checkpoints.
dsr1::model_config config_of(const model_size& s, const std::string& format, std::int32_t end) {
  dsr1::model_config c;
  c.model_type = format;
  c.vocab = s.vocab;
  c.dim = s.dim;
  c.layers = s.layers;
  c.context = s.context;
  c.norm_eps = dsr1::rms_norm_options{}.eps;
  c.heads = s.heads;
  c.kv_heads = s.kv_heads;
  c.head_dim = s.head_dim;
  c.sinks = s.attention(0).sinks;
  for (index_t i = 0; i < s.layers; ++i) c.window.push_back(s.attention(i).window);
  c.rope.theta = dsr1::rope_options{}.theta;
  c.sparse.assign(static_cast<std::size_t>(s.layers), true);
  c.experts = s.experts;
  c.top_k = s.top_k;
  c.expert_hidden = s.hidden;
  c.router = dsr1::router_rule::top_k_softmax;
  c.router_bias = c.expert_bias = true;
  c.glu_alpha = expert_unit.alpha;
  c.glu_limit = expert_unit.limit;
  c.glu_offset = expert_unit.offset;
  c.begin = end;
  c.end = {end};
  return c;
}

/// The values of a trained model under the names of the published one. The balance bias takes part
/// in the weights, so it is a router bias; what the run does not have (biases of experts) is zero.
void copy_values(model& from, exported::model& to) {
  std::map<std::string, const dsr1::parameter<float>*> known;
  from.for_each_parameter(
      [&](const dsr1::parameter_name& name, auto& p) { known[name.str()] = &p; });
  std::size_t used = 0;
  to.for_each_parameter([&](const dsr1::parameter_name& chain, auto& p) {
    std::string name = chain.str();
    if (const auto at = name.find(".mlp."); at != std::string::npos) name.replace(at, 5, ".moe.");
    if (const auto at = name.find(".moe.router.bias"); at != std::string::npos)
      name.replace(at, std::string::npos, ".moe.balance");
    else if (name.ends_with(".moe.balance"))
      return;
    const auto it = known.find(name);
    if (it == known.end()) return;
    dsr1::expects(it->second->size() == p.size(), "parameter ", name, " has ", it->second->size(),
                  " numbers, the published one ", p.size());
    std::copy(it->second->values().begin(), it->second->values().end(), p.values().begin());
    ++used;
  });
  dsr1::expects(used == known.size(), used, " of ", known.size(),
                " parameters have a place in the published model");
}

/// Our tokenizer; every text begins with the token that ends documents, as in training.
std::string tokenizer_file(const dsr1::data_manifest& m, std::int32_t begin) {
  const std::string path = (m.folder / m.tokenizer).string();
  dsr1::json file = dsr1::json::parse(tokenizer_json(dsr1::open_file(path, O_RDONLY).read(), path));
  std::string name;
  for (const auto& token : file["added_tokens"])
    if (token["id"] == begin) name = token["content"];
  const dsr1::json special = {{"id", name}, {"type_id", 0}}, text = {{"id", "A"}, {"type_id", 0}};
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", special}}, {{"Sequence", text}}}},
      {"pair",
       {{{"SpecialToken", special}},
        {{"Sequence", text}},
        {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
      {"special_tokens", {{name, {{"id", name}, {"ids", {begin}}, {"tokens", {name}}}}}}};
  return file.dump() + "\n";
}

void export_run(const options& o) {
  const auto c = run_config::read(o.run);
  const auto manifest = read_data_of(c);
  const dsr1::model_config config = config_of(c.size, o.format, manifest.end_of_document);
  const dsr1::dtype type = o.type == "f32" ? dsr1::dtype::f32 : dsr1::dtype::bf16;
  const dsr1::json written =
      dsr1::model_config_json(config, type == dsr1::dtype::f32 ? "float32" : "bfloat16");
  const auto path = checkpoint_of(o.run, o.step);

  dsr1::context<dsr1::cpu> ctx;
  model trained = make(c.size);
  dsr1::initialize(ctx, trained, false);
  dsr1::load_parameters(ctx, (path / "model.safetensors").string(), trained);
  auto published = exported::make(config);
  dsr1::initialize(ctx, published, false);
  copy_values(trained, published);

  const std::filesystem::path to(o.folder);
  std::filesystem::create_directories(to);
  const index_t bytes =
      save_checkpoint(ctx, published, config, dsr1::gpt_oss_rule, to / "model.safetensors", type);
  dsr1::write_file(to / "config.json", written.dump(2) + "\n");
  dsr1::write_file(to / "tokenizer.json", tokenizer_file(manifest, manifest.end_of_document));
  dsr1::write_file(to / "tokenizer_config.json",
                   dsr1::json{{"tokenizer_class", "PreTrainedTokenizerFast"},
                              {"model_max_length", c.size.context}}
                           .dump(2) +
                       "\n");
  fmt::print("{}: {} weights of {}, {:.1f} MB\n", o.folder, o.format, path.filename().string(),
             1e-6 * static_cast<double>(bytes));
}

}  // namespace

void add_export(CLI::App& app) {
  auto o = std::make_shared<options>();
  CLI::App* sub =
      app.add_subcommand("export", "A trained run as a checkpoint that other programs open");
  sub->add_option("run", o->run, "folder of the run")->required()->check(CLI::ExistingDirectory);
  sub->add_option("folder", o->folder, "where to put it")->required();
  sub->add_option("--format", o->format, "family of the checkpoint")
      ->check(CLI::IsMember({"gpt_oss", "qwen3_moe", "mixtral"}))
      ->capture_default_str();
  sub->add_option("--type", o->type, "of the weights")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  sub->add_option("--step", o->step, "checkpoint of this step instead of the newest")
      ->check(CLI::NonNegativeNumber);
  sub->callback([o] { export_run(*o); });
}

}  // namespace seed
