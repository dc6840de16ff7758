// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Files and folders that appear whole or not at all.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include <dsr1/core/error.hpp>
#include <dsr1/core/hash.hpp>

namespace dsr1 {

/// Writes a folder's entries to the disk, so that a rename in it survives a crash.
inline void sync_folder(const std::filesystem::path& folder) {
  const std::string path = folder.empty() ? "." : folder.string();
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  expects(fd >= 0, "cannot open folder ", path, ": ", std::strerror(errno));
  const bool ok = ::fsync(fd) == 0;
  const int reason = errno;
  ::close(fd);
  expects(ok, "cannot sync folder ", path, ": ", std::strerror(reason));
}

/// A file written under a temporary name and renamed by `commit`, after fsync. Whatever happens
/// before (an exception, a full disk, a kill), a file of that name keeps its old content.
/// Throws `error` naming the path and the reason when a write fails.
class atomic_file {
 public:
  explicit atomic_file(std::filesystem::path path)
      : path_(std::move(path)), temporary_(path_.string() + ".tmp") {
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    expects(fd_ >= 0, "cannot create ", temporary_, ": ", std::strerror(errno));
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }

  void write(const void* data, std::size_t bytes) {
    hash_.add(data, bytes);
    const auto* p = static_cast<const char*>(data);
    while (bytes > 0) {
      const ::ssize_t n = ::write(fd_, p, bytes);
      if (n < 0 && errno == EINTR) continue;
      expects(n > 0, "cannot write ", path_.string(), ": ", std::strerror(errno));
      p += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// The content hash of what was written so far.
  std::uint64_t hash() const { return hash_.value(); }

  void commit() {
    const bool synced = ::fsync(fd_) == 0;
    const int reason = errno;
    const bool closed = ::close(fd_) == 0;
    fd_ = -1;
    const bool renamed =
        synced && closed && ::rename(temporary_.c_str(), path_.c_str()) == 0;
    const int why = synced ? errno : reason;
    if (!renamed) ::unlink(temporary_.c_str());
    expects(renamed, "cannot finish ", path_.string(), ": ", std::strerror(why));
    sync_folder(path_.parent_path());
  }

 private:
  std::filesystem::path path_;
  std::string temporary_;
  int fd_ = -1;
  content_hash hash_;
};

/// A folder filled under a temporary name and renamed by `commit`. A folder of that name must not
/// exist yet: checkpoints get a new name each, and readers take the newest complete one.
class atomic_folder {
 public:
  explicit atomic_folder(std::filesystem::path path)
      : path_(std::move(path)), temporary_(path_.string() + ".tmp") {
    std::error_code failure;
    std::filesystem::remove_all(temporary_, failure);  // what a killed process left
    std::filesystem::create_directories(temporary_, failure);
    expects(!failure, "cannot create ", temporary_.string(), ": ", failure.message());
  }
  atomic_folder(const atomic_folder&) = delete;
  atomic_folder& operator=(const atomic_folder&) = delete;
  ~atomic_folder() {
    std::error_code ignored;
    if (!committed_) std::filesystem::remove_all(temporary_, ignored);
  }

  /// Where to write until `commit`; the files in it must be complete on disk (`atomic_file`).
  const std::filesystem::path& temporary() const { return temporary_; }

  void commit() {
    sync_folder(temporary_);
    expects(!std::filesystem::exists(path_), path_.string(), " exists already");
    std::error_code failure;
    std::filesystem::rename(temporary_, path_, failure);
    expects(!failure, "cannot rename ", temporary_.string(), " to ", path_.string(), ": ",
            failure.message());
    committed_ = true;
    sync_folder(path_.parent_path());
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

}  // namespace dsr1
