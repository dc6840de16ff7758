// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A whole file as read-only memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <dsr1/core/hash.hpp>
#include <dsr1/io/open_file.hpp>

namespace dsr1 {

/// Maps a file; pages are read when they are touched. The bytes stay where they are when the object
/// moves. Throws `error` naming the path when it cannot be opened, is no regular file, or is empty.
/// A file that another program makes shorter while it is mapped ends this one (SIGBUS), as with any
/// mapping; files that `atomic_file` replaces keep their old content for those who mapped them.
class mapped_file {
 public:
  mapped_file() = default;
  explicit mapped_file(std::string path) : path_(std::move(path)) {
    const open_file file(path_, O_RDONLY | O_NONBLOCK);  // opening a pipe must not wait
    const struct ::stat status = file.status();
    expects(!S_ISDIR(status.st_mode), path_, " is a folder, expected a file");
    expects(S_ISREG(status.st_mode), path_, " is not a regular file");
    expects(status.st_size > 0, path_, " is empty");
    size_ = static_cast<std::size_t>(status.st_size);
    void* const data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
    expects(data != MAP_FAILED, "cannot map ", path_, ": ", std::strerror(errno));
    data_ = static_cast<const std::byte*>(data);
  }
  mapped_file(mapped_file&& other) noexcept { swap(other); }
  mapped_file& operator=(mapped_file&& other) noexcept {
    mapped_file(std::move(other)).swap(*this);
    return *this;
  }
  ~mapped_file() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  void swap(mapped_file& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The content hash of a file. Throws `error` as `mapped_file` does.
inline std::uint64_t hash_of_file(std::string path) {
  const mapped_file file(std::move(path));
  content_hash hash;
  hash.add(file.bytes().data(), file.bytes().size());
  return hash.value();
}

}  // namespace dsr1
