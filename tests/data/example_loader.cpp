// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every example once an epoch, whole; the same batches from the same state; a batch of several
// trains as they would one by one, and none of them sees another.

#include <algorithm>
#include <set>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/data/example_loader.hpp>
#include <dsr1/data/share.hpp>
#include <dsr1/train/trainer.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

using numbers = std::vector<std::int32_t>;

/// `count` examples of 2 to `longest` + 1 tokens below 13, each ending with learned tokens.
example_set random_set(int count, index_t longest, std::uint64_t seed = 5) {
  const random_stream r(seed);
  example_set set({.length = longest});
  std::uint64_t at = 0;
  for (int i = 0; i < count; ++i) {
    token_example e;
    const std::uint64_t rows = 1 + r.below(at++, static_cast<std::uint64_t>(longest));
    const std::uint64_t prompt = r.below(at++, rows);
    for (std::uint64_t t = 0; t <= rows; ++t) {
      e.tokens.push_back(static_cast<std::int32_t>(r.below(at++, 13)));
      e.learned.push_back(t > prompt ? 1 : 0);
    }
    set.add(e, "random");
  }
  return set;
}

/// A sequence as it stands in a batch: its inputs, then its targets.
using content = std::pair<numbers, numbers>;

std::vector<content> contents(const packed_batch& b) {
  std::vector<content> out;
  expects_cover(b.sequences(), b.tokens());
  for (index_t i = 0; i < b.sequences().count(); ++i) {
    const sequence s = b.sequences()[i];
    REQUIRE(s.position == 0);
    const auto in = b.inputs().slice_rows(s.begin, s.length),
               to = b.targets().slice_rows(s.begin, s.length);
    out.push_back({{in.begin(), in.end()}, {to.begin(), to.end()}});
  }
  return out;
}

content content_of(const example_set::example& e) {
  content c;
  for (std::size_t i = 0; i + 1 < e.tokens.size(); ++i) {
    c.first.push_back(e.tokens[i]);
    c.second.push_back(e.learned[i + 1] != 0 ? e.tokens[i + 1] : -1);
  }
  return c;
}

std::vector<content> all_of(const example_set& set) {
  std::vector<content> out;
  for (index_t i = 0; i < set.size(); ++i) out.push_back(content_of(set[i]));
  return out;
}

training_batch whole(const packed_batch& b) { return {{b.inputs(), b.sequences()}, b.targets()}; }

template <class T>
struct trained {
  context<cpu> ctx{{.threads = 2, .seed = 3}};
  small_lm<T, false> model;
  trained() {
    initialize(ctx, model);
    enlarge(model);
  }
  std::vector<double> gradient() {
    std::vector<double> all;
    model.for_each_parameter([&](const parameter_name&, auto& p) {
      for (index_t i = 0; i < p.size(); ++i) all.push_back(p.gradients()[i]);
    });
    return all;
  }
};

}  // namespace

