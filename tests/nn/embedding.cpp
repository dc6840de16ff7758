// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The token table: rows by id, gradients summed over repeated ids, ids outside the vocabulary.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/embedding.hpp>

using namespace dsr1;
using layer_checks::names;

namespace {

view<const std::int32_t, 1> ids(const std::vector<std::int32_t>& v) {
  return view<const std::int32_t, 1>(v.data(), v.size());
}

}  // namespace

TEST_CASE("embedding: each token is the row of its id") {
  context<cpu> ctx({.threads = 2});
  embedding<> table({.vocab = 7, .dim = 5});
  initialize(ctx, table);
  const std::vector<std::int32_t> tokens = {3, 0, 6, 3};
  embedding<>::saved s;
  const auto y = table.forward(ctx, ids(tokens), s);
  CHECK(y.rows() == 4);
  for (index_t t = 0; t < 4; ++t)
    for (index_t d = 0; d < 5; ++d)
      CHECK(y(t, d) == table.table().value<2>()(tokens[static_cast<std::size_t>(t)], d));
}

TEST_CASE("embedding: gradients by finite differences") {
  context<cpu> ctx({.threads = 2});
  embedding<embedding_shape{.vocab = 5, .dim = 3}, double> table;
  layer_checks::prepare(ctx, table);
  const std::vector<std::int32_t> tokens = {2, 2, 0, 4, 2};
  const auto r = battery::normals<double>(15, 1);
  embedding<embedding_shape{.vocab = 5, .dim = 3}, double>::saved s;
  const auto loss = [&] {
    ctx.workspace().reset();
    const auto y = table.forward(ctx, ids(tokens), s);
    double sum = 0;
    for (index_t i = 0; i < 15; ++i) sum += y.data[i] * y.data[i] * r[static_cast<std::size_t>(i)];
    return sum;
  };
  const auto result =
      testing::check_gradients(table, view<double, 1>(), loss, [&]() -> const double* {
        loss();
        std::vector<double> dy(15);
        const auto y = table.forward(ctx, ids(tokens), s);
        for (index_t i = 0; i < 15; ++i)
          dy[static_cast<std::size_t>(i)] = 2 * y.data[i] * r[static_cast<std::size_t>(i)];
        table.backward(ctx, battery::cmatrix_of(dy, 5, 3), s);
        return nullptr;
      });
  INFO(result.str());
  CHECK(result.checked == 15);
  CHECK(result.error < 1e-8);
}

TEST_CASE("embedding: gradients accumulate over batches until they are cleared") {
  context<cpu> ctx({.threads = 1});
  embedding<> table({.vocab = 3, .dim = 2});
  initialize(ctx, table);
  embedding<>::saved s;
  const std::vector<float> dy = {1, 2, 10, 20};
  const std::vector<std::int32_t> first = {2, 2}, second = {0, 2};
  const auto step = [&](const std::vector<std::int32_t>& tokens) {
    table.forward(ctx, ids(tokens), s);
    table.backward(ctx, battery::matrix_of(dy, 2, 2), s);
    return std::vector<float>(table.table().gradients().begin(), table.table().gradients().end());
  };
  CHECK(step(first) == std::vector<float>{0, 0, 0, 0, 11, 22});
  CHECK(step(second) == std::vector<float>{1, 2, 0, 0, 21, 42});
  clear_gradients(table);
  CHECK(step(second) == std::vector<float>{1, 2, 0, 0, 10, 20});
}

TEST_CASE("embedding: static and dynamic shapes have the same first values, names and sizes") {
  context<cpu> ctx({.threads = 1, .seed = 8});
  embedding<embedding_shape{.vocab = 50, .dim = 20}> fixed;
  embedding<> given({.vocab = 50, .dim = 20});
  initialize(ctx, fixed);
  initialize(ctx, given);
  CHECK(std::equal(fixed.table().values().begin(), fixed.table().values().end(),
                   given.table().values().begin()));
  CHECK(names(given) == std::vector<std::string>{"weight"});
  CHECK(given.vocab() == 50);
  CHECK(given.dim() == 20);
}

TEST_CASE("embedding: no tokens, and errors") {
  context<cpu> ctx({.threads = 1});
  embedding<> table({.vocab = 4, .dim = 3});
  embedding<>::saved s;
  const std::vector<std::int32_t> none, high = {1, 4}, low = {0, 3, -1}, good = {1};
  CHECK(mentions(message_of([&] { table.forward(ctx, ids(good), s); }), "no memory yet"));
  initialize(ctx, table);
  CHECK(table.forward(ctx, ids(none), s).rows() == 0);
  CHECK(message_of([&] { table.forward(ctx, ids(high), s); }) ==
        "token 1 has id 4, expected 0 to 3");
  CHECK(message_of([&] { table.forward(ctx, ids(low), s); }) ==
        "token 2 has id -1, expected 0 to 3");
  CHECK(mentions(message_of([] { embedding<> t({.vocab = 4}); }), "embedding: dim", "dynamic"));
  CHECK(mentions(message_of([] {
                   embedding<embedding_shape{.vocab = 4, .dim = 2}> t({.vocab = 5, .dim = 2});
                 }),
                 "vocab is 5", "fixes it to 4"));
}
