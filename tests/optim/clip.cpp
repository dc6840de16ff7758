// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The global norm and the factor of clipping.

#include <limits>

#include "optim/follow.hpp"

#include <dsr1/optim/clip.hpp>

using namespace dsr1;

TEMPLATE_TEST_CASE("clip: torch's norm and clipped gradients", "[golden]", double, float) {
  const std::string path = follow::golden_file<TestType>();
  if (path.empty()) return;
  const safetensors file(path);
  context<cpu> ctx({.threads = 2});
  follow::golden_tensors<TestType> model(ctx, file, {"matrix", "wide", "vector"});
  model.gradients(file, 0);
  const double tolerance = sizeof(TestType) == 8 ? 1e-12 : 1e-5;
  const double norm = global_norm(ctx, parameter_list<TestType>(model));
  for (const auto& [name, most] :
       {std::pair<std::string, double>{"clip1.0", 1}, {"clip0.1", 0.1}, {"clip1000.0", 1000}}) {
    CHECK(norm == Approx(golden::numbers(file, name + "/norm")[0]).epsilon(tolerance));
    for (std::size_t i = 0; i < 3; ++i) {
      const auto clipped = golden::numbers(file, name + "/" + model.names[i]);
      auto& g = model[i].gradients();
      for (index_t j = 0; j < g.size(); ++j)
        CHECK(static_cast<double>(g[j]) * clip_factor(norm, most) ==
              Approx(clipped[static_cast<std::size_t>(j)]).epsilon(tolerance));
    }
  }
}

TEMPLATE_TEST_CASE("clip: the norm of large tensors, the same for all threads", "", double, float) {
  using T = TestType;
  double one_thread = 0;
  for (const int threads : {1, 2, 5}) {
    context<cpu> ctx({.threads = threads});
    follow::some_parameters<T> model;
    double sum = 0;
    for (const index_t size : {index_t{100'003}, index_t{1}, index_t{0}, index_t{32'768},
                               index_t{17}, index_t{65'537}}) {
      const auto g = battery::normals<T>(size, static_cast<std::uint64_t>(size));
      follow::set_gradient(
          model.add(ctx, std::to_string(size), parameter<T>({size}), std::vector<T>(g.size())), g);
      for (const T v : g) sum += static_cast<double>(v) * static_cast<double>(v);
    }
    const double norm = global_norm(ctx, parameter_list<T>(model));
    CHECK(norm == Approx(std::sqrt(sum)).epsilon(sizeof(T) == 8 ? 1e-13 : 1e-6));
    if (threads == 1) one_thread = norm;
    CHECK(norm == one_thread);
  }
}

TEST_CASE("clip: only written gradients under the optimizer's rule count") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  follow::set_gradient(model.add(ctx, "a", parameter<float>({2}), {0, 0}),
                       std::vector<float>{3, 4});
  follow::set_gradient(model.add(ctx, "b", parameter<float>({2}), {0, 0}),
                       std::vector<float>{nan, nan});
  model[1].clear_gradient();
  follow::set_gradient(
      model.add(ctx, "c", parameter<float>({2}, {.update = update_rule::balance}), {0, 0}),
      std::vector<float>{100, 100});
  CHECK(global_norm(ctx, parameter_list<float>(model)) == 5);
  model[0].clear_gradient();
  CHECK(global_norm(ctx, parameter_list<float>(model)) == 0);
}

TEST_CASE("clip: a gradient that is not finite names the parameter and the step") {
  context<cpu> ctx({.threads = 1});
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    follow::some_parameters<float> one;
    follow::set_gradient(one.add(ctx, "fine", parameter<float>({2}), {0, 0}),
                         std::vector<float>{1, 2});
    follow::set_gradient(one.add(ctx, "layers.3.router.weight", parameter<float>({1, 2}), {0, 0}),
                         std::vector<float>{1, bad});
    const parameter_list<float> list(one);
    CHECK(message_of([&] { global_norm(ctx, list, 17); }) ==
          "the gradient of layers.3.router.weight is not finite in step 17");
    CHECK(message_of([&] { global_norm(ctx, list); }) ==
          "the gradient of layers.3.router.weight is not finite");
  }
}

TEST_CASE("clip: floats whose squares overflow are finite") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  follow::set_gradient(model.add(ctx, "a", parameter<float>({2}), {0, 0}),
                       std::vector<float>{3e30f, 4e30f});
  CHECK(global_norm(ctx, parameter_list<float>(model)) == Approx(5e30));
}

TEST_CASE("clip: the factor") {
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(4, 1) == Approx(1 / (4 + 1e-6)).epsilon(1e-15));
  CHECK(clip_factor(0, 1) == 1);
  CHECK(clip_factor(7, std::numeric_limits<double>::infinity()) == 1);
  CHECK(mentions(message_of([] { clip_factor(std::nan(""), 1); }), "a norm of nan"));
  CHECK(mentions(message_of([] { clip_factor(1, 0); }), "down to 0"));
}
