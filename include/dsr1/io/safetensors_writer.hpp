// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Writing safetensors files tensor by tensor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/dtype.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// Declare every tensor, then write the data in the order of declaration, then commit. The file
/// appears whole or not at all. The header is padded so that the data begin at a multiple of 8.
/// Throws `error` on a name used twice, and when the data written are not those declared.
class safetensors_writer {
 public:
  explicit safetensors_writer(const std::filesystem::path& path,
                              std::map<std::string, std::string> metadata = {})
      : path_(path.string()), file_(path) {
    if (!metadata.empty()) header_["__metadata__"] = std::move(metadata);
  }

  void declare(const std::string& name, dtype type, const std::vector<index_t>& shape) {
    expects(!started_, path_, ": tensor \"", name, "\" declared after the first data");
    expects(!header_.contains(name), path_, ": tensor \"", name, "\" declared twice");
    index_t bytes = info_of(type).bytes;
    for (const index_t e : shape) bytes *= e;
    header_[name] = {{"dtype", info_of(type).name},
                     {"shape", shape},
                     {"data_offsets", {declared_, declared_ + bytes}}};
    declared_ += bytes;
  }

  void write(const void* data, index_t bytes) {
    start();
    expects(written_ + bytes <= declared_, path_, ": ", written_ + bytes, " bytes of data, declared were ",
            declared_);
    file_.write(data, static_cast<std::size_t>(bytes));
    written_ += bytes;
  }

  /// The hash of the whole file; call it after the last data.
  std::uint64_t hash() const { return file_.hash(); }

  void commit() {
    start();
    expects(written_ == declared_, path_, ": ", written_, " bytes of data, declared were ", declared_);
    file_.commit();
  }

 private:
  void start() {
    if (std::exchange(started_, true)) return;
    std::string text = header_.is_null() ? "{}" : header_.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    unsigned char length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(text.size() >> (8 * i));
    file_.write(length, 8);
    file_.write(text);
  }

  std::string path_;
  atomic_file file_;
  json header_;
  index_t declared_ = 0;
  index_t written_ = 0;
  bool started_ = false;
};

}  // namespace dsr1
