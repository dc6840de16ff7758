// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The options that generate and chat share, and opening the folder with a bar.
#pragma once

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <dsr1/model/stop_matcher.hpp>
#include <dsr1/monitor/progress.hpp>
#include <dsr1/text.hpp>

#include "engine.hpp"

namespace checkpoint {

struct text_options {
  std::string folder;
  index_t tokens = 256;
  dsr1::sampler_options sampling = {.temperature = 0.7, .top_p = 0.95};
  std::vector<std::string> stops;
  index_t guesses = 0;
  bool unpacked = false;
  bool int8_activations = false;
  engine_options engine = {};
};

inline void add_options(CLI::App& app, text_options& o) {
  app.add_option("folder", o.folder, "folder of a published or exported checkpoint")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--tokens", o.tokens, "most new tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--temperature", o.sampling.temperature, "0: always the likeliest")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--top-k", o.sampling.top_k, "0: all")->check(CLI::NonNegativeNumber);
  app.add_option("--top-p", o.sampling.top_p)->check(CLI::Range(0.0, 1.0))->capture_default_str();
  app.add_option("--min-p", o.sampling.min_p)->check(CLI::Range(0.0, 1.0));
  app.add_option("--repetition-penalty", o.sampling.repetition_penalty)->check(CLI::PositiveNumber);
  app.add_option("--seed", o.sampling.seed);
  app.add_option("--stop", o.stops, "text that ends the answer; may be given several times");
  app.add_option("--draft", o.guesses,
                 "tokens that the model's multi-token-prediction layer guesses per round; 0: none")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--context", o.engine.capacity, "longest sequence")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--chunk", o.engine.chunk, "prompt tokens per call")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--device", o.engine.device, "where to compute")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--threads", o.engine.threads, "0: all")->check(CLI::NonNegativeNumber);
  app.add_flag("--unpacked", o.unpacked, "all weights as float in memory");
  app.add_option("--experts", o.engine.experts,
                 "where the codes of experts lie: device, host (pinned memory) or file")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, dsr1::residence>{{"device", dsr1::residence::device},
                                                 {"host", dsr1::residence::host},
                                                 {"file", dsr1::residence::file}}));
  app.add_option("--expert-memory", o.engine.expert_memory,
                 "memory of the device for copies of the experts in demand, as 500M or 4G; 0: none")
      ->transform(CLI::AsSizeValue(false));
  app.add_flag("--int8-activations", o.int8_activations,
               "products with weights of 4 and 8 bits round activations to 8 bits: faster");
}

/// Opens the folder; a bar shows how far it is.
inline std::unique_ptr<engine> open(text_options o) {
  o.engine.packed = !o.unpacked;
  if (o.int8_activations) o.engine.activations = dsr1::activation_type::int8;
  std::unique_ptr<dsr1::progress> bar;
  o.engine.progress = [&](index_t done, index_t total) {
    if (!bar)
      bar = std::make_unique<dsr1::progress>(
          std::cerr, dsr1::terminal_of(2),
          dsr1::progress_options{.title = "load", .total = total, .unit = "tensors"});
    bar->update({.done = done + 1, .amount = 1});
  };
  return open_engine(o.folder, o.engine);
}

inline dsr1::tokenizer tokenizer_of(const std::string& folder) {
  const auto path = std::filesystem::path(folder) / "tokenizer.json";
  dsr1::expects(std::filesystem::exists(path), folder,
                " has no tokenizer.json; give the prompt as --ids and read the answer as ids");
  return dsr1::tokenizer::read(path);
}

}  // namespace checkpoint
