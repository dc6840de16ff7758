// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Shards: round trips, and that no damaged file is read.

#include <cstring>
#include <limits>

#include "catch.hpp"
#include "folder.hpp"

#include <dsr1/data/shard.hpp>

using namespace dsr1;
using namespace data_test;

namespace {

void same(const token_shard& shard, const documents& all) {
  REQUIRE(shard.documents() == static_cast<index_t>(all.size()));
  for (index_t d = 0; d < shard.documents(); ++d) {
    const token_run run = shard.document(d);
    const auto& expected = all[static_cast<std::size_t>(d)];
    REQUIRE(run.size() == static_cast<index_t>(expected.size()));
    std::vector<std::int32_t> found(expected.size());
    run.copy(0, run.size(), found.data());
    REQUIRE(found == expected);
  }
}

std::string opening(const fs::path& path, index_t vocab = 100) {
  return message_of([&] { token_shard(path.string(), vocab); });
}

template <class T>
std::string with(std::string file, std::size_t offset, T value) {
  return file.replace(offset, sizeof(value), reinterpret_cast<const char*>(&value), sizeof(value));
}

/// The file with the hash that its content deserves.
std::string rehashed(std::string file) {
  content_hash hash;
  hash.add(file.data(), 32);
  hash.add(file.data() + 40, file.size() - 40);
  return with(std::move(file), 32, hash.value());
}

}  // namespace

TEST_CASE("shard: round trip of random documents in both widths") {
  const folder f;
  for (const index_t vocab :
       {index_t{2}, index_t{4096}, index_t{65536}, index_t{65537}, index_t{0x7fffffff}}) {
    const documents all = random_documents(50, 40, vocab, static_cast<std::uint64_t>(vocab));
    const shard_entry e = write_shard(f / "s", vocab, all);
    const token_shard shard((f / "s").string(), vocab);
    CHECK(hash_text(shard.hash()) == e.hash);
    CHECK(shard.tokens() == e.tokens);
    CHECK(fs::file_size(f / "s") ==
          static_cast<std::uintmax_t>(40 + 8 * 50 + token_width(vocab) * e.tokens));
    same(shard, all);
  }
}

TEST_CASE("shard: random bytes as tokens") {
  const folder f;
  const random_stream r(3);
  documents all(5);
  std::uint64_t at = 0;
  for (auto& d : all)
    for (int i = 0; i < 1000; ++i) d.push_back(static_cast<std::int32_t>(r.below(at++, 256)));
  write_shard(f / "s", 256, all);
  same(token_shard((f / "s").string(), 256), all);
}

TEST_CASE("shard_writer: what it refuses") {
  const folder f;
  shard_writer writer(f / "s", 100);
  const std::vector<std::int32_t> none, high{5, 100}, low{-1}, good{99};
  CHECK(mentions(message_of([&] { writer.add(none); }), "document 0 has no tokens"));
  writer.add(good);
  CHECK(mentions(message_of([&] { writer.add(high); }),
                 "document 1 has token 100 at 1, expected 0 to 99"));
  CHECK(mentions(message_of([&] { writer.add(low); }), "token -1 at 0"));
  CHECK(writer.documents() == 1);
  CHECK(mentions(message_of([&] { shard_writer(f / "e", 100).commit(); }), "without documents"));
  CHECK(mentions(message_of([&] { shard_writer(f / "e", 0); }), "a vocabulary of 0"));
  CHECK(mentions(message_of([&] { shard_writer(f / "e", index_t{1} << 31); }), "2147483648",
                 "2147483647"));
  CHECK_FALSE(fs::exists(f / "e"));
  CHECK(mentions(message_of([&] {
                   shard_writer nowhere(f / "no/such/folder", 100);
                   nowhere.add(good);
                   nowhere.commit();
                 }),
                 "no/such/folder"));
}