TEST_CASE("example_loader: an epoch is every example once, whole, in another order each time") {
  const example_set set = random_set(40, 12);
  const std::vector<content> all = all_of(set);
  example_loader loader(set, {.tokens = 30, .seed = 3});
  packed_batch batch(30);
  std::vector<std::vector<content>> epochs;
  index_t batches = 0;
  for (index_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<content> seen;
    while (loader.state().epoch == epoch) {
      loader.next(batch);
      ++batches;
      REQUIRE(batch.tokens() > 0);
      REQUIRE(batch.tokens() <= 30);
      for (content& c : contents(batch)) seen.push_back(std::move(c));
    }
    CHECK(loader.batches(epoch + 1) == batches);
    CHECK(std::is_permutation(seen.begin(), seen.end(), all.begin(), all.end()));
    epochs.push_back(std::move(seen));
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
  CHECK(epochs[0] != all);
  // Well packed: the next example would not have fitted.
  CHECK(batches <= 3 * (set.rows() / (30 - 12) + 1));
  packed_batch other(30);
  example_loader(set, {.tokens = 30, .seed = 4}).next(other);
  example_loader(set, {.tokens = 30, .seed = 3}).next(batch);
  CHECK(contents(other) != contents(batch));
}

TEST_CASE("example_loader: a saved state gives the same batches, bit for bit") {
  const example_set set = random_set(20, 9);
  example_loader uninterrupted(set, {.tokens = 25, .seed = 9});
  packed_batch a(25), b(40);
  for (int step = 0; step < 30; ++step) {
    const std::string saved = uninterrupted.state().to_json().dump();
    // [resume]
    example_loader resumed(set, {.tokens = 25, .seed = 0});
    resumed.restore(loader_state::from_json({parse_json(saved, "state"), "state"}));
    // [/resume]
    CHECK(resumed.state() == uninterrupted.state());
    for (int more = 0; more < 2; ++more) {
      const loader_state before = uninterrupted.state();
      uninterrupted.next(a);
      resumed.next(b);
      REQUIRE(contents(a) == contents(b));
      if (more == 1) uninterrupted.restore(before);
    }
  }
  CHECK(uninterrupted.state().epoch > 2);
}

TEST_CASE("example_pass: every example once, in order") {
  const example_set set = random_set(20, 9);
  example_pass pass(set, 25);
  packed_batch batch(25);
  for (int again = 0; again < 2; ++again) {
    std::vector<content> seen;
    index_t targets = 0;
    while (pass.next(batch)) {
      for (content& c : contents(batch)) seen.push_back(std::move(c));
      targets += batch.scored();
    }
    CHECK(seen == all_of(set));
    CHECK(targets == set.targets());
    CHECK(batch.tokens() == 0);
    CHECK_FALSE(pass.next(batch));
    pass.rewind();
  }
}

TEST_CASE("example_loader: the loss is that of the answers, and nothing else") {
  const example_set set = random_set(6, 9);
  trained<double> r;
  packed_batch batch(60);
  example_pass(set, 60).next(batch);
  REQUIRE(batch.sequences().count() == 6);
  trainer t(r.ctx, r.model, adamw{});
  const token_loss loss = t.evaluate(whole(batch));
  CHECK(loss.tokens == set.targets());
  // By hand: the logits of one example alone, the logarithm of the softmax where it is learned.
  double sum = 0;
  for (index_t i = 0; i < set.size(); ++i) {
    const example_set::example e = set[i];
    const inference_mode on(r.ctx);
    r.ctx.workspace().reset();
    typename small_lm<double, false>::saved s;
    const view<const double, 2> h = r.model.hidden(
        r.ctx, {view<const std::int32_t, 1>(e.tokens.data(), e.rows()), sequence_layout(e.rows())},
        s);
    const auto logits = r.model.logits(r.ctx, h);
    for (index_t row = 0; row < e.rows(); ++row) {
      const auto next = static_cast<std::size_t>(row) + 1;
      if (e.learned[next] == 0) continue;
      double total = 0;
      for (index_t v = 0; v < 13; ++v) total += std::exp(logits(row, v));
      sum += std::log(total) - logits(row, e.tokens[next]);
    }
  }
  CHECK(loss.sum == Approx(sum).epsilon(1e-12));
}

TEST_CASE("example_loader: a packed batch has the gradient of its examples one by one") {
  const example_set set = random_set(7, 11);
  trained<double> packed, single;
  const double scale = 1 / static_cast<double>(set.targets());
  packed_batch batch(80);
  example_pass(set, 80).next(batch);
  REQUIRE(batch.sequences().count() == 7);
  typename small_lm<double, false>::saved a, b;
  packed.model.train(packed.ctx, {batch.inputs(), batch.sequences()}, batch.targets(), scale, a);
  packed_batch one(11);
  for (index_t i = 0; i < set.size(); ++i) {
    one.clear();
    one.append(set[i].tokens, set[i].learned);
    single.ctx.workspace().reset();
    single.model.train(single.ctx, {one.inputs(), one.sequences()}, one.targets(), scale, b);
  }
  const std::vector<double> x = packed.gradient(), y = single.gradient();
  REQUIRE(x.size() == y.size());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    REQUIRE(x[i] == Approx(y[i]).epsilon(1e-10).margin(1e-12));
    largest = std::max(largest, std::abs(x[i]));
  }
  CHECK(largest > 1e-3);
}

