// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where the vectors of the reference implementations are, and how to read one.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/io/safetensors.hpp>

namespace golden {

/// tests/golden of the project (golden.cpp alone knows the path, so that caches of compilers work
/// in every checkout).
const char* project_folder();

/// The folder of the vectors: the environment variable DSR1_GOLDEN, or tests/golden of the project.
inline std::filesystem::path root() {
  const char* other = std::getenv("DSR1_GOLDEN");
  return other && *other ? other : project_folder();
}

/// The path of a file, or an empty one (with a warning that names it) when this root lacks it.
inline std::string path(const std::string& file) {
  const auto p = root() / file;
  if (std::filesystem::exists(p)) return p.string();
  WARN("skipped: no " << p.string());
  return {};
}

/// A tensor as doubles.
inline std::vector<double> numbers(const dsr1::safetensors& file, const std::string& name) {
  const dsr1::stored_tensor& t = file.at(name);
  std::vector<double> out(static_cast<std::size_t>(t.size()));
  t.copy_to(out.data());
  return out;
}

}  // namespace golden
