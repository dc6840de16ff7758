// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Files and folders that appear whole or not at all.
#pragma once

#include <sys/file.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <cstdint>
#include <cstdio>
#include <string_view>

#include <dsr1/core/hash.hpp>
#include <dsr1/io/open_file.hpp>

namespace dsr1 {

/// Takes the lock that tells a file in work from one that a killed program left behind; the system
/// drops it when a program ends. False when somebody holds it. A file system without locks grants
/// it.
inline bool lock_for_writing(const open_file& file) {
  return ::flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/// A file written under the temporary name "<path>.tmp" and renamed by `commit`, after fsync.
/// Whatever happens before (an exception, a full disk, a kill), a file of that name keeps its old
/// content. Without `commit` the temporary file is removed; one that a killed program left is
/// written over by the next writer. Two writers of one path at a time: the second gets an error.
/// Throws `error` naming the path and the reason when a write fails.
class atomic_file {
 public:
  explicit atomic_file(const std::filesystem::path& path) : path_(path.string()) {
    do {
      file_ = open_file(path_ + ".tmp", O_WRONLY | O_CREAT);
      expects(lock_for_writing(file_), path_, " is being written by somebody else");
    } while (!file_.still_there());  // its last writer renamed it between our two calls
    const bool emptied = ::ftruncate(file_.descriptor(), 0) == 0;  // before errno is read
    expects(emptied, "cannot empty ", file_.path(), ": ", std::strerror(errno));
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (file_.open()) ::unlink(file_.path().c_str());
  }

  const std::string& path() const { return path_; }

  void write(const void* data, std::size_t bytes) {
    expects(file_.open(), path_, ": write after commit");
    file_.write(data, bytes);
    hash_.add(data, bytes);
    size_ += bytes;
  }
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// The content hash and the number of the bytes written so far.
  std::uint64_t hash() const { return hash_.value(); }
  std::uint64_t size() const { return size_; }

  /// Makes the file visible under its name. When this throws, the old file is as it was; only when
  /// the message is about the folder, the new file stands there, whole, and may be lost in a crash.
  void commit() {
    expects(file_.open(), path_, ": commit after commit");
    file_.sync();
    const bool renamed = std::rename(file_.path().c_str(), path_.c_str()) == 0;
    expects(renamed, "cannot rename ", file_.path(), " to ", path_, ": ", std::strerror(errno));
    file_ = {};
    sync_folder(std::filesystem::path(path_).parent_path());
  }

 private:
  std::string path_;
  open_file file_;
  content_hash hash_;
  std::uint64_t size_ = 0;
};

/// A file of this content, which appears whole or not at all. Throws `error` as `atomic_file` does.
inline void write_file(const std::filesystem::path& path, std::string_view content) {
  atomic_file file(path);
  file.write(content);
  file.commit();
}

/// What `atomic_folder::commit` does when there is a folder of its name.
enum class existing { keep, replace };

/// A folder filled under the temporary name "<path>.tmp" and renamed by `commit`, after fsync of
/// everything in it. Without `commit` it is removed, and so is, by the next writer of this path,
/// one that a killed program left. Two writers of one path at a time: the second gets an error.
///
/// Replacing: the two names are exchanged in one call of the system (renameat2 on Linux), so that
/// at every moment the path holds one of the two, whole; then the old one is removed. Where the
/// system or the file system cannot do that, `commit` throws and the old folder stays. A crash
/// between exchange and removal leaves the old one under the temporary name.
class atomic_folder {
 public:
  explicit atomic_folder(const std::filesystem::path& path)
      : path_(path), temporary_(path.string() + ".tmp") {
    std::error_code failure;
    do {
      if (std::filesystem::exists(temporary_, failure)) {
        const open_file left(temporary_.string(), O_RDONLY | O_DIRECTORY);
        expects(lock_for_writing(left), path_.string(), " is being written by somebody else");
        std::filesystem::remove_all(temporary_, failure);
        expects(!failure, "cannot remove ", temporary_.string(), ": ", failure.message());
      }
      std::filesystem::create_directories(temporary_, failure);
      expects(!failure, "cannot create ", temporary_.string(), ": ", failure.message());
      folder_ = open_file(temporary_.string(), O_RDONLY | O_DIRECTORY);
      expects(lock_for_writing(folder_), path_.string(), " is being written by somebody else");
    } while (!folder_.still_there());
  }
  atomic_folder(const atomic_folder&) = delete;
  atomic_folder& operator=(const atomic_folder&) = delete;
  ~atomic_folder() {
    if (folder_.open()) remove(temporary_);
  }

  /// Where to write until `commit`.
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Makes the folder visible under its name. When this throws, an older folder is as it was.
  void commit(existing older = existing::keep) {
    expects(folder_.open(), path_.string(), ": commit after commit");
    std::error_code ignored;
    const bool there = std::filesystem::exists(path_, ignored);
    expects(!there || std::filesystem::is_directory(path_, ignored), path_.string(),
            " exists and is not a folder");
    const bool exchange = there && older == existing::replace;
    sync_all();
    const int reason = rename(exchange);
    expects(reason != EEXIST && reason != ENOTEMPTY, path_.string(), " exists already");
    expects(reason == 0, "cannot ", exchange ? "exchange " : "rename ", temporary_.string(),
            exchange ? " and " : " to ", path_.string(), ": ", std::strerror(reason));
    folder_ = {};
    if (exchange) remove(temporary_);
    sync_folder(path_.parent_path());
  }

 private:
  static void remove(const std::filesystem::path& folder) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  void sync_all() try {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(temporary_)) {
      if (entry.is_directory()) sync_folder(entry.path());
      if (entry.is_regular_file()) open_file(entry.path().string(), O_RDONLY).sync();
    }
    folder_.sync();
  } catch (const std::filesystem::filesystem_error& e) {
    throw error(e.what());
  }

  /// 0, or the reason why not. A plain rename would replace an empty folder, hence the flags.
  int rename(bool exchange) const {
#if defined(__linux__) && defined(SYS_renameat2)
    constexpr unsigned no_replace = 1, exchange_names = 2;  // RENAME_* of <linux/fs.h>
    if (::syscall(SYS_renameat2, AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(),
                  exchange ? exchange_names : no_replace) == 0)
      return 0;
    if (exchange || (errno != EINVAL && errno != ENOSYS)) return errno;
#else
    if (exchange) return ENOTSUP;
#endif
    std::error_code ignored;
    if (std::filesystem::exists(path_, ignored)) return EEXIST;
    return std::rename(temporary_.c_str(), path_.c_str()) == 0 ? 0 : errno;
  }

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  open_file folder_;  // open, and locked, until commit
};

}  // namespace dsr1
