// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Parameters out of stored tensors: joined, alternating, sliced, transposed; and what is refused.
// Whole models are held to the reference by check_checkpoint.

#include "battery/context.hpp"
#include "catch.hpp"
#include "model/memory_source.hpp"

#include <dsr1/model/load.hpp>
#include <dsr1/moe/experts.hpp>
#include <dsr1/nn/linear.hpp>

using namespace dsr1;

namespace {

using numbers = std::vector<double>;

numbers values(const memory_source& s, const weight_rule& r, index_t count) {
  return numbers_of<double>(s, r, "p", count);
}

/// A layer whose one weight is under "layers.0.mlp.down.weight".
struct one_weight {
  linear<> inner{linear_shape{.in = 3, .out = 2}};
  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    inner.for_each_parameter([&](const parameter_name& rest, auto& p) {
      visitor(parameter_name(
                  "layers",
                  parameter_name(index_t{0}, parameter_name("mlp", parameter_name("down", rest)))),
              p);
    });
  }
};

std::optional<weight_rule> plain(const model_config&, const std::string&, std::string_view) {
  return std::nullopt;
}

model_config config() {
  model_config c;
  c.model_type = "some_type";
  c.layers = 1;
  return c;
}

const std::string stored = "model.layers.0.mlp.down_proj.weight";

}  // namespace

TEST_CASE("load: parts one after another, row by row, and for every expert") {
  memory_source s;
  s.add("a", {2, 2}, 0);
  s.add("b", {1, 2}, 10);
  s.add("c", {2, 2}, 20);
  CHECK(values(s, weight_rule::following({"a", "b"}), 6) == numbers{0, 1, 2, 3, 10, 11});
  CHECK(values(s, weight_rule::alternate({"a", "c"}), 8) == numbers{0, 1, 20, 21, 2, 3, 22, 23});
  s.add<bf16>("g0", {1, 2}, 0);
  s.add<bf16>("u0", {1, 2}, 2);
  s.add<bf16>("g1", {1, 2}, 4);
  s.add<bf16>("u1", {1, 2}, 6);
  const auto rule = weight_rule::per_expert(2, [](index_t e) {
    return std::vector<std::string>{"g" + std::to_string(e), "u" + std::to_string(e)};
  });
  CHECK(values(s, rule, 8) == numbers{0, 1, 2, 3, 4, 5, 6, 7});
  const coded_tensor w = assemble(s, rule, "p");
  CHECK(w.matrices == 2);
  CHECK(w.rows == 2);
  CHECK(w.type == coding::bf16);
  CHECK(w.parts[0].codes == s.find("g0")->bytes.data());  // nothing was copied
}

TEST_CASE("load: slices of a stored tensor, and one that holds every expert") {
  memory_source s;
  s.add("both", {2, 4, 2}, 0);  // two experts: gate rows, then linear rows
  weight_rule r;
  r.parts = {{"both", 0, 2}, {"both", 2, 2}};
  r.per_matrix = 2;
  r.alternating = true;
  CHECK(values(s, r, 16) == numbers{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15});
  r.parts[1].rows = 3;
  CHECK_THROWS_WITH(values(s, r, 16),
                    "memory: parameter p: \"both\" is f32 [2, 4, 2], expected "
                    "rows 2 to 5");
}

TEST_CASE("load: stored the other way round") {
  memory_source s;
  s.add("t", {2, 2, 3}, 0);
  weight_rule r = weight_rule::one("t");
  r.transposed = true;
  CHECK(values(s, r, 12) == numbers{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11});
  const coded_tensor w = transposed_copy(assemble(s, r, "p"));
  CHECK(w.rows == 3);
  CHECK(w.columns == 2);
  double row[2];
  unpack(w, 1, 2, row);
  CHECK(row[0] == 8);
  CHECK(row[1] == 11);
}

TEST_CASE("load: lists of numbers, zeros, and counts that differ") {
  memory_source s;
  s.add("x", {2}, 1);
  s.add<double>("y", {1}, 5);
  CHECK(values(s, weight_rule::following({"x", "y"}), 3) == numbers{1, 2, 5});
  CHECK(values(s, weight_rule::zeros(), 2) == numbers{0, 0});
  CHECK_THROWS_WITH(values(s, weight_rule::one("x"), 3),
                    "memory: parameter p has 3 numbers, its tensors (\"x\" first) have 2");
  CHECK_THROWS_WITH(values(s, weight_rule::following({"x", "z"}), 3),
                    "memory has no tensor \"z\", which parameter p consists of");
}

