// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Files and folders that appear whole or not at all, whatever goes wrong.

#include <atomic>
#include <thread>

#include <sys/wait.h>

#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/atomic_file.hpp>

using namespace dsr1;
namespace fs = std::filesystem;

namespace {

/// Runs f in a process of its own that ends without cleaning up, as if it had been killed.
template <class F>
void killed(F&& f) {
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    f();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
}

void fill(const atomic_folder& folder, std::string_view text) {
  fs::create_directories(folder.temporary() / "inner");
  put(folder.temporary() / "file", text);
  put(folder.temporary() / "inner" / "file", text);
}

}  // namespace

TEST_CASE("atomic_file: appears with its content when it is committed") {
  const temporary_folder folder;
  const fs::path path = folder / "a";
  atomic_file file(path);
  file.write("one ");
  file.write("two", 3);
  CHECK(file.path() == path.string());
  CHECK(file.size() == 7);
  content_hash hash;
  hash.add("one two", 7);
  CHECK(file.hash() == hash.value());
  CHECK_FALSE(fs::exists(path));
  file.commit();
  CHECK(content_of(path) == "one two");
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic_file: a path without a folder is in the working folder") {
  const temporary_folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  atomic_file file("plain");
  file.write("x");
  file.commit();
  fs::current_path(before);
  CHECK(content_of(folder / "plain") == "x");
}

