// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The program as a user runs it, and as an unkind system stops it.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <thread>

#include "catch.hpp"
#include "data/folder.hpp"

namespace program_test {

namespace fs = std::filesystem;
using data_test::folder;
using data_test::read;
using data_test::write;

/// The program in a folder; its output goes to out.txt and err.txt there.
class process {
 public:
  /// `largest_file` above 0 makes longer writes fail, as on a full disk.
  process(const folder& f, const std::string& arguments, rlim_t largest_file = 0,
          const char* program = DEEPSEEK_R1) {
    std::vector<std::string> words = {program};
    std::istringstream in(arguments);
    for (std::string word; in >> word;) words.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string out = (f / "out.txt").string(), err = (f / "err.txt").string();
    id_ = ::fork();
    REQUIRE(id_ >= 0);
    if (id_ > 0) return;
    // The child: nothing but system calls until it becomes the program.
    const ::rlimit limit = {largest_file, largest_file};
    if (largest_file > 0) {
      std::signal(SIGXFSZ, SIG_IGN);
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    const int to_out = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644),
              to_err = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (::chdir(f.path.c_str()) == 0 && ::dup2(to_out, 1) == 1 && ::dup2(to_err, 2) == 2)
      ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process() {
    send(SIGKILL);
    wait();
  }

  void send(int signal) {
    if (!ended()) ::kill(id_, signal);
  }

  bool ended() {
    if (!done_ && ::waitpid(id_, &status_, WNOHANG) == id_) done_ = true;
    return done_;
  }

  /// Until `reached` says so; false when the program ended before.
  bool wait_until(const std::function<bool()>& reached) {
    while (!ended()) {
      if (reached()) return true;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return false;
  }

  /// The exit status, or minus the signal that ended it.
  int wait() {
    if (!done_) done_ = ::waitpid(id_, &status_, 0) == id_;
    return WIFSIGNALED(status_) ? -WTERMSIG(status_) : WEXITSTATUS(status_);
  }

 private:
  ::pid_t id_ = 0;
  int status_ = 0;
  bool done_ = false;
};

inline int run(const folder& f, const std::string& arguments, rlim_t largest_file = 0) {
  return process(f, arguments, largest_file).wait();
}

inline std::string sentence(int i) {
  return dsr1::text("This is sentence ", i, " of a small corpus, and the number ", i % 97 * i % 97,
                    " stands in it.\n");
}

/// 60 documents, one of them twice, one binary, one empty.
inline void make_corpus(const folder& f) {
  fs::create_directories(f / "in/notes");
  for (int d = 0; d < 60; ++d) {
    std::string s = dsr1::text("Document ", d, "\n\n");
    for (int i = 0; i < 12; ++i)
      s += sentence(100 * d + i) + (i % 4 == 3 ? "\n\tindented  with tabs\n" : "");
    write(f / dsr1::text("in/notes/", d, d % 3 == 0 ? ".md" : ".txt"), s);
  }
  write(f / "in/copy.txt", read(f / "in/notes/7.txt"));
  write(f / "in/binary.txt", std::string(500, '\0'));
  write(f / "in/empty.txt", "\n\n");
  write(f / "in/picture.png", "skipped");
}

/// A small corpus, prepared in "data".
inline void make_data(const folder& f) {
  make_corpus(f);
  const int status = run(f, "prepare --out data --vocab 512 --held-out 0.2 in");
  INFO(read(f / "err.txt"));
  REQUIRE(status == 0);
}

/// The options of a run that takes seconds.
inline std::string small_run(const std::string& out, int steps, const std::string& more = "") {
  return dsr1::text("pretrain --data data --out ", out, " --size nano --steps ", steps,
                    " --tokens 128 --length 64 ",
                    more.find("--threads") == more.npos ? "--threads 2 " : "", more);
}

}  // namespace program_test