TEST_CASE("load: parts that do not fit together") {
  memory_source s;
  s.add("a", {2, 2}, 0);
  s.add("b", {2, 3}, 0);
  s.add("m", {2, 2, 2}, 0);
  s.add<bf16>("h", {2, 2}, 0);
  CHECK_THROWS_WITH(values(s, weight_rule::following({"a", "b"}), 10),
                    "memory: parameter p: \"b\" is f32 [2, 3], \"a\" is f32 [2, 2]");
  CHECK_THROWS_WITH(values(s, weight_rule::following({"a", "h"}), 8),
                    "memory: parameter p: \"h\" is bf16 [2, 2], \"a\" is f32 [2, 2]");
  CHECK_THROWS_WITH(values(s, weight_rule::following({"a", "m"}), 12),
                    "memory: parameter p: \"m\" has 2 matrices, expected 1");
}

TEST_CASE("load: a model, missing, unused and unfitting tensors") {
  context<cpu> ctx;
  one_weight model;
  memory_source s;
  s.add<bf16>(stored, {2, 3}, 1);
  load_checkpoint(ctx, model, config(), plain, s);
  CHECK(model.inner.weight().values()[5] == 6);
  CHECK(model.inner.weight().trainable());

  s.add("stranger", {1}, 0);
  CHECK_THROWS_WITH(load_checkpoint(ctx, model, config(), plain, s),
                    "memory has 1 tensors that the model does not use: stranger");
  CHECK_NOTHROW(load_checkpoint(ctx, model, config(), plain, s, {.allow_unused = true}));
  s.remove("stranger");
  s.add(stored, {3, 3}, 1);
  CHECK_THROWS_WITH(load_checkpoint(ctx, model, config(), plain, s),
                    "memory: parameter layers.0.mlp.down.weight has 6 numbers, its tensors (\"" +
                        stored + "\" first) have 9");
  CHECK_THROWS_WITH(load_checkpoint(ctx, model, config(), plain, s, {.packed = true}),
                    Catch::Matchers::Contains("f32 [3, 3] for a parameter of 6 elements"));
  s.remove(stored);
  CHECK_THROWS_WITH(load_checkpoint(ctx, model, config(), plain, s),
                    "memory has no tensor \"" + stored +
                        "\" (parameter layers.0.mlp.down.weight consists of it)");
}

TEST_CASE("load: a scale that is no number is found with its tensor, row and block") {
  memory_source s;
  s.add<std::uint8_t>("w_blocks", {2, 1, 16}, 0);
  s.add<std::uint8_t>("w_scales", {2, 1}, 254);  // the second is 255, NaN
  CHECK_THROWS_WITH(
      values(s, weight_rule::one("w"), 64),
      Catch::Matchers::StartsWith("memory: parameter p (\"w\"): mxfp4 [2, 32]: matrix "
                                  "0, row 1, block 0 has a scale"));
}

TEST_CASE("load: packed weights are held where they lie and serve inference only") {
  context<cpu> ctx;
  one_weight model;
  memory_source s;
  s.add<bf16>(stored, {2, 3}, 1);
  load_checkpoint(ctx, model, config(), plain, s, {.packed = true});
  REQUIRE(model.inner.weight().coded() != nullptr);
  CHECK(model.inner.weight().coded()->parts[0].codes == s.find(stored)->bytes.data());
  CHECK_FALSE(model.inner.weight().trainable());
  const std::vector<float> x{1, 10, 100};
  linear<>::saved saved;
  const auto y = model.inner.forward(ctx, battery::matrix_of(x, 1, 3), saved);
  CHECK(y(0, 0) == 321);
  CHECK(y(0, 1) == 654);
  CHECK_THROWS_WITH(model.inner.backward(ctx, view<const float, 2>(y), saved),
                    "this parameter is stored as bf16 [2, 3]; its numbers are needed");
}
