// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One safetensors file that several processes write, each its parts.
#pragma once

#include <filesystem>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dsr1/core/hash.hpp>
#include <dsr1/io/mapped_file.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/io/safetensors_header.hpp>

namespace dsr1 {

/// Bytes [begin, end) of a file, and their `content_hash`.
struct hashed_range {
  std::uint64_t begin = 0, end = 0, hash = 0;

  bool operator==(const hashed_range&) const = default;
};

/// Every process declares the same tensors; one creates the file, then all write. The result does
/// not depend on who wrote what, so a checkpoint does not know how many ranks there were. The file
/// is not atomic by itself: it belongs into an `atomic_folder`, committed when all have closed.
/// Throws `error` naming the file, as `safetensors_header` and `open_file` do.
class shared_safetensors {
 public:
  explicit shared_safetensors(const std::filesystem::path& path) : header_(path.string()) {}

  void declare(const std::string& name, dtype type, const std::vector<index_t>& shape) {
    expects(!file_.open(), header_.path(), ": tensor \"", name, "\" declared after the opening");
    header_.declare(name, type, shape);
    numbers_[name] = header_.tensors().size() - 1;
  }

  /// One process, once: the header, and the size of all data.
  void create() {
    const std::string head = header_.bytes();
    file_ = open_file(header_.path(), O_WRONLY | O_CREAT | O_EXCL);
    const bool sized = ::ftruncate(file_.descriptor(), static_cast<::off_t>(head.size()) +
                                                           header_.size()) == 0;  // before errno
    expects(sized, "cannot write ", header_.path(), ": ", std::strerror(errno));
    data_begin_ = head.size();
    write_at(0, head.data(), head.size());
  }
  /// The others, when it is created.
  void open() {
    file_ = open_file(header_.path(), O_WRONLY);
    data_begin_ = header_.bytes().size();
  }

  /// Elements [first, first + elements.size()) of a tensor. Parts that follow each other in the
  /// file share a hash.
  template <class T>
  void write(const std::string& name, index_t first, std::span<const T> elements) {
    const auto found = numbers_.find(name);
    expects(found != numbers_.end(), header_.path(), " has no tensor \"", name, "\"");
    const safetensors_header::tensor& t = header_.tensors()[found->second];
    const auto bytes = static_cast<index_t>(elements.size_bytes());
    const index_t begin = t.begin + first * static_cast<index_t>(sizeof(T));
    expects(first >= 0 && begin + bytes <= t.end, header_.path(), ": elements ", first, " to ",
            first + static_cast<index_t>(elements.size()), " of tensor \"", name, "\", which has ",
            (t.end - t.begin) / static_cast<index_t>(sizeof(T)));
    if (bytes > 0)
      write_at(data_begin_ + static_cast<std::uint64_t>(begin), elements.data(),
               elements.size_bytes());
  }

  /// Returns when all that this process wrote is on the disk.
  std::vector<hashed_range> close() {
    finish_range();
    file_.sync();
    file_ = {};
    return std::exchange(ranges_, {});
  }

 private:
  void write_at(std::uint64_t at, const void* data, std::size_t bytes) {
    if (!open_range_ || ranges_.back().end != at) {
      finish_range();
      ranges_.push_back({.begin = at, .end = at});
      hash_ = {};
      open_range_ = true;
    }
    hash_.add(data, bytes);
    ranges_.back().end += bytes;
    file_.write_at(at, data, bytes);
  }
  void finish_range() {
    if (std::exchange(open_range_, false)) ranges_.back().hash = hash_.value();
  }

  safetensors_header header_;
  std::unordered_map<std::string, std::size_t> numbers_;
  open_file file_;
  std::uint64_t data_begin_ = 0;
  std::vector<hashed_range> ranges_;
  content_hash hash_;
  bool open_range_ = false;
};

/// Throws `error` naming the file unless these bytes of it are what was written.
inline void verify_range(const mapped_file& file, std::uint64_t begin, std::uint64_t end,
                         const std::string& hash) {
  expects(begin <= end && end <= file.size(), file.path(), " was truncated or edited: it has ",
          file.size(), " bytes, written were at least ", end);
  content_hash found;
  found.add(file.bytes().data() + begin, end - begin);
  expects(hash_text(found.value()) == hash, file.path(),
          " was truncated or edited: the hash of bytes ", begin, " to ", end, " is ",
          hash_text(found.value()), ", the checkpoint says ", hash);
}

}  // namespace dsr1