TEST_CASE("token_shard: what it refuses, and says") {
  const folder f;
  const documents all = random_documents(4, 9, 100, 1);
  write_shard(f / "s", 100, all);
  const std::string good = read(f / "s");
  const auto says = [&](const std::string& content) {
    write(f / "bad", content);
    return opening(f / "bad");
  };
  CHECK(mentions(opening(f / "missing"), "cannot open", "missing"));
  CHECK(mentions(opening(f.path), f.path.string()));
  CHECK(mentions(says(""), "is empty"));
  CHECK(mentions(says(good.substr(0, 39)), "has 39 bytes, expected at least the header of 40"));
  CHECK(mentions(says(with(good, 0, 'X')), "no token shard", "DSR1TOKS"));
  CHECK(mentions(says(with(good, 8, std::uint32_t{2})), "has version 2, this program reads 1"));
  CHECK(mentions(says(with(good, 12, std::uint32_t{3})), "tokens of 3 bytes, expected 2 or 4"));
  CHECK(mentions(says(good.substr(0, good.size() - 1)), "4 documents", "was it truncated?"));
  CHECK(mentions(says(good + "x"), "was it truncated?"));
  CHECK(mentions(says(with(good, 16, std::numeric_limits<std::uint64_t>::max())),
                 "was it truncated?"));
  CHECK(mentions(says(with(good, 24, std::uint64_t{1} << 63)), "was it truncated?"));
  CHECK(mentions(says(with(good, 40, std::uint64_t{0})),
                 "document 0 ends at token 0, expected 1 to"));
  CHECK(mentions(says(with(good, 48, std::numeric_limits<std::uint64_t>::max())),
                 "document 1 ends at token -1"));
  CHECK(mentions(says(with(good, good.size() - 1, '\x7f')), "damaged or edited"));
  CHECK(mentions(says(rehashed(with(good, good.size() - 2, std::uint16_t{100}))),
                 " is 100, the vocabulary has 100"));
  CHECK(mentions(opening(f / "s", 5), "the vocabulary has 5"));
  std::string no_documents = good.substr(0, 40);
  no_documents = with(with(no_documents, 16, std::uint64_t{0}), 24, std::uint64_t{0});
  CHECK(mentions(says(rehashed(no_documents)), "has no documents"));
  const token_shard shard((f / "s").string(), 100);
  CHECK(mentions(message_of([&] { shard.document(4); }), "document 4 of 4"));
  CHECK(mentions(message_of([&] { shard.document(-1); }), "document -1"));
}

TEST_CASE("token_shard: every flipped bit and every truncation is noticed") {
  const folder f;
  write_shard(f / "s", 100, random_documents(3, 5, 100, 2));
  const std::string good = read(f / "s");
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      write(f / "bad", bad);
      REQUIRE_FALSE(opening(f / "bad").empty());
    }
    write(f / "bad", good.substr(0, i));
    REQUIRE_FALSE(opening(f / "bad").empty());
  }
}

TEST_CASE("token_shard: structure alone never reads outside, whatever the bytes") {
  const folder f;
  write_shard(f / "s", 100, random_documents(6, 5, 100, 2));
  const std::string good = read(f / "s");
  const random_stream r(11);
  std::uint64_t at = 0;
  int opened = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    for (std::uint64_t n = 1 + r.below(at, 3); n > 0; --n)
      bad[8 + r.below(at + n, bad.size() - 8)] = static_cast<char>(r.bits(at + n) & 255);
    at += 4;
    write(f / "bad", bad);
    try {
      const token_shard shard((f / "bad").string(), 100, shard_check::structure);
      ++opened;
      std::int64_t sum = 0;
      for (index_t d = 0; d < shard.documents(); ++d)
        for (index_t i = 0; i < shard.document(d).size(); ++i) sum += shard.document(d)[i];
      REQUIRE(sum >= 0);
    } catch (const error&) {
    }
  }
  CHECK(opened > 0);
}
