// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Muon against torch's values, slice by slice, and with AdamW beside it.

#include <cmath>

#include "optim/follow.hpp"

#include <dsr1/optim/muon.hpp>

using namespace dsr1;

namespace {

const weight_decay all_decay = {.value = 0.1, .vectors = true};

/// The elements of a tensor of random matrices.
template <class T>
std::vector<T> slices_of(index_t count, index_t rows, index_t columns) {
  return battery::normals<T>(count * rows * columns, 7);
}

}  // namespace

TEMPLATE_TEST_CASE("muon: full precision, step by step", "[golden]", double, float) {
  follow::along<TestType>("muon_exact", muon{.weight_decay = all_decay},
                          {.rate = 2e-2,
                           .tolerance = sizeof(TestType) == 8 ? 1e-12 : 3e-5,
                           .tensors = {"matrix", "wide"},
                           .states = {"momentum_buffer"}});
}

TEST_CASE("muon: torch's values, whose iteration runs in bfloat16", "[golden]") {
  const follow::options o = {.rate = 2e-2, .tolerance = 5e-3, .tensors = {"matrix", "wide"}};
  follow::along<double>("muon", muon{.weight_decay = all_decay}, o);
  follow::along<double>("muon_match_rms",
                        muon{.scale = muon_scale::match_rms, .weight_decay = all_decay}, o);
  follow::along<double>("muon_plain", muon{.momentum = 0.9, .nesterov = false, .weight_decay = {}},
                        o);
}

TEMPLATE_TEST_CASE("newton_schulz: the iteration of the reference", "[golden]", double, float) {
  const std::string path = follow::golden_file<TestType>();
  if (path.empty()) return;
  const safetensors file(path);
  context<cpu> ctx({.threads = 1});
  for (const std::string name : {"matrix", "wide"}) {
    const auto& shape = file.at("newton_schulz/" + name).shape;
    std::vector<TestType> x(static_cast<std::size_t>(file.at("grads/" + name).size()));
    file.at("grads/" + name).copy_to(x.data());
    newton_schulz(ctx, view<TestType, 2>(x.data(), shape[0], shape[1]));
    const auto expected = golden::numbers(file, "newton_schulz/" + name);
    CHECK(testing::compare(x.data(), expected.data(), static_cast<index_t>(expected.size()))
              .relative() <= (sizeof(TestType) == 8 ? 1e-12 : 1e-5));
  }
}

TEST_CASE("newton_schulz: singular values come near one, tall or wide") {
  context<cpu> ctx({.threads = 2});
  for (const auto& [rows, columns] :
       {std::pair<index_t, index_t>{40, 8}, {8, 40}, {16, 16}, {1, 9}, {9, 1}, {1, 1}}) {
    auto x = slices_of<double>(1, rows, columns);
    newton_schulz(ctx, view<double, 2>(x.data(), rows, columns), 10);
    // Every singular value s has 0 < s^2 < 1.6; their squares sum to the squared norm.
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double n = static_cast<double>(std::min(rows, columns));
    INFO(rows << " x " << columns);
    CHECK(squares / n > 0.4);
    CHECK(squares / n < 1.6);
  }
}

TEMPLATE_TEST_CASE("newton_schulz: many matrices give what each gives alone, to the bit", "",
                   double, float) {
  using T = TestType;
  context<cpu> ctx({.threads = 2});
  for (const auto& [count, rows, columns] :
       {std::array<index_t, 3>{3, 24, 10}, {5, 10, 24}, {70, 6, 4}, {0, 3, 3}}) {
    auto together = slices_of<T>(count, rows, columns);
    auto alone = together;
    newton_schulz(ctx, view<T, 3>(together.data(), count, rows, columns));
    for (index_t i = 0; i < count; ++i)
      newton_schulz(ctx, view<T, 2>(alone.data() + i * rows * columns, rows, columns));
    CHECK(together == alone);
  }
}

TEST_CASE("newton_schulz: a zero matrix stays zero") {
  context<cpu> ctx({.threads = 1});
  std::vector<float> x(12);
  newton_schulz(ctx, view<float, 2>(x.data(), 3, 4));
  CHECK(x == std::vector<float>(12));
}

TEMPLATE_TEST_CASE("muon: every expert's matrix is a matrix of its own", "", double, float) {
  using T = TestType;
  context<cpu> ctx({.threads = 2});
  const index_t experts = 3, rows = 12, columns = 20, size = rows * columns;
  const auto start = slices_of<T>(experts, rows, columns);
  follow::some_parameters<T> together, apart;
  together.add(ctx, "experts", parameter<T>({experts, rows, columns}, {.per_expert = true}), start);
  for (index_t e = 0; e < experts; ++e)
    apart.add(ctx, std::to_string(e), parameter<T>({rows, columns}),
              {start.begin() + e * size, start.begin() + (e + 1) * size});
  optimizer<muon, T> a(ctx, parameter_list<T>(together)), b(ctx, parameter_list<T>(apart));
  for (int step = 0; step < 3; ++step) {
    const auto g = battery::normals<T>(experts * size, static_cast<std::uint64_t>(20 + step));
    together[0].clear_gradient();
    follow::set_gradient(together[0], g);
    for (index_t e = 0; e < experts; ++e) {
      apart[static_cast<std::size_t>(e)].clear_gradient();
      follow::set_gradient(apart[static_cast<std::size_t>(e)],
                           std::vector<T>(g.begin() + e * size, g.begin() + (e + 1) * size));
    }
    a.step(ctx, 0.02, 0.7);
    b.step(ctx, 0.02, 0.7);
  }
  CHECK(together.numbers() == apart.numbers());
}

