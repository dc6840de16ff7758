// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How the turns of a conversation are written for a model.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/io/json.hpp>

namespace checkpoint {

struct turn {
  std::string user, answer;
};

/// What stands around the parts of a conversation. Special tokens are written as the tokenizer
/// spells them.
struct chat_template {
  std::string begin;
  std::string before_system, after_system;
  std::string before_user, after_user;
  std::string before_answer;  ///< of an answer that the model gave earlier
  std::string ask_answer;     ///< where the model goes on
  std::string after_answer;
  std::vector<std::string> stops;  ///< text that ends an answer, besides the model's end tokens

  std::string text(const std::string& system, const std::vector<turn>& turns) const {
    std::string out = begin;
    if (!system.empty()) out += before_system + system + after_system;
    for (std::size_t i = 0; i < turns.size(); ++i) {
      out += before_user + turns[i].user + after_user;
      if (i + 1 < turns.size()) out += before_answer + turns[i].answer + after_answer;
    }
    return out + ask_answer;
  }

  /// The published form of a family's instruction-tuned models.
  static chat_template of_family(std::string_view model_type) {
    chat_template t;
    if (model_type == "qwen3_moe") {
      t.before_system = "<|im_start|>system\n";
      t.before_user = "<|im_start|>user\n";
      t.before_answer = t.ask_answer = "<|im_start|>assistant\n";
      t.after_system = t.after_user = t.after_answer = "<|im_end|>\n";
      t.stops = {"<|im_end|>"};
      return t;
    }
    if (model_type == "mixtral") {
      t.begin = "<s>";
      t.before_system = t.before_user = " [INST] ";
      t.after_system = " [/INST] </s>";
      t.after_user = " [/INST]";
      t.before_answer = " ";
      t.after_answer = "</s>";
      return t;
    }
    if (model_type == "deepseek_v3") {
      t.begin = "<｜begin▁of▁sentence｜>";
      t.before_user = "<｜User｜>";
      t.before_answer = t.ask_answer = "<｜Assistant｜>";
      t.after_answer = "<｜end▁of▁sentence｜>";
      return t;
    }
    if (model_type == "gpt_oss") {
      t.before_system = "<|start|>developer<|message|># Instructions\n\n";
      t.before_user = "<|start|>user<|message|>";
      t.before_answer = t.ask_answer = "<|start|>assistant<|channel|>final<|message|>";
      t.after_system = t.after_user = t.after_answer = "<|end|>";
      t.stops = {"<|return|>", "<|end|>"};
      return t;
    }
    throw dsr1::error(
        dsr1::text("no chat template for model type ", model_type, "; give one with --template"));
  }

  /// From a JSON object with the members above, all optional.
  static chat_template read(const std::filesystem::path& path) {
    const auto j = dsr1::json_object::read(path);
    j.expect_only({"begin", "before_system", "after_system", "before_user", "after_user",
                   "before_answer", "ask_answer", "after_answer", "stops"});
    const auto text = [&](const char* key) { return j.get<std::string>(key, ""); };
    return {.begin = text("begin"),
            .before_system = text("before_system"),
            .after_system = text("after_system"),
            .before_user = text("before_user"),
            .after_user = text("after_user"),
            .before_answer = text("before_answer"),
            .ask_answer = text("ask_answer"),
            .after_answer = text("after_answer"),
            .stops = j.get<std::vector<std::string>>("stops", {})};
  }
};

}  // namespace checkpoint