TEST_CASE("atomic_file: without commit the old file stays and nothing is left") {
  const temporary_folder folder;
  const fs::path path = put(folder / "a", "old");
  {
    atomic_file file(path);
    file.write("new");
  }
  CHECK(content_of(path) == "old");
  CHECK(folder.entries() == 1);
  CHECK_THROWS_AS(([&] {
                    atomic_file file(path);
                    file.write("new");
                    throw std::runtime_error("something else fails");
                  }()),
                  std::runtime_error);
  CHECK(content_of(path) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic_file: a disk that fills up leaves the old file and nothing else") {
  const temporary_folder folder;
  const fs::path path = put(folder / "a", "old");
  const std::string large(10'000, 'x');
  std::string message;
  {
    const full_disk full(4096);
    message = message_of([&] {
      atomic_file file(path);
      file.write(large);
      file.commit();
    });
  }
  CHECK(mentions(message, "cannot write", path.string(), "File too large"));
  CHECK(content_of(path) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic_file: what a killed program left is written over") {
  const temporary_folder folder;
  const fs::path path = put(folder / "a", "old");
  killed([&] {
    atomic_file file(path);
    file.write("a long text that was never finished");
    ::_exit(0);
  });
  CHECK(content_of(path) == "old");
  CHECK(fs::exists(folder / "a.tmp"));
  atomic_file file(path);
  file.write("new");
  file.commit();
  CHECK(content_of(path) == "new");
  CHECK_FALSE(fs::exists(folder / "a.tmp"));
}

TEST_CASE("atomic_file: of two writers the second gets an error and spoils nothing") {
  const temporary_folder folder;
  const fs::path path = folder / "a";
  atomic_file first(path);
  first.write("first");
  CHECK(mentions(message_of([&] { atomic_file second(path); }), path.string(),
                 "written by somebody else"));
  first.write(" and only");
  first.commit();
  CHECK(content_of(path) == "first and only");
  atomic_file third(path);  // the path is free again
  third.write("third");
  third.commit();
  CHECK(content_of(path) == "third");
}

TEST_CASE("atomic_file: many writers one after the other, in several threads") {
  const temporary_folder folder;
  const fs::path path = put(folder / "a", std::string(1000, '0'));
  std::atomic<int> written = 0;
  std::atomic<bool> broken = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        try {
          atomic_file file(path);
          for (int part = 0; part < 10; ++part)
            file.write(std::string(100, static_cast<char>('a' + t)));
          file.commit();
          ++written;
        } catch (const error&) {  // somebody else was writing
        }
        const std::string now = content_of(path);
        if (now != std::string(1000, now.empty() ? ' ' : now[0])) broken = true;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(written > 0);
  CHECK_FALSE(broken);
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic_file: errors name the path") {
  const temporary_folder folder;
  CHECK(mentions(message_of([&] { atomic_file file(folder / "none" / "a"); }), "cannot create",
                 "none/a", "No such file"));
  fs::create_directories(folder / "taken");
  CHECK(mentions(message_of([&] {
                   atomic_file file(folder / "taken");
                   file.commit();
                 }),
                 "cannot rename", "taken"));
  CHECK(fs::is_directory(folder / "taken"));
  CHECK(folder.entries() == 1);
  atomic_file file(folder / "a");
  file.commit();
  CHECK(content_of(folder / "a").empty());
  CHECK(mentions(message_of([&] { file.write("x"); }), "write after commit"));
  CHECK(mentions(message_of([&] { file.commit(); }), "commit after commit"));
}

TEST_CASE("atomic_folder: appears with all that is in it") {
  const temporary_folder folder;
  atomic_folder out(folder / "new");
  fill(out, "text");
  CHECK_FALSE(fs::exists(folder / "new"));
  out.commit();
  CHECK(content_of(folder / "new" / "file") == "text");
  CHECK(content_of(folder / "new" / "inner" / "file") == "text");
  CHECK(folder.entries() == 1);
  CHECK(mentions(message_of([&] { out.commit(); }), "commit after commit"));
}

TEST_CASE("atomic_folder: without commit nothing is left") {
  const temporary_folder folder;
  {
    atomic_folder out(folder / "new");
    fill(out, "text");
  }
  CHECK(folder.entries() == 0);
  CHECK_NOTHROW(atomic_folder(folder / "a" / "b" / "c"));  // folders above it are made
  CHECK(fs::is_directory(folder / "a" / "b"));
}

TEST_CASE(
    "atomic_folder: an older folder is kept, even an empty one, unless it shall be replaced") {
  const temporary_folder folder;
  const fs::path path = folder / "x";
  for (const char* text : {"", "old"}) {
    fs::create_directories(path);
    if (*text) put(path / "file", text);
    {
      atomic_folder out(path);
      fill(out, "new");
      CHECK(mentions(message_of([&] { out.commit(); }), path.string(), "exists already"));
    }
    CHECK(content_of(path / "file") == text);
    CHECK(folder.entries() == 1);
  }
  atomic_folder out(path);
  fill(out, "new");
  out.commit(existing::replace);
  CHECK(content_of(path / "file") == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic_folder: replace where there is nothing yet") {
  const temporary_folder folder;
  atomic_folder out(folder / "x");
  fill(out, "new");
  out.commit(existing::replace);
  CHECK(content_of(folder / "x" / "file") == "new");
}

TEST_CASE("atomic_folder: while it is replaced there is always one") {
  const temporary_folder folder;
  const fs::path path = folder / "x";
  fs::create_directories(path);
  std::atomic<bool> done = false;
  std::atomic<long> looked = 0, missing = 0;
  std::thread reader([&] {
    while (!done) {
      missing += !fs::exists(path);
      ++looked;
    }
  });
  for (int i = 0; i < 100; ++i) {
    atomic_folder out(path);
    put(out.temporary() / "file", std::to_string(i));
    out.commit(existing::replace);
  }
  done = true;
  reader.join();
  CHECK(looked > 0);
  CHECK(missing == 0);
  CHECK(content_of(path / "file") == "99");
}

TEST_CASE("atomic_file: write_file writes all of it or nothing") {
  const temporary_folder folder;
  const fs::path path = folder / "x";
  write_file(path, "old");
  CHECK(content_of(path) == "old");
  {
    const full_disk full(4096);
    CHECK(mentions(message_of([&] { write_file(path, std::string(10'000, 'x')); }), "cannot write",
                   "File too large"));
  }
  CHECK(content_of(path) == "old");
  write_file(path, std::string_view("a\0b", 3));
  CHECK(content_of(path) == std::string("a\0b", 3));
  CHECK(folder.entries() == 1);
  CHECK(mentions(message_of([&] { write_file(folder / "none" / "x", ""); }), "cannot create"));
}

TEST_CASE("atomic_folder: what a killed program left is removed, what another writes is not") {
  const temporary_folder folder;
  const fs::path path = folder / "x";
  killed([&] {
    atomic_folder out(path);
    fill(out, "half");
    put(out.temporary() / "stale", "");
    ::_exit(0);
  });
  CHECK(fs::exists(folder / "x.tmp" / "stale"));
  atomic_folder out(path);
  CHECK_FALSE(fs::exists(out.temporary() / "stale"));
  fill(out, "whole");
  CHECK(mentions(message_of([&] { atomic_folder second(path); }), path.string(),
                 "written by somebody else"));
  out.commit();
  CHECK(content_of(path / "file") == "whole");
}

TEST_CASE("atomic_folder: a disk that fills up leaves the old folder") {
  const temporary_folder folder;
  const fs::path path = folder / "x";
  fs::create_directories(path);
  put(path / "file", "old");
  const std::string large(10'000, 'x');
  std::string message;
  {
    const full_disk full(4096);
    message = message_of([&] {
      atomic_folder out(path);
      atomic_file file(out.temporary() / "file");
      file.write(large);
      file.commit();
      out.commit(existing::replace);
    });
  }
  CHECK(mentions(message, "cannot write", "File too large"));
  CHECK(content_of(path / "file") == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("atomic_folder: errors name the path") {
  const temporary_folder folder;
  put(folder / "file", "");
  CHECK(mentions(message_of([&] { atomic_folder out(folder / "file" / "x"); }), "cannot create",
                 "file/x"));
  put(folder / "y.tmp", "");
  CHECK(mentions(message_of([&] { atomic_folder out(folder / "y"); }), "y.tmp", "Not a directory"));
  atomic_folder out(folder / "file");
  CHECK(mentions(message_of([&] { out.commit(existing::replace); }), "file", "is not a folder"));
  CHECK(content_of(folder / "file").empty());
}
