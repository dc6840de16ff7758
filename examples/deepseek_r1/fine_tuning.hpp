// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a run of fine-tuning was asked for, and the examples that it learns from.
#pragma once

#include <filesystem>
#include <string>

#include <dsr1/data/dialogue_file.hpp>
#include <dsr1/data/examples.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/train/early_stop.hpp>

#include "token_codec.hpp"

namespace seed {

using dsr1::index_t;

/// Everything that decides the numbers of such a run besides its `run_config`; "fine_tuning" in
/// run.json.
struct fine_tuning {
  std::string examples;    ///< file of dialogues
  std::string validation;  ///< another; empty: a share of the first
  double share = 0.1;      ///< of the prompts, kept for validation; 0: no validation
  std::string hash;        ///< of the examples as tokens, both sets
  dsr1::chat_template form;
  bool cut = false;  ///< examples that are too long, instead of refusing them
  index_t epochs = 0;
  index_t evaluate_steps = 0;  ///< 0: ten times in all
  dsr1::early_stop_options stop;
  std::string from;  ///< checkpoint whose weights it began with; empty: random ones
  std::string from_hash;

  dsr1::json to_json() const {
    return {{"examples", examples},
            {"validation", validation},
            {"share", share},
            {"hash", hash},
            {"template", form.to_json()},
            {"cut", cut},
            {"epochs", epochs},
            {"evaluate_steps", evaluate_steps},
            {"patience", stop.patience},
            {"least", stop.least},
            {"from", from},
            {"from_hash", from_hash}};
  }

  /// Throws `error` naming the source and the key.
  static fine_tuning from_json(const dsr1::json_object& o) {
    return {.examples = o.get<std::string>("examples"),
            .validation = o.get<std::string>("validation"),
            .share = o.get<double>("share"),
            .hash = o.get<std::string>("hash"),
            .form = dsr1::chat_template::from_json(o.object("template")),
            .cut = o.get<bool>("cut"),
            .epochs = o.get<index_t>("epochs"),
            .evaluate_steps = o.get<index_t>("evaluate_steps"),
            .stop = {.patience = o.get<index_t>("patience"), .least = o.get<double>("least")},
            .from = o.get<std::string>("from"),
            .from_hash = o.get<std::string>("from_hash")};
  }
};

/// The examples of a run in memory.
struct fine_tuning_data {
  dsr1::example_set train, validation;
  std::string prompt;  ///< of the first dialogue kept for validation, or else of the first

  std::string hash() const {
    const std::uint64_t both[] = {train.hash(), validation.hash()};
    dsr1::content_hash h;
    h.add(both, sizeof(both));
    return dsr1::hash_text(h.value());
  }
};

/// Reads the files, as `dsr1::dialogue_of` says. Throws `error` naming file and line of an example
/// that is wrong or too long, and when there is none to learn from or none to validate with.
inline fine_tuning_data read_examples(const fine_tuning& f, const tokenizer& words,
                                      index_t length) {
  const token_codec codec(words);
  const dsr1::dialogue_encoder encode(codec, f.form);
  const dsr1::example_options options = {
      .length = length, .longer = f.cut ? dsr1::over_length::cut : dsr1::over_length::refuse};
  fine_tuning_data data{dsr1::example_set(options), dsr1::example_set(options), ""};
  const auto read = [&](const std::string& path, double share) {
    dsr1::for_each_json_line(path, [&](const dsr1::json_object& o) {
      const dsr1::dialogue d = dsr1::dialogue_of(o);
      const bool kept = dsr1::is_validation(d, share);
      const bool first = kept ? data.validation.size() == 0 : data.train.size() == 0;
      if (first && (kept || data.validation.size() == 0) && d[0].role == dsr1::chat_role::user)
        data.prompt = d[0].text;
      (kept ? data.validation : data.train).add(encode(d), o.source());
    });
  };
  read(f.examples, f.validation.empty() ? f.share : 0);
  if (!f.validation.empty()) read(f.validation, 1);
  dsr1::expects(data.train.size() > 0, f.examples, " has no example to learn from, ",
                data.validation.size(), " for validation and ", data.train.left_out(),
                " left out, expected one or more");
  const bool validates = !f.validation.empty() || f.share > 0;
  dsr1::expects(!validates || data.validation.size() > 0,
                f.validation.empty() ? f.examples : f.validation,
                " has no example for validation among ", data.train.size(),
                "; give a larger --validation-share (0: none) or a --validation file");
  return data;
}

}  // namespace seed
