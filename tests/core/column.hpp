// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A column of the golden file of casts, which has types that no checkpoint has.
#pragma once

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

inline std::string whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// One column of a safetensors file, whatever its type: `T` has the size of an element.
template <class T>
std::vector<T> column(const std::string& file, const char* name) {
  const auto* length = reinterpret_cast<const unsigned char*>(file.data());
  std::size_t header = 0;
  for (int i = 7; i >= 0; --i) header = header << 8 | length[i];
  const auto offsets = nlohmann::json::parse(file.substr(8, header)).at(name).at("data_offsets");
  const std::size_t first = offsets.at(0), last = offsets.at(1);
  std::vector<T> out((last - first) / sizeof(T));
  std::memcpy(out.data(), file.data() + 8 + header + first, last - first);
  return out;
}
