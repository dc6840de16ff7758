// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What stands at the beginning of a safetensors file: names, types, shapes and places of tensors.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <dsr1/io/dtype.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// The header of a file whose tensors follow each other in the order of declaration. It is padded
/// so that the data begin at a multiple of 8; to keep every tensor aligned, declare those of wide
/// types first (the format allows no gaps). Throws `error` naming the file on a name used twice or
/// that is no UTF-8, and on a shape that overflows.
class safetensors_header {
 public:
  struct tensor {
    std::string name;
    index_t begin, end;  ///< bytes, from the first of the data
  };

  explicit safetensors_header(std::string path,
                              const std::map<std::string, std::string>& metadata = {})
      : path_(std::move(path)) {
    if (!metadata.empty()) header_["__metadata__"] = metadata;
  }

  void declare(const std::string& name, dtype type, const std::vector<index_t>& shape) {
    expects(name != "__metadata__", path_, ": no tensor may be called \"__metadata__\"");
    expects(!header_.contains(name), path_, ": tensor \"", name, "\" declared twice");
    index_t bytes = info_of(type).bytes;
    for (const index_t extent : shape)
      expects(extent >= 0 && !__builtin_mul_overflow(bytes, extent, &bytes), path_, ": tensor \"",
              name, "\" has an extent of ", extent, ", negative or too large");
    index_t end = 0;
    expects(!__builtin_add_overflow(size(), bytes, &end), path_, ": too many bytes at tensor \"",
            name, "\"");
    header_[name] = {
        {"dtype", info_of(type).name}, {"shape", shape}, {"data_offsets", {size(), end}}};
    tensors_.push_back({name, size(), end});
  }

  const std::string& path() const { return path_; }
  const std::vector<tensor>& tensors() const { return tensors_; }
  /// Bytes of all tensors declared so far.
  index_t size() const { return tensors_.empty() ? 0 : tensors_.back().end; }

  /// The bytes before the data.
  std::string bytes() const {
    std::string text;
    try {
      text = header_.dump();
    } catch (const json::exception& e) {
      throw error(path_ + ": a name or the metadata are no UTF-8: " + e.what());
    }
    expects(text.size() < 100'000'000, path_, ": a header of ", text.size(),
            " bytes, readers allow 100 MB");
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i)
      length[i] = static_cast<char>(static_cast<unsigned char>(text.size() >> (8 * i)));
    return length + text;
  }

 private:
  std::string path_;
  json header_ = json::object();
  std::vector<tensor> tensors_;
};

}  // namespace dsr1
