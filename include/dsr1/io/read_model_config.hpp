// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The config.json of a model of any known family.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/io/deepseek_v3_config.hpp>
#include <dsr1/io/gpt_oss_config.hpp>
#include <dsr1/io/mixtral_config.hpp>
#include <dsr1/io/qwen3_moe_config.hpp>

namespace dsr1 {

/// One family: what "model_type" says, and what reads the rest. A family of your own is a function
/// that calls `read_decoder` and goes on, as ours do.
struct family_config {
  std::string_view model_type;
  std::function<model_config(const json_object&)> read;
};

/// Ours.
inline std::array<family_config, 4> known_families() {
  return {{{"deepseek_v3", read_deepseek_v3_config},
           {"gpt_oss", read_gpt_oss_config},
           {"mixtral", read_mixtral_config},
           {"qwen3_moe", read_qwen3_moe_config}}};
}

/// The model that a config.json describes; `more` families are looked at before ours. Throws
/// `error` naming the file and the key when the family is unknown, when something that decides a
/// shape or a result is missing, contradictory, beyond `config_limits` or not implemented. Keys
/// that nothing stands for are named in `unknown`.
inline model_config read_model_config(const json_object& file,
                                      std::span<const family_config> more = {}) {
  const auto type = file.get<std::string>("model_type");
  const auto ours = known_families();
  std::vector<family_config> all(more.begin(), more.end());
  all.insert(all.end(), ours.begin(), ours.end());
  std::string list;
  std::vector<std::string_view> names;
  for (const family_config& family : all) {
    if (family.model_type == type) return family.read(file);
    names.push_back(family.model_type);
    list += text(list.empty() ? "\"" : ", \"", family.model_type, "\"");
  }
  throw error(text(file.source(), ": \"model_type\" is ", shown(type), ", expected one of ", list,
                   suggestion(type, names)));
}

/// The same from a file, or from the config.json of a folder. A member that is there twice is an
/// error.
inline model_config read_model_config(const std::filesystem::path& folder_or_file,
                                      std::span<const family_config> more = {}) {
  std::error_code failure;
  const auto path = std::filesystem::is_directory(folder_or_file, failure)
                        ? folder_or_file / "config.json"
                        : folder_or_file;
  const std::string source = path.string();
  return read_model_config(
      json_object(parse_unambiguous_json(open_file(source, O_RDONLY).read(), source), source),
      more);
}

}  // namespace dsr1
