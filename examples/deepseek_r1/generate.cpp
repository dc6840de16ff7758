// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 generate: text from a trained run.

#include <iostream>

#include <fmt/format.h>

#include <dsr1/data/manifest.hpp>

#include "commands.hpp"
#include "device.hpp"

namespace seed {
namespace {

struct options {
  std::string run;
  generation what;
  index_t step = -1;
  std::string device = "cpu";
  int threads = 0;
};

void generate(options o) {
  const auto c = run_config::read(o.run);
  const auto manifest = read_data_of(c);
  const auto path = checkpoint_of(o.run, o.step);
  const tokenizer words = tokenizer_of(manifest);
  o.what.end = manifest.end_of_document;
  const generation_report r = generate_from(o.device, path, c, o.threads, std::cout, words, o.what);
  std::cerr << fmt::format("[{} prompt tokens in {:.3f} s; {} tokens, {:.0f} tokens/s]\n",
                           r.prompt_tokens, r.prompt_seconds, r.tokens,
                           static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9));
}

}  // namespace

void add_generate(CLI::App& app) {
  auto o = std::make_shared<options>();
  CLI::App* sub = app.add_subcommand("generate", "Text from a trained run");
  sub->add_option("run", o->run, "folder of the run")->required()->check(CLI::ExistingDirectory);
  sub->add_option("--prompt", o->what.prompt, "how the text begins");
  sub->add_option("--tokens", o->what.tokens, "most tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--temperature", o->what.sampling.temperature, "0: always the likeliest")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  sub->add_option("--top-k", o->what.sampling.top_k, "0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  sub->add_option("--top-p", o->what.sampling.top_p)
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  sub->add_option("--seed", o->what.sampling.seed)->capture_default_str();
  sub->add_option("--step", o->step, "checkpoint of this step instead of the newest")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--device", o->device, "where to compute")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  sub->add_option("--threads", o->threads, "0: all")->check(CLI::NonNegativeNumber);
  sub->callback([o] { generate(*o); });
}

}  // namespace seed
