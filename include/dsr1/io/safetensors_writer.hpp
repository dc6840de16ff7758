// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Writing safetensors files tensor by tensor.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/dtype.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// Declare every tensor, then write the data in the order of declaration, in as many pieces as you
/// like, then commit. The file appears whole or not at all. The header is padded so that the data
/// begin at a multiple of 8; to keep every tensor aligned, declare those of wide types first (the
/// format allows no gaps). Throws `error` on a name used twice or that is no UTF-8, on a shape that
/// overflows, on data that are not those declared, and as `atomic_file` does.
class safetensors_writer {
 public:
  explicit safetensors_writer(const std::filesystem::path& path,
                              const std::map<std::string, std::string>& metadata = {})
      : file_(path) {
    if (!metadata.empty()) header_["__metadata__"] = metadata;
  }

  void declare(const std::string& name, dtype type, const std::vector<index_t>& shape) {
    expects(!started_, file_.path(), ": tensor \"", name, "\" declared after the first data");
    expects(name != "__metadata__", file_.path(), ": no tensor may be called \"__metadata__\"");
    expects(!header_.contains(name), file_.path(), ": tensor \"", name, "\" declared twice");
    index_t bytes = info_of(type).bytes;
    for (const index_t extent : shape)
      expects(extent >= 0 && !__builtin_mul_overflow(bytes, extent, &bytes), file_.path(),
              ": tensor \"", name, "\" has an extent of ", extent, ", negative or too large");
    index_t end = 0;
    expects(!__builtin_add_overflow(declared(), bytes, &end), file_.path(),
            ": too many bytes at tensor \"", name, "\"");
    header_[name] = {
        {"dtype", info_of(type).name}, {"shape", shape}, {"data_offsets", {declared(), end}}};
    tensors_.push_back({name, end});
  }

  void write(const void* data, index_t bytes) {
    start();
    expects(bytes >= 0 && bytes <= declared() - written_, file_.path(), ": ", written_ + bytes,
            " bytes of data, declared were ", declared());
    file_.write(data, static_cast<std::size_t>(bytes));
    written_ += bytes;
  }
  template <class T>
  void write(std::span<const T> elements) {
    write(elements.data(), static_cast<index_t>(elements.size_bytes()));
  }

  /// The hash of the whole file; call it after the last data.
  std::uint64_t hash() const { return file_.hash(); }

  void commit() {
    start();
    for (const auto& [name, end] : tensors_)
      expects(written_ >= end, file_.path(), ": ", end - written_,
              " bytes are missing up to the end of ", "tensor \"", name, "\"");
    file_.commit();
  }

 private:
  struct declared_tensor {
    std::string name;
    index_t end;
  };

  index_t declared() const { return tensors_.empty() ? 0 : tensors_.back().end; }

  void start() {
    if (std::exchange(started_, true)) return;
    std::string text;
    try {
      text = header_.dump();
    } catch (const json::exception& e) {
      throw error(file_.path() + ": a name or the metadata are no UTF-8: " + e.what());
    }
    expects(text.size() < 100'000'000, file_.path(), ": a header of ", text.size(),
            " bytes, readers allow 100 MB");
    text.resize((text.size() + 7) / 8 * 8, ' ');
    unsigned char length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(text.size() >> (8 * i));
    file_.write(length, 8);
    file_.write(text);
  }

  atomic_file file_;
  json header_ = json::object();
  std::vector<declared_tensor> tensors_;
  index_t written_ = 0;
  bool started_ = false;
};

}  // namespace dsr1