TEST_CASE("muon: tensors larger than one batch of scratch") {
  context<cpu> ctx({.threads = 2});
  const index_t rows = 4, columns = 6, experts = 150;  // more than 64 matrices
  const auto start = slices_of<float>(experts, rows, columns),
             g = battery::normals<float>(experts * rows * columns, 9);
  follow::some_parameters<float> many, last;
  many.add(ctx, "experts", parameter<float>({experts, rows, columns}), start);
  last.add(ctx, "last", parameter<float>({rows, columns}),
           {start.end() - rows * columns, start.end()});
  follow::set_gradient(many[0], g);
  follow::set_gradient(last[0], std::vector<float>(g.end() - rows * columns, g.end()));
  optimizer<muon> a(ctx, parameter_list<float>(many)), b(ctx, parameter_list<float>(last));
  a.step(ctx, 0.1);
  b.step(ctx, 0.1);
  const auto all = many.numbers();
  CHECK(std::vector<float>(all.end() - rows * columns, all.end()) == last.numbers());
  CHECK(all[0] != start[0]);
}

TEST_CASE("muon: vectors, tables and biases of experts go to AdamW") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<double> mixed, plain;
  const std::vector<std::string> others = {"embedding.weight", "layers.0.norm", "head.weight",
                                           "layers.1.experts.up_bias"};
  const auto shape = [](const std::string& name) {
    return name.ends_with("norm")
               ? parameter<double>({12})
               : parameter<double>({3, 4}, {.per_expert = name.ends_with("bias")});
  };
  mixed.add(ctx, "layers.0.weight", parameter<double>({4, 3}), battery::normals<double>(12, 1));
  for (const std::string& name : others) {
    mixed.add(ctx, name, shape(name), battery::normals<double>(12, 2));
    plain.add(ctx, name, shape(name), battery::normals<double>(12, 2));
  }
  const adamw rest{.beta1 = 0.8, .weight_decay = {.value = 0.2}};
  optimizer<muon, double> a(ctx, parameter_list<double>(mixed), {.rest = rest, .rest_rate = 0.5});
  optimizer<adamw, double> b(ctx, parameter_list<double>(plain), rest);
  for (int step = 0; step < 3; ++step) {
    const auto g = battery::normals<double>(12, static_cast<std::uint64_t>(30 + step));
    for (std::size_t i = 0; i < 5; ++i) follow::set_gradient(mixed[i], g);
    for (std::size_t i = 0; i < 4; ++i) follow::set_gradient(plain[i], g);
    a.step(ctx, 0.02);
    b.step(ctx, 0.01);
  }
  const auto all = mixed.numbers();
  CHECK(std::vector<double>(all.begin() + 12, all.end()) == plain.numbers());
  std::vector<std::string> states;
  a.for_each_state([&](const std::string& name, auto&) { states.push_back(name); });
  CHECK(states.size() == 1 + 2 * 4);  // a matrix has momentum only
  CHECK(states[0] == "layers.0.weight.0");
  CHECK(states[1] == "embedding.weight.0");
  CHECK(states[2] == "embedding.weight.1");
}

TEST_CASE("muon: more parameters for AdamW than fit in one launch") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> a, b;
  for (int i = 0; i < 70; ++i)
    for (auto* model : {&a, &b})
      follow::set_gradient(model->add(ctx, std::to_string(i), parameter<float>({3}), {1, 2, 3}),
                           std::vector<float>{1, -1, 0});
  optimizer<muon> m(ctx, parameter_list<float>(a));
  optimizer<adamw> w(ctx, parameter_list<float>(b));
  m.step(ctx, 0.1);
  w.step(ctx, 0.1);
  CHECK(a.numbers() == b.numbers());
}

TEST_CASE("muon: names decide, and the rule can be another") {
  CHECK(is_hidden_matrix("layers.0.attention.qkv.weight"));
  CHECK(is_hidden_matrix("layers.0.attention.heads.weight"));
  CHECK(is_hidden_matrix(""));
  CHECK_FALSE(is_hidden_matrix("embedding.weight"));
  CHECK_FALSE(is_hidden_matrix("model.embedding"));
  CHECK_FALSE(is_hidden_matrix("model.head.weight"));
  CHECK_FALSE(is_hidden_matrix("head"));
  const muon own{.matrices = [](std::string_view name) { return name == "router"; }};
  CHECK(own.is_matrix("router", 2));
  CHECK_FALSE(own.is_matrix("router", 1));
  CHECK_FALSE(own.is_matrix("other", 2));
  CHECK(own.states("router", 2) == 1);
  CHECK(own.states("other", 2) == 2);
}

TEST_CASE("muon: numbers out of range are named") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  model.add(ctx, "x", parameter<float>({2, 2}), {1, 2, 3, 4});
  const auto message = [&](muon policy) {
    optimizer<muon> opt(ctx, parameter_list<float>(model), policy);
    return message_of([&] { opt.step(ctx, 0.1); });
  };
  CHECK(mentions(message({.momentum = 1}), "muon: momentum is 1"));
  CHECK(mentions(message({.rest = {.beta2 = 7}}), "adamw: beta2 is 7"));
  CHECK(mentions(message({.rest_rate = -1}), "muon: rest_rate is -1"));
  std::vector<float> x(40);
  const auto gaps = view<float, 3>(x.data(), 4, 2, 4).slice_rows(0, 2);
  view<float, 3> apart = gaps;
  apart.stride = 16;
  CHECK(mentions(message_of([&] { newton_schulz(ctx, apart); }), "[2, 2, 4]", "gaps"));
}
