// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every target once an epoch, the same batches from the same state, ranks, evaluation, errors.

#include <algorithm>
#include <tuple>

#include "catch.hpp"
#include "folder.hpp"

#include <dsr1/data/loader.hpp>

using namespace dsr1;
using namespace data_test;

namespace {

struct fixture {
  folder f;
  documents all;
  data_manifest manifest;
  dataset data;
  explicit fixture(int count = 30, index_t longest = 25)
      : all(random_documents(count, longest, 1000, 5)),
        manifest(manifest_of(f.path, 1000, all, 7)),
        data(manifest, manifest.train) {}
};

using numbers = std::vector<std::int32_t>;

/// Everything that a batch says.
struct content {
  numbers inputs, targets;
  std::vector<std::tuple<index_t, index_t, index_t>> sequences;
  explicit content(const packed_batch& b)
      : inputs(b.inputs().begin(), b.inputs().end()),
        targets(b.targets().begin(), b.targets().end()) {
    for (index_t i = 0; i < b.sequences().count(); ++i)
      sequences.emplace_back(b.sequences()[i].begin, b.sequences()[i].length,
                             b.sequences()[i].position);
  }
  bool operator==(const content&) const = default;
};

/// Inside a sequence each input is the target before it, and a document's end is not passed.
void expects_well_formed(const packed_batch& b, index_t length) {
  expects_cover(b.sequences(), b.tokens());
  for (index_t i = 0; i < b.sequences().count(); ++i) {
    const sequence s = b.sequences()[i];
    REQUIRE(s.length <= length);
    REQUIRE(s.length > 0);
    for (index_t t = s.begin + 1; t < s.begin + s.length; ++t) {
      REQUIRE((b.targets()[t - 1] == -1 || b.inputs()[t] == b.targets()[t - 1]));
      REQUIRE(b.inputs()[t] != 0);  // 0 ends documents, and so only begins sequences
    }
  }
}

}  // namespace

TEST_CASE("training_loader: an epoch is every document once, and its tokens in order") {
  const fixture x;
  training_loader loader(x.data, {.tokens = 64, .length = 16, .seed = 3});
  packed_batch batch(64);
  numbers stream;
  while (static_cast<index_t>(stream.size()) < 3 * x.data.targets()) {
    loader.next(batch);
    REQUIRE(batch.tokens() == 64);
    REQUIRE(batch.scored() == 64);
    expects_well_formed(batch, 16);
    stream.insert(stream.end(), batch.targets().begin(), batch.targets().end());
  }
  std::vector<std::vector<numbers>> epochs;
  auto at = stream.begin();
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<numbers> seen;
    for (std::size_t d = 0; d < x.all.size(); ++d) {
      const auto end = std::find(at, stream.end(), 0);
      seen.emplace_back(at, end);
      at = end + 1;
    }
    epochs.push_back(seen);
    std::sort(seen.begin(), seen.end());
    auto sorted = x.all;
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(seen == sorted);
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
  CHECK(epochs[0] != x.all);
  CHECK(loader.state().epoch >= 2);
}

TEST_CASE("training_loader: a saved state gives the same batches, bit for bit") {
  const fixture x;
  const loader_options options{.tokens = 50, .length = 13, .seed = 9};
  training_loader uninterrupted(x.data, options);
  packed_batch a(50), b(60);
  for (int step = 0; step < 40; ++step) {
    // [resume]
    const std::string saved = uninterrupted.state().to_json().dump();
    training_loader resumed(x.data, {.tokens = 50, .length = 13, .seed = 0});
    resumed.restore(loader_state::from_json({parse_json(saved, "state"), "state"}));
    // [/resume]
    REQUIRE(resumed.state() == uninterrupted.state());
    const loader_state before = uninterrupted.state();
    uninterrupted.next(a);
    resumed.next(b);
    REQUIRE(content(a) == content(b));
    uninterrupted.next(a);
    resumed.next(b);
    REQUIRE(content(a) == content(b));
    uninterrupted.restore(before);
    uninterrupted.next(a);
  }
}

TEST_CASE("training_loader: ranks deal the batches of one rank among them") {
  const fixture x;
  training_loader alone(x.data, {.tokens = 20, .length = 8, .seed = 1});
  training_loader first(x.data, {.tokens = 20, .length = 8, .seed = 1, .rank = 0, .ranks = 2});
  training_loader second(x.data, {.tokens = 20, .length = 8, .seed = 1, .rank = 1, .ranks = 2});
  packed_batch a(20), b(20);
  for (int step = 0; step < 30; ++step) {
    for (training_loader* shared : {&first, &second}) {
      alone.next(a);
      shared->next(b);
      REQUIRE(content(a) == content(b));
    }
    REQUIRE(first.state() == second.state());
    REQUIRE(first.state() == alone.state());
  }
}

