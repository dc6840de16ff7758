// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A training run on disk: what it was asked for, where its files are.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>

#include <dsr1/data/manifest.hpp>
#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/io/mapped_file.hpp>
#include <dsr1/sync/gradient_sync.hpp>
#include <dsr1/train/checkpoint.hpp>

#include "seed_model.hpp"
#include "tokenizer.hpp"

namespace seed {

/// Everything that decides a run's numbers. Stored as run.json when the run begins, and read when
/// it resumes, so that a resumed run is the run that was interrupted. Format 3 says how gradients
/// travel.
struct run_config {
  std::string stage = "pretrain";  ///< the command that trains it
  std::string data;                ///< folder that `prepare` wrote
  std::string data_hash;           ///< of its shards and its tokenizer, as `data_hash_of`
  std::string size_name = "demo";
  model_size size;
  index_t steps = 0;
  index_t tokens = 4096;  ///< of a step
  index_t length = 1024;  ///< longest sequence
  double rate = 6e-3;     ///< peak learning rate
  double weight_decay = 0.1;
  double balance_rate = 0.1;
  std::uint64_t seed = 1;
  dsr1::sync_options sync = {};  ///< between ranks
  int expert_ranks = 1;          ///< ranks that share the experts among them; 0: all
  index_t rebalance_steps = 0;   ///< after how many steps experts move to less busy ranks; 0: never

  dsr1::json to_json() const {
    return {{"format", 3},
            {"stage", stage},
            {"data", data},
            {"data_hash", data_hash},
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
            {"seed", seed},
            {"gradients", dsr1::name_of(sync.gradients.code)},
            {"stochastic", sync.gradients.stochastic},
            {"error_feedback", sync.error_feedback},
            {"shard_optimizer", sync.shard_optimizer},
            {"bucket_bytes", sync.bucket_bytes},
            {"expert_ranks", expert_ranks},
            {"rebalance_steps", rebalance_steps}};
  }

  static run_config read(const std::filesystem::path& run) {
    const auto o = dsr1::json_object::read((run / "run.json").string());
    const auto n = [&](const char* key) { return o.get<index_t>(key); };
    dsr1::expects(n("format") == 3, o.source(), ": format ", n("format"), ", this program reads 3");
    return {.stage = o.get<std::string>("stage", "pretrain"),
            .data = o.get<std::string>("data"),
            .data_hash = o.get<std::string>("data_hash"),
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
            .seed = o.get<std::uint64_t>("seed"),
            .sync = {.gradients = {.code = dsr1::wire_code_of(o.get<std::string>("gradients")),
                                   .stochastic = o.get<bool>("stochastic")},
                     .error_feedback = o.get<bool>("error_feedback"),
                     .shard_optimizer = o.get<bool>("shard_optimizer"),
                     .bucket_bytes = n("bucket_bytes")},
            .expert_ranks = o.get<int>("expert_ranks"),
            .rebalance_steps = n("rebalance_steps")};
  }
};

/// One hash for all that a run takes from a data set.
inline std::string data_hash_of(const dsr1::data_manifest& m) {
  dsr1::content_hash hash;
  const auto add = [&](const std::string& text) { hash.add(text.data(), text.size()); };
  add(m.tokenizer_hash);
  for (const dsr1::data_split* split : {&m.train, &m.held_out})
    for (const dsr1::shard_entry& e : split->shards) add(e.hash);
  return dsr1::hash_text(hash.value());
}

/// The manifest of the data that a run began with. Throws `error` when it is missing or another.
inline dsr1::data_manifest read_data_of(const run_config& c) {
  dsr1::data_manifest m = dsr1::read_manifest(c.data);
  dsr1::expects(data_hash_of(m) == c.data_hash, (m.folder / "manifest.json").string(),
                " is of other data than the run began with: its hash is ", data_hash_of(m),
                ", the run's is ", c.data_hash);
  return m;
}

/// The tokenizer of a data set. Throws `error` when it is missing or not the one in the manifest.
inline tokenizer tokenizer_of(const dsr1::data_manifest& m) {
  const std::string path = (m.folder / m.tokenizer).string();
  const std::string hash = dsr1::hash_text(dsr1::hash_of_file(path));
  dsr1::expects(hash == m.tokenizer_hash, path, " was edited: its hash is ", hash,
                ", manifest.json says ", m.tokenizer_hash);
  return tokenizer(path);
}

inline std::filesystem::path checkpoints_of(const std::filesystem::path& run) {
  return run / "checkpoints";
}

/// The checkpoint of a step; of the newest when the step is below zero. Throws `error` when there
/// is none.
inline std::filesystem::path checkpoint_of(const std::filesystem::path& run, index_t step) {
  const auto steps = dsr1::checkpoint::steps(checkpoints_of(run));
  dsr1::expects(!steps.empty(), run.string(), " has no checkpoint yet");
  if (step < 0) step = steps.back();
  dsr1::expects(std::find(steps.begin(), steps.end(), step) != steps.end(), run.string(),
                " has no checkpoint of step ", step, "; the newest is ", steps.back());
  return dsr1::checkpoint::path_of(checkpoints_of(run), step);
}

}  // namespace seed
