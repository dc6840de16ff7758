// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as the index of a sharded checkpoint: an error that names it, or files of one folder.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <dsr1/io/checkpoint_folder.hpp>

#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto index =
        dsr1::parse_shard_index({reinterpret_cast<const char*>(data), size}, "the index");
    require(!index.file_of.empty());
    for (const auto& [name, file] : index.file_of) {
      const auto path = (std::filesystem::path("/folder") / file).lexically_normal();
      require(path.string().starts_with("/folder/") && file.ends_with(".safetensors"));
    }
  } catch (const dsr1::error& e) {
    require(std::string_view(e.what()).find("the index") != std::string_view::npos);
  }
  return 0;
}