TEST_CASE("training_loader: seeds give different orders") {
  const fixture x;
  packed_batch a(64), b(64);
  training_loader(x.data, {.tokens = 64, .seed = 1}).next(a);
  training_loader(x.data, {.tokens = 64, .seed = 2}).next(b);
  CHECK_FALSE(content(a) == content(b));
}

TEST_CASE("training_loader: what it refuses") {
  const fixture x;
  const auto making = [&](loader_options o) {
    return message_of([&] { training_loader(x.data, o); });
  };
  const std::string targets = std::to_string(x.data.targets());
  CHECK(mentions(making({.tokens = x.data.targets() + 1}),
                 "the data set has " + targets + " targets", "one batch"));
  CHECK(mentions(making({.tokens = x.data.targets(), .ranks = 2}), "each of 2 ranks"));
  CHECK(mentions(making({.tokens = 0}), "batches of 0 tokens"));
  CHECK(mentions(making({.length = -1}), "sequences of -1"));
  CHECK(mentions(making({.tokens = 8, .rank = 2, .ranks = 2}), "rank 2 of 2"));
  training_loader loader(x.data, {.tokens = 64});
  packed_batch small(63);
  CHECK(mentions(message_of([&] { loader.next(small); }), "room for 63 tokens, expected 64"));
  const auto restoring = [&](auto change) {
    loader_state s = loader.state();
    change(s);
    return message_of([&] { loader.restore(s); });
  };
  CHECK(mentions(restoring([](loader_state& s) { s.data = 1; }),
                 "data set 0000000000000001, this one is"));
  CHECK(mentions(restoring([](loader_state& s) { s.document = 30; }), "document 30",
                 "has 30 documents"));
  CHECK(mentions(restoring([](loader_state& s) { s.epoch = -1; }), "epoch -1"));
  CHECK(mentions(restoring([](loader_state& s) { s.offset = 1000; }),
                 "target 1000 of a document of"));
  json bad = loader.state().to_json();
  bad["key"] = "xyz";
  CHECK(mentions(message_of([&] {
                   loader_state::from_json({bad, "state.json"});
                 }),
                 "state.json: \"key\" is \"xyz\"", "16 hexadecimal digits"));
}

TEST_CASE("evaluation_pass: every target once, with and without context, on any number of ranks") {
  const fixture x;
  numbers expected;
  for (const auto& d : x.all) {
    expected.insert(expected.end(), d.begin(), d.end());
    expected.push_back(0);
  }
  for (const index_t context : {0, 3, 7})
    for (const int ranks : {1, 3}) {
      std::vector<evaluation_pass> passes;
      for (int r = 0; r < ranks; ++r)
        passes.emplace_back(
            x.data, loader_options{.tokens = 30, .length = 8, .rank = r, .ranks = ranks}, context);
      for (int again = 0; again < 2; ++again) {
        numbers scored;
        packed_batch batch(30);
        for (bool more = true; more;) {
          for (auto& pass : passes) {
            const bool filled = pass.next(batch);
            if (&pass != &passes[0]) REQUIRE(filled == more);
            more = filled;
            expects_well_formed(batch, 8);
            index_t count = 0;
            for (const std::int32_t t : batch.targets())
              if (t >= 0) scored.push_back(t), ++count;
            REQUIRE(count == batch.scored());
          }
        }
        REQUIRE(scored == expected);
        for (auto& pass : passes) pass.rewind();
      }
    }
}

TEST_CASE("evaluation_pass: context is what came before") {
  const folder f;
  const documents one{{1, 2, 3, 4, 5, 6}};
  const data_manifest m = manifest_of(f.path, 10, one, 1);
  const dataset data(m, m.train);
  evaluation_pass pass(data, {.tokens = 100, .length = 4}, 2);
  packed_batch batch(100);
  REQUIRE(pass.next(batch));
  CHECK(content(batch).inputs == numbers{0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6});
  CHECK(content(batch).targets == numbers{1, 2, 3, 4, -1, -1, 5, 6, -1, -1, 0});
  CHECK_FALSE(pass.next(batch));
  CHECK(batch.tokens() == 0);
}

TEST_CASE("evaluation_pass: what it refuses") {
  const fixture x;
  CHECK(mentions(message_of([&] { evaluation_pass(x.data, {.tokens = 64, .length = 8}, 8); }),
                 "8 tokens of context in sequences of 8"));
  packed_batch small(3);
  CHECK(mentions(message_of([&] { evaluation_pass(x.data, {.tokens = 64}).next(small); }),
                 "room for 3 tokens"));
}
