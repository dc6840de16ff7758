// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which files are read, as what, for which source; gzip; cutting.

#include "documents.hpp"

#include <zlib.h>

#include "catch.hpp"
#include "data/folder.hpp"

using namespace seed;
using data_test::folder;
using data_test::write;

namespace {

void write_gzip(const std::filesystem::path& path, const std::string& text) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}

std::vector<std::string> list(std::vector<std::string_view> v) { return {v.begin(), v.end()}; }

}  // namespace

TEST_CASE("find_files: names decide, sources.tsv names sources, order is by path") {
  const folder f;
  for (const char* d : {"man", "code", "other"}) std::filesystem::create_directories(f / d);
  write(f / "sources.tsv", "man\t1.0-2\tGPL-2+\tenglish\ncode\t2\tExpat\tcode\n");
  write(f / "man/ls.1", ".TH LS 1\n.B x\n");
  write_gzip(f / "man/open.2.gz", ".TH OPEN 2\n");
  write(f / "code/vector", "template\n");
  write(f / "code/picture.PNG", "x");
  write(f / "code/page.HTML", "<p>x</p>");
  write(f / "other/notes.txt", "y");
  write(f / "archive.gz", "x");
  std::filesystem::create_symlink(f / "other/notes.txt", f / "link.txt");
  const std::string input = f.path.string();
  const found_files found = find_files(std::span(&input, 1));
  REQUIRE(found.sources.size() == 3);
  CHECK(found.sources[0].licence == "GPL-2+");
  CHECK(found.sources[1].version == "2");
  CHECK(found.sources[1].kind == "code");
  CHECK(found.sources[2].name == f.path.filename());
  CHECK(found.skipped == 2);
  REQUIRE(found.files.size() == 5);
  CHECK(found.files[0].path == f / "code/page.HTML");
  CHECK(found.files[0].kind == markup::html);
  CHECK(found.files[0].source == 1);
  CHECK(found.files[1].kind == markup::plain);
  CHECK(found.files[2].kind == markup::roff);
  CHECK(found.files[3].compressed);
  CHECK(found.files[3].kind == markup::roff);
  CHECK(found.files[4].source == 2);
  CHECK(read_text(found.files[0]) == "x\n\n");
  CHECK(read_text(found.files[3]) == "OPEN(2)\n\n");
  const std::string one = (f / "code/picture.PNG").string();
  CHECK(find_files(std::span(&one, 1)).files.size() == 1);  // asked for by name
}

TEST_CASE("find_files and read_text: mistakes are named") {
  const folder f;
  const std::string missing = (f / "missing").string(), input = f.path.string();
  CHECK(
      mentions(message_of([&] { find_files(std::span(&missing, 1)); }), "missing does not exist"));
  write(f / "sources.tsv", "a\tb\tc\td\na b c d\n");
  CHECK(mentions(message_of([&] { find_files(std::span(&input, 1)); }),
                 "sources.tsv:2 has 1 fields, expected name"));
  write_gzip(f / "whole.txt.gz", std::string(100000, 'x') + "random: 8f3k2j");
  const std::string cut_off = data_test::read(f / "whole.txt.gz");
  write(f / "cut.txt.gz", cut_off.substr(0, cut_off.size() / 2));
  CHECK(mentions(message_of([&] { read_text({.path = f / "cut.txt.gz", .compressed = true}); }),
                 "cannot read", "cut.txt.gz"));
  CHECK(mentions(message_of([&] { read_text({.path = f / "no.txt"}); }), "cannot read", "no.txt"));
  write_gzip(f / "huge.txt.gz", std::string(65 << 20, 'x'));
  CHECK(mentions(message_of([&] { read_text({.path = f / "huge.txt.gz", .compressed = true}); }),
                 "huge.txt.gz has more than"));
}

TEST_CASE("cut: at blank lines, else lines, else characters, and nothing is lost") {
  CHECK(list(cut("short", 10)) == std::vector<std::string>{"short"});
  CHECK(cut("", 10).empty());
  CHECK(list(cut("aaaaaa\n\nbbb\nccc\n", 12)) ==
        std::vector<std::string>{"aaaaaa\n\n", "bbb\nccc\n"});
  CHECK(list(cut("a\n\nbbbbbb\ncccccccc\n", 12)) ==
        std::vector<std::string>{"a\n\nbbbbbb\n", "cccccccc\n"});
  CHECK(list(cut("\u00e9\u00e9\u00e9\u00e9", 5)) ==
        std::vector<std::string>{"\u00e9\u00e9", "\u00e9\u00e9"});
  std::string text, joined;
  for (int i = 0; i < 3000; ++i) text += i % 17 == 0 ? "\n\n" : i % 5 == 0 ? "line\n" : "word ";
  for (const auto part : cut(text, 1000)) {
    CHECK(part.size() <= 1000);
    joined += part;
  }
  CHECK(joined == text);
}
