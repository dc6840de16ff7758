// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Open files: what they read and write, and what their errors say.

#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/open_file.hpp>

using namespace dsr1;

TEST_CASE("open_file: what is written is read") {
  const temporary_folder folder;
  const std::string path = (folder / "a").string(), content(200'000, 'x');
  {
    open_file file(path, O_WRONLY | O_CREAT);
    file.write(content.data(), content.size());
    file.write(nullptr, 0);
    file.sync();
    CHECK(file.path() == path);
    CHECK(file.status().st_size == 200'000);
  }
  CHECK(open_file(path, O_RDONLY).read() == content);
  put(path, "");
  CHECK(open_file(path, O_RDONLY).read().empty());
}

TEST_CASE("open_file: moves, and closes what it held") {
  const temporary_folder folder;
  const std::string path = put(folder / "a", "text").string();
  CHECK_FALSE(open_file().open());
  open_file first(path, O_RDONLY);
  const int descriptor = first.descriptor();
  open_file second(std::move(first));
  CHECK_FALSE(first.open());  // NOLINT: moved-from handles are closed
  CHECK(second.descriptor() == descriptor);
  second = open_file(path, O_RDONLY);
  CHECK(second.open());
  CHECK(second.descriptor() != descriptor);
  CHECK(::fcntl(descriptor, F_GETFD) == -1);
  second = {};
  CHECK_FALSE(second.open());
}

TEST_CASE("open_file: knows whether its path still leads to it") {
  const temporary_folder folder;
  const std::string path = put(folder / "a", "text").string();
  const open_file file(path, O_RDONLY);
  CHECK(file.still_there());
  std::filesystem::rename(path, folder / "b");
  CHECK_FALSE(file.still_there());
  put(path, "another");
  CHECK_FALSE(file.still_there());
}

TEST_CASE("open_file: errors name the path and the reason") {
  const temporary_folder folder;
  const std::string path = put(folder / "a", "text").string();
  CHECK(mentions(message_of([&] { open_file("/no/such", O_RDONLY); }), "cannot open /no/such",
                 "No such file"));
  CHECK(mentions(message_of([&] { open_file("/no/such", O_WRONLY | O_CREAT); }),
                 "cannot create /no/such"));
  CHECK(mentions(message_of([&] { open_file(folder.path().string(), O_RDONLY).read(); }),
                 "cannot read", folder.path().string(), "Is a directory"));
  CHECK(mentions(message_of([&] { open_file(path, O_RDONLY).write("x", 1); }), "cannot write", path,
                 "Bad file descriptor"));
  CHECK(mentions(message_of([&] { open_file().sync(); }), "cannot sync"));
  CHECK(mentions(message_of([&] { static_cast<void>(open_file().status()); }), "cannot examine"));
  const full_disk full(3);
  const std::string other = (folder / "b").string();
  CHECK(mentions(message_of([&] { open_file(other, O_WRONLY | O_CREAT).write("four", 4); }),
                 "cannot write", other, "File too large"));
}

TEST_CASE("sync_folder: the working folder, another, none") {
  const temporary_folder folder;
  CHECK_NOTHROW(sync_folder(""));
  CHECK_NOTHROW(sync_folder(folder.path()));
  CHECK(mentions(message_of([&] { sync_folder(folder / "none"); }), "cannot open", "none"));
  put(folder / "file", "");
  CHECK(mentions(message_of([&] { sync_folder(folder / "file"); }), "file", "Not a directory"));
}
