// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The sub-commands `prepare` and `baselines` as a user runs them.

#include "program.hpp"
#include "tokenizer.hpp"

#include <dsr1/data/loader.hpp>

using namespace program_test;

TEST_CASE("prepare: a small corpus, end to end") {
  const folder f;
  make_corpus(f);
  const int status = run(f, "prepare --out data --vocab 600 --held-out 0.2 in");
  INFO(read(f / "err.txt"));
  REQUIRE(status == 0);
  const auto m = dsr1::read_manifest(f / "data");
  CHECK(m.vocab <= 600);
  CHECK(m.train.documents + m.held_out.documents == 60);
  CHECK(m.held_out.documents >= 4);
  CHECK(m.cleaning.of(dsr1::text_rule::duplicate).documents == 1);
  CHECK(m.cleaning.of(dsr1::text_rule::binary).documents == 1);
  CHECK(m.cleaning.of(dsr1::text_rule::empty).documents == 1);
  CHECK(m.cleaning.kept_bytes == m.train.bytes + m.held_out.bytes);
  CHECK(m.options.at("held_out") == 0.2);
  REQUIRE(m.sources.size() == 1);
  CHECK(m.sources[0].tokens == m.train.tokens + m.held_out.tokens);
  CHECK(mentions(read(f / "out.txt"), "bytes/token", "held out", "duplicate", "gzip_9", "unigram",
                 "data/manifest.json"));

  // The shards hold the documents, and a loader reads them.
  const seed::tokenizer words((f / "data/tokenizer.model").string());
  const dsr1::dataset train(m, m.train), held_out(m, m.held_out);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(train.document(0).size()));
  train.document(0).copy(0, train.document(0).size(), ids.data());
  CHECK(mentions(words.decode(ids), "Document ", "\tindented  with tabs\n", "This is sentence"));
  dsr1::training_loader loader(train, {.tokens = 256, .length = 64});
  dsr1::packed_batch batch(256);
  loader.next(batch);
  CHECK(batch.inputs()[0] == words.end_of_document());

  // Again gives the same bytes; another folder too; baselines finds the same numbers.
  const std::string shard = read(f / "data/train-00000.tokens"),
                    manifest = read(f / "data/manifest.json");
  REQUIRE(run(f, "prepare --out again --vocab 600 --held-out 0.2 --threads 1 in") == 0);
  CHECK(read(f / "again/train-00000.tokens") == shard);
  CHECK(read(f / "again/manifest.json") == manifest);
  REQUIRE(run(f, "baselines data") == 0);
  CHECK(read(f / "data/manifest.json") == manifest);
  const double unigram = m.baselines.at("unigram");
  CHECK(unigram > 0.5);
  CHECK(unigram < 8);
}

TEST_CASE("prepare: the split of a document does not change when files are added") {
  const folder f;
  make_corpus(f);
  REQUIRE(run(f, "prepare --out a --vocab 512 --held-out 0.2 in") == 0);
  for (int d = 0; d < 20; ++d) {
    std::string s;
    for (int i = 0; i < 12; ++i) s += sentence(100000 + 100 * d + i);
    write(f / dsr1::text("in/more", d, ".txt"), s);
  }
  REQUIRE(run(f, "prepare --out b --vocab 512 --held-out 0.2 in") == 0);
  const auto texts = [&](const std::string& name) {
    const auto m = dsr1::read_manifest(f / name);
    const dsr1::dataset data(m, m.held_out);
    const seed::tokenizer words((f / name / "tokenizer.model").string());
    std::vector<std::string> out;
    for (dsr1::index_t d = 0; d < data.documents(); ++d) {
      std::vector<std::int32_t> ids(static_cast<std::size_t>(data.document(d).size()));
      data.document(d).copy(0, data.document(d).size(), ids.data());
      if (const std::string s = words.decode(ids); s.starts_with("Document")) out.push_back(s);
    }
    return out;
  };
  CHECK(texts("a") == texts("b"));
}

TEST_CASE("prepare: limits and no held-out text") {
  const folder f;
  make_corpus(f);
  REQUIRE(run(f,
              "prepare --out data --vocab 512 --held-out 0 --max-bytes 20000 --document-bytes 1024 "
              "in") == 0);
  const auto m = dsr1::read_manifest(f / "data");
  CHECK(m.held_out.documents == 0);
  CHECK(m.train.bytes <= 20000);
  CHECK(m.train.bytes > 15000);
  CHECK(m.train.documents > 20);
  CHECK(m.baselines.empty());
}

TEST_CASE("prepare: training text in short pieces, held-out text whole") {
  const folder f;
  fs::create_directories(f / "in");
  for (int d = 0; d < 20; ++d) {
    std::string s;
    for (int i = 0; i < 100; ++i) s += sentence(1000 * d + i) + (i % 5 == 4 ? "\n" : "");
    write(f / dsr1::text("in/", d, ".txt"), s);
  }
  REQUIRE(run(f, "prepare --out data --vocab 512 --held-out 0.3 --piece-bytes 2000 in") == 0);
  const auto m = dsr1::read_manifest(f / "data");
  const seed::tokenizer words((f / "data/tokenizer.model").string());
  const auto longest = [&](const dsr1::data_split& split) {
    const dsr1::dataset data(m, split);
    std::size_t most = 0;
    for (dsr1::index_t d = 0; d < data.documents(); ++d) {
      std::vector<std::int32_t> ids(static_cast<std::size_t>(data.document(d).size()));
      data.document(d).copy(0, data.document(d).size(), ids.data());
      most = std::max(most, words.decode(ids).size());
    }
    return most;
  };
  CHECK(longest(m.train) <= 2000);
  CHECK(longest(m.train) > 1000);
  CHECK(longest(m.held_out) > 6000);
  CHECK(m.options.at("piece_bytes") == 2000);
}

TEST_CASE("prepare: mistakes end with 1 and a reason") {
  const folder f;
  std::filesystem::create_directories(f / "empty");
  CHECK(run(f, "prepare --out data empty") == 1);
  CHECK(mentions(read(f / "err.txt"), "no text: of 0 files, none was kept"));
  CHECK_FALSE(std::filesystem::exists(f / "data/manifest.json"));
  std::filesystem::create_directories(f / "binary");
  write(f / "binary/a.txt", std::string(500, '\0'));
  write(f / "binary/b.txt", "\n");
  write(f / "binary/c.jpg", "x");
  CHECK(run(f, "prepare --out data binary") == 1);
  CHECK(mentions(read(f / "err.txt"),
                 "of 3 files, none was kept (1 skipped for their names, 1 empty, 1 binary)"));
  CHECK(run(f, "prepare --out data missing") == 1);
  CHECK(mentions(read(f / "err.txt"), "input missing does not exist"));
  write(f / "one.txt", sentence(1) + sentence(2));
  CHECK(run(f, "prepare --out data one.txt") == 1);
  CHECK(mentions(read(f / "err.txt"), "one document cannot be split"));
  CHECK(run(f, "prepare --out one.txt/data one.txt") == 1);
  CHECK(mentions(read(f / "err.txt"), "cannot create one.txt/data"));
  CHECK(run(f, "baselines binary") == 1);
  CHECK(mentions(read(f / "err.txt"), "cannot open binary/manifest.json"));
  CHECK(run(f, "prepare --vocab 4 --out data one.txt") > 1);  // the options' own errors
  CHECK(run(f, "prepare one.txt") > 1);
}
