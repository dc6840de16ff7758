// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Writing safetensors files tensor by tensor.
#pragma once

#include <span>
#include <utility>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/safetensors_header.hpp>

namespace dsr1 {

/// Declare every tensor, then write the data in the order of declaration, in as many pieces as you
/// like, then commit. The file appears whole or not at all. Throws `error` on data that are not
/// those declared, and as `safetensors_header` and `atomic_file` do.
class safetensors_writer {
 public:
  explicit safetensors_writer(const std::filesystem::path& path,
                              const std::map<std::string, std::string>& metadata = {})
      : file_(path), header_(file_.path(), metadata) {}

  void declare(const std::string& name, dtype type, const std::vector<index_t>& shape) {
    expects(!started_, file_.path(), ": tensor \"", name, "\" declared after the first data");
    header_.declare(name, type, shape);
  }

  /// Bytes of all tensors declared so far.
  index_t declared() const { return header_.size(); }

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
    for (const safetensors_header::tensor& t : header_.tensors())
      expects(written_ >= t.end, file_.path(), ": ", t.end - written_,
              " bytes are missing up to the end of ", "tensor \"", t.name, "\"");
    file_.commit();
  }

 private:
  void start() {
    if (!std::exchange(started_, true)) file_.write(header_.bytes());
  }

  atomic_file file_;
  safetensors_header header_;
  index_t written_ = 0;
  bool started_ = false;
};

}  // namespace dsr1
