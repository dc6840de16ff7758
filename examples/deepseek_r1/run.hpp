// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A training run on disk: what it was asked for, where its files are.
#pragma once

#include <filesystem>
#include <string>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/json.hpp>

#include "seed_model.hpp"

namespace seed {

/// Everything that decides a run's numbers. Stored as run.json when the run begins, and read when
/// it resumes, so that a resumed run is the run that was interrupted.
struct run_config {
  std::string data;  ///< folder that `prepare` wrote
  std::string size_name = "demo";
  model_size size;
  index_t steps = 0;
  index_t tokens = 8192;  ///< of a step
  index_t length = 1024;  ///< longest sequence
  double rate = 3e-3;     ///< peak learning rate
  double weight_decay = 0.1;
  double balance_rate = 1e-2;
  std::uint64_t seed = 1;

  dsr1::json to_json() const {
    return {{"format", 1},
            {"data", data},
            {"size", size_name},
            {"vocab", size.vocab},
            {"dim", size.dim},
            {"layers", size.layers},
            {"heads", size.heads},
            {"kv_heads", size.kv_heads},
            {"head_dim", size.head_dim},
            {"window", size.window},
            {"hidden", size.hidden},
            {"experts", size.experts},
            {"top_k", size.top_k},
            {"context", size.context},
            {"steps", steps},
            {"tokens", tokens},
            {"length", length},
            {"rate", rate},
            {"weight_decay", weight_decay},
            {"balance_rate", balance_rate},
            {"seed", seed}};
  }

  static run_config read(const std::filesystem::path& run) {
    const auto o = dsr1::json_object::read((run / "run.json").string());
    const auto n = [&](const char* key) { return o.get<index_t>(key); };
    dsr1::expects(n("format") == 1, o.source(), ": format ", n("format"), ", this program reads 1");
    return {.data = o.get<std::string>("data"),
            .size_name = o.get<std::string>("size"),
            .size = {.vocab = n("vocab"),
                     .dim = n("dim"),
                     .layers = n("layers"),
                     .heads = n("heads"),
                     .kv_heads = n("kv_heads"),
                     .head_dim = n("head_dim"),
                     .window = n("window"),
                     .hidden = n("hidden"),
                     .experts = n("experts"),
                     .top_k = n("top_k"),
                     .context = n("context")},
            .steps = n("steps"),
            .tokens = n("tokens"),
            .length = n("length"),
            .rate = o.get<double>("rate"),
            .weight_decay = o.get<double>("weight_decay"),
            .balance_rate = o.get<double>("balance_rate"),
            .seed = o.get<std::uint64_t>("seed")};
  }

  void write(const std::filesystem::path& run) const {
    dsr1::atomic_file file(run / "run.json");
    file.write(to_json().dump(2) + "\n");
    file.commit();
  }
};

inline std::filesystem::path checkpoints_of(const std::filesystem::path& run) {
  return run / "checkpoints";
}

}  // namespace seed