TEST_CASE("example_loader: no example sees another of its batch") {
  const example_set set = random_set(5, 9);
  trained<double> r;
  const auto logits_of = [&](index_t changed) {
    packed_batch batch(60);
    for (index_t i = 0; i < set.size(); ++i) {
      numbers tokens(set[i].tokens.begin(), set[i].tokens.end());
      if (i == changed)
        for (std::int32_t& t : tokens) t = (t + 5) % 13;
      batch.append(tokens, set[i].learned);
    }
    const inference_mode on(r.ctx);
    r.ctx.workspace().reset();
    typename small_lm<double, false>::saved s;
    const view<const double, 2> h = r.model.hidden(r.ctx, {batch.inputs(), batch.sequences()}, s);
    const auto y = r.model.logits(r.ctx, h);
    std::vector<std::vector<double>> out;
    for (index_t i = 0; i < set.size(); ++i) {
      const auto rows = y.slice_rows(batch.sequences()[i].begin, batch.sequences()[i].length);
      out.emplace_back(rows.data, rows.data + rows.size());
    }
    return out;
  };
  // Which rows an expert multiplies together may change the last bit of each, and no more.
  const auto before = logits_of(-1);
  for (index_t changed = 0; changed < set.size(); ++changed) {
    const auto after = logits_of(changed);
    for (index_t i = 0; i < set.size(); ++i) {
      const auto n = static_cast<std::size_t>(i);
      double most = 0;
      for (std::size_t k = 0; k < after[n].size(); ++k)
        most = std::max(most, std::abs(after[n][k] - before[n][k]));
      if (i == changed)
        CHECK(most > 1e-3);
      else
        CHECK(most < 1e-12);
    }
  }
}

TEST_CASE("example_loader: ranks share a batch in whole examples") {
  const example_set set = random_set(9, 7);
  packed_batch batch(70);
  example_pass(set, 70).next(batch);
  std::vector<index_t> rows;
  numbers targets;
  for (int rank = 0; rank < 3; ++rank) {
    batch_share share;
    share.take(batch, rank, 3);
    expects_cover(share.sequences(), share.inputs().rows());
    for (index_t i = 0; i < share.sequences().count(); ++i)
      rows.push_back(share.sequences()[i].length);
    targets.insert(targets.end(), share.targets().begin(), share.targets().end());
  }
  REQUIRE(rows.size() == 9);
  for (std::size_t i = 0; i < 9; ++i) CHECK(rows[i] == set[static_cast<index_t>(i)].rows());
  CHECK(targets == numbers(batch.targets().begin(), batch.targets().end()));
}

TEST_CASE("example_loader: what it refuses") {
  const example_set none, set = random_set(8, 9);
  CHECK(mentions(message_of([&] { example_loader(none, {}); }),
                 "example_loader: a set without examples"));
  CHECK(mentions(message_of([&] { example_pass(none, 8); }), "example_pass: a set without"));
  const std::string longest = std::to_string(set.longest());
  CHECK(mentions(message_of([&] { example_loader(set, {.tokens = 3}); }), "batches of 3 tokens",
                 "an example has " + longest));
  CHECK(mentions(message_of([&] { example_pass(set, 3); }), "example_pass: batches of 3 tokens"));
  example_loader loader(set, {.tokens = 20});
  packed_batch small(19);
  CHECK(mentions(message_of([&] { loader.next(small); }), "room for 19 tokens, expected 20"));
  const auto restoring = [&](auto change) {
    loader_state s = loader.state();
    change(s);
    return message_of([&] { loader.restore(s); });
  };
  CHECK(mentions(restoring([](loader_state& s) { s.data = 1; }),
                 "the examples 0000000000000001, these are " + hash_text(set.hash())));
  CHECK(mentions(restoring([](loader_state& s) { s.document = 8; }), "example 8",
                 "there are 8 examples"));
  CHECK(mentions(restoring([](loader_state& s) { s.epoch = -1; }), "epoch -1"));
  CHECK(mentions(restoring([](loader_state& s) { s.offset = 2; }), "token 2"));
}
