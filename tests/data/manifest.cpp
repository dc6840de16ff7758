// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The manifest survives writing and reading, and its mistakes are named with file and key.

#include "catch.hpp"
#include "folder.hpp"

#include <dsr1/data/manifest.hpp>

using namespace dsr1;
using namespace data_test;

namespace {

data_manifest example(const fs::path& folder) {
  data_manifest m = manifest_of(folder, 300, random_documents(10, 20, 300, 1), 4);
  m.end_of_document = 2;
  m.held_out.shards.push_back(write_shard(folder / "held_out-0.tokens", 300, {{1, 2}, {3}}));
  m.held_out.documents = 2;
  m.held_out.tokens = 3;
  m.held_out.bytes = 11;
  m.sources.push_back({"manual", "1.0-2", "GPL-2+ and others", "prose", 12, 30, 100});
  m.cleaning.add(text_rule::kept, 120, 100);
  m.cleaning.add(text_rule::binary, 5);
  m.baselines["gzip"] = 2.5;
  m.options["vocab"] = 300;
  return m;
}

std::string reading(const fs::path& folder) {
  return message_of([&] { read_manifest(folder); });
}

}  // namespace

TEST_CASE("manifest: round trip") {
  const folder f;
  const data_manifest m = example(f.path);
  write_manifest(f.path, m);
  const data_manifest r = read_manifest(f.path);
  CHECK(r.folder == f.path);
  CHECK(r.vocab == 300);
  CHECK(r.end_of_document == 2);
  CHECK(r.tokenizer == m.tokenizer);
  CHECK(r.tokenizer_hash == m.tokenizer_hash);
  REQUIRE(r.train.shards.size() == 3);
  CHECK(r.train.shards[1].file == m.train.shards[1].file);
  CHECK(r.train.shards[2].hash == m.train.shards[2].hash);
  CHECK(r.train.tokens == m.train.tokens);
  CHECK(r.held_out.bytes == 11);
  REQUIRE(r.sources.size() == 1);
  CHECK(r.sources[0].licence == "GPL-2+ and others");
  CHECK(r.sources[0].bytes == 100);
  CHECK(r.cleaning.of(text_rule::binary).bytes == 5);
  CHECK(r.cleaning.kept_bytes == 100);
  CHECK(r.baselines.at("gzip") == 2.5);
  CHECK(r.options.at("vocab") == 300);
  write_manifest(f.path, r);
  CHECK(read_manifest(f.path).sources[0].name == "manual");
}

TEST_CASE("manifest: a name that is not UTF-8 is written all the same") {
  const folder f;
  data_manifest m = example(f.path);
  m.sources[0].name = "caf\xE9";
  write_manifest(f.path, m);
  CHECK(read_manifest(f.path).sources[0].name == "caf\xEF\xBF\xBD");
}

TEST_CASE("manifest: mistakes are named") {
  const folder f;
  write_manifest(f.path, example(f.path));
  const json good = read_json((f / "manifest.json").string());
  const auto says = [&](const char* pointer, const json& value) {
    json bad = good;
    bad[json::json_pointer(pointer)] = value;
    write(f / "manifest.json", bad.dump());
    return reading(f.path);
  };
  CHECK(mentions(reading(f / "missing"), "cannot open", "missing/manifest.json"));
  CHECK(mentions(says("/format", 2), "manifest.json: \"format\" is 2, this program reads 1"));
  CHECK(mentions(says("/vocab", 0), "\"vocab\" is 0, expected 1"));
  CHECK(mentions(says("/vocab", "300"), "\"vocab\" is \"300\", expected a whole number"));
  CHECK(mentions(says("/end_of_document", 300), "\"end_of_document\" is 300, expected 0 to 299"));
  CHECK(mentions(says("/tokenizer", "../x"), "\"tokenizer\" is \"../x\"", "same folder"));
  CHECK(mentions(says("/train/shards/0/file", "/etc/passwd"), "\"shards\"[0]: \"file\"",
                 "same folder"));
  CHECK(mentions(says("/train/shards", 1), "\"train\": \"shards\" is number, expected a list"));
  CHECK(
      mentions(says("/train/documents", 11), "\"train\": \"documents\" is 11, the shards have 10"));
  CHECK(mentions(says("/held_out/tokens", 4), "\"held_out\": \"tokens\" is 4, the shards have 3"));
  CHECK(mentions(says("/held_out/bytes", -1), "\"bytes\" is -1, expected 0 or more"));
  CHECK(mentions(says("/sources/0/licence", nullptr),
                 "\"sources\"[0]: \"licence\" is null, expected text"));
  CHECK(mentions(says("/cleaning/rules/binary", 1), "\"binary\" is number, expected an object"));
  json bad = good;
  bad.erase("tokenizer_hash");
  write(f / "manifest.json", bad.dump());
  CHECK(mentions(reading(f.path), "\"tokenizer_hash\" is missing"));
  write(f / "manifest.json", good.dump().substr(0, 200));
  CHECK(mentions(reading(f.path), "is not valid JSON"));
}
