// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// An open file of the operating system, closed when it goes out of scope.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// A file descriptor and the path that it was opened by. Throws `error` naming the path and the
/// system's reason when it cannot be opened.
class open_file {
 public:
  open_file() = default;
  open_file(std::string path, int flags, ::mode_t mode = 0666) : path_(std::move(path)) {
    do descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, mode);
    while (descriptor_ < 0 && errno == EINTR);
    expects(descriptor_ >= 0, "cannot ", (flags & O_CREAT) != 0 ? "create " : "open ", path_, ": ",
            std::strerror(errno));
  }
  open_file(open_file&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  open_file& operator=(open_file&& other) noexcept {
    open_file taken(std::move(other));
    std::swap(path_, taken.path_);
    std::swap(descriptor_, taken.descriptor_);
    return *this;
  }
  ~open_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  bool open() const { return descriptor_ >= 0; }

  /// All that is left to read.
  std::string read() {
    std::string out;
    for (std::size_t have = 0;;) {
      out.resize(have + 65'536);
      const ::ssize_t n = ::read(descriptor_, out.data() + have, out.size() - have);
      if (n < 0 && errno == EINTR) continue;
      expects(n >= 0, "cannot read ", path_, ": ", std::strerror(errno));
      have += static_cast<std::size_t>(n);
      out.resize(have);
      if (n == 0) return out;
    }
  }

  /// Writes all bytes or throws.
  void write(const void* data, std::size_t bytes) {
    const auto* p = static_cast<const char*>(data);
    while (bytes > 0) {
      const ::ssize_t n = ::write(descriptor_, p, bytes);
      if (n < 0 && errno == EINTR) continue;
      expects(n > 0, "cannot write ", path_, ": ", std::strerror(errno));
      p += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }

  /// The same at a place of the file; does not move the place of `write`.
  void write_at(std::uint64_t at, const void* data, std::size_t bytes) {
    const auto* p = static_cast<const char*>(data);
    while (bytes > 0) {
      const ::ssize_t n = ::pwrite(descriptor_, p, bytes, static_cast<::off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      expects(n > 0, "cannot write ", path_, ": ", std::strerror(errno));
      p += n;
      at += static_cast<std::uint64_t>(n);
      bytes -= static_cast<std::size_t>(n);
    }
  }

  /// Returns when what was written is on the disk. Some file systems cannot sync a folder (EINVAL);
  /// there is nothing more to be done on them.
  void sync() {
    while (::fsync(descriptor_) != 0) {
      if (errno == EINTR) continue;
      expects(errno == EINVAL, "cannot sync ", path_, ": ", std::strerror(errno));
      return;
    }
  }

  struct ::stat status() const {
    struct ::stat s = {};
    const bool known = ::fstat(descriptor_, &s) == 0;  // before errno is read
    expects(known, "cannot examine ", path_, ": ", std::strerror(errno));
    return s;
  }

  /// True while the path leads to this very file: nobody has renamed, removed or replaced it.
  bool still_there() const {
    struct ::stat there = {};
    const struct ::stat mine = status();
    return ::stat(path_.c_str(), &there) == 0 && there.st_ino == mine.st_ino &&
           there.st_dev == mine.st_dev;
  }

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// Writes a folder's entries to the disk, so that a rename in it survives a crash.
inline void sync_folder(const std::filesystem::path& folder) {
  open_file(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY).sync();
}

}  // namespace dsr1
