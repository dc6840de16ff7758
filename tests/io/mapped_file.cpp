// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Files as memory.

#include <sys/stat.h>

#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/mapped_file.hpp>

using namespace dsr1;

namespace {

std::string text_of(const mapped_file& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

TEST_CASE("mapped_file: the bytes of the file") {
  const temporary_folder folder;
  const std::string content = "some bytes\0with a zero" + std::string(10'000, 'z');
  const mapped_file file(put(folder / "a", content).string());
  CHECK(text_of(file) == content);
  CHECK(file.size() == content.size());
  CHECK(file.path() == (folder / "a").string());
  content_hash hash;
  hash.add(content.data(), content.size());
  CHECK(hash_of_file(file.path()) == hash.value());
}

TEST_CASE("mapped_file: moves without moving the bytes") {
  const temporary_folder folder;
  mapped_file a(put(folder / "a", "first").string()), b(put(folder / "b", "second").string());
  const std::byte* const where = b.bytes().data();
  a = std::move(b);
  CHECK(a.bytes().data() == where);
  CHECK(text_of(a) == "second");
  const mapped_file c(std::move(a));
  CHECK(c.bytes().data() == where);
  CHECK(mapped_file().bytes().empty());
}

TEST_CASE(
    "mapped_file: a file that is removed or replaced keeps its content for those who mapped it") {
  const temporary_folder folder;
  const mapped_file file(put(folder / "a", "old").string());
  std::filesystem::rename(put(folder / "b", "new"), folder / "a");
  CHECK(text_of(file) == "old");
  std::filesystem::remove(folder / "a");
  CHECK(text_of(file) == "old");
}

TEST_CASE("mapped_file: errors name the path") {
  const temporary_folder folder;
  const auto message = [&](const std::filesystem::path& p) {
    return message_of([&] { mapped_file f(p.string()); });
  };
  CHECK(mentions(message(folder / "none"), "cannot open", "/none", "No such file"));
  CHECK(mentions(message(put(folder / "empty", "")), "/empty is empty"));
  CHECK(mentions(message(folder.path()), folder.path().string(), "is a folder"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(mentions(message(folder / "pipe"), "/pipe is not a regular file"));
}
