// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Documents are found across shards; shards that are not the manifest's are refused.

#include "catch.hpp"
#include "folder.hpp"

#include <dsr1/data/dataset.hpp>

using namespace dsr1;
using namespace data_test;

TEST_CASE("dataset: documents across shards") {
  const folder f;
  const documents all = random_documents(10, 20, 300, 1);
  const data_manifest m = manifest_of(f.path, 300, all, 3);
  const dataset data(m, m.train);
  REQUIRE(data.documents() == 10);
  CHECK(data.tokens() == m.train.tokens);
  CHECK(data.targets() == m.train.tokens + 10);
  CHECK(data.bytes() == m.train.bytes);
  for (index_t i = 0; i < 10; ++i) {
    const auto& expected = all[static_cast<std::size_t>(i)];
    REQUIRE(data.document(i).size() == static_cast<index_t>(expected.size()));
    CHECK(data.document(i)[0] == expected[0]);
  }
  CHECK(mentions(message_of([&] { data.document(10); }), "document 10 of a data set of 10"));
  CHECK(dataset(m, m.train, shard_check::structure).hash() == data.hash());
}

TEST_CASE("dataset: shards that are missing, exchanged or edited") {
  const folder f;
  data_manifest m = manifest_of(f.path, 300, random_documents(6, 20, 300, 1), 3);
  CHECK(mentions(message_of([&] { dataset(m, m.held_out); }), "manifest.json",
                 "a split without shards"));
  std::swap(m.train.shards[0].file, m.train.shards[1].file);
  CHECK(mentions(message_of([&] { dataset(m, m.train); }), "train-3.tokens has",
                 "manifest.json says"));
  std::swap(m.train.shards[0].file, m.train.shards[1].file);
  m.vocab = 5;
  CHECK(mentions(message_of([&] { dataset(m, m.train); }), "train-0.tokens: token",
                 "the vocabulary has 5"));
  m.vocab = 300;
  fs::remove(f / "train-3.tokens");
  CHECK(mentions(message_of([&] { dataset(m, m.train); }), "cannot open", "train-3.tokens"));
}
