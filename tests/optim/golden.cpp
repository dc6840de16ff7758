// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Optimizers, clipping and schedules against the values of the reference implementations.

#include "battery/context.hpp"
#include "golden.hpp"

#include <dsr1/io/json.hpp>
#include <dsr1/optim/adamw.hpp>
#include <dsr1/optim/clip.hpp>
#include <dsr1/optim/muon.hpp>
#include <dsr1/optim/schedule.hpp>
#include <dsr1/optim/sgd.hpp>
#include <dsr1/testing/compare.hpp>

using namespace dsr1;

namespace {

/// Some parameters without a layer around them.
template <class T>
struct tensors_of_file {
  std::vector<std::string> names;
  std::vector<parameter<T>> all;

  tensors_of_file(context<cpu>& ctx, const safetensors& file, const std::vector<std::string>& which) : names(which) {
    for (const std::string& name : names) {
      const auto& shape = file.at("init/" + name).shape;
      all.push_back(shape.size() == 2 ? parameter<T>({shape[0], shape[1]}) : parameter<T>({shape[0]}));
      all.back().allocate(ctx.memory(), true);
      file.at("init/" + name).copy_to(all.back().values().data());
    }
  }
  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    for (std::size_t i = 0; i < all.size(); ++i) visitor(parameter_name(names[i]), all[i]);
  }
  void gradients(const safetensors& file, index_t step) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto g = golden::numbers(file, "grads/" + names[i]);
      all[i].next_gradient();
      for (index_t j = 0; j < all[i].size(); ++j)
        all[i].gradients()[j] = static_cast<T>(g[static_cast<std::size_t>(step * all[i].size() + j)]);
    }
  }
};

template <class T, class Policy>
void follow(const std::string& config, double rate, Policy policy, double tolerance,
            std::vector<std::string> which = {"matrix", "wide", "vector"},
            const std::vector<std::string>& states = {}) {
  const auto path = golden::path(sizeof(T) == 8 ? "optim/optim_f64.safetensors" : "optim/optim_f32.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  context<cpu> ctx({.threads = 2});
  tensors_of_file<T> model(ctx, file, which);
  const parameter_list<T> list(model);
  optimizer<Policy, T> opt(ctx, list, policy);
  for (index_t step = 0; step < 20; ++step) {
    model.gradients(file, step);
    opt.step(ctx, rate);
    for (std::size_t i = 0; i < which.size(); ++i) {
      const auto expected = golden::numbers(file, config + "/" + which[i]);
      const auto d = testing::compare(model.all[i].values().data(), expected.data() + step * model.all[i].size(),
                                      model.all[i].size());
      INFO(config << " " << which[i] << " step " << step << " difference " << d.absolute);
      REQUIRE(d.absolute <= tolerance);
    }
  }
  for (std::size_t s = 0; s < states.size(); ++s)
    opt.for_each_state([&](const std::string& name, auto& buffer) {
      for (const std::string& tensor : which) {
        if (name != tensor + "." + std::to_string(s)) continue;
        const auto expected = golden::numbers(file, config + "/" + tensor + "/state/" + states[s]);
        CHECK(testing::compare(buffer.data(), expected.data(), buffer.size()).relative() <= tolerance);
      }
    });
}

const weight_decay all_decay = {.value = 0.1, .vectors = true};

}  // namespace

TEMPLATE_TEST_CASE("golden: AdamW", "[golden]", double, float) {
  const double tolerance = sizeof(TestType) == 8 ? 1e-13 : 3e-6;
  follow<TestType>("adamw", 1e-2, adamw{.beta2 = 0.95, .weight_decay = all_decay}, tolerance,
                   {"matrix", "wide", "vector"}, {"exp_avg", "exp_avg_sq"});
  follow<TestType>("adamw_eps", 3e-3, adamw{.beta2 = 0.999, .eps = 1e-3, .weight_decay = {}}, tolerance);
}

TEMPLATE_TEST_CASE("golden: SGD", "[golden]", double, float) {
  const double tolerance = sizeof(TestType) == 8 ? 1e-12 : 2e-4;  // step 12 is a spike of thousands
  follow<TestType>("sgd", 1e-2, sgd{}, tolerance);
  follow<TestType>("sgd_momentum", 1e-2, sgd{.momentum = 0.9, .weight_decay = {.value = 0.01, .vectors = true}},
                   tolerance, {"matrix", "wide", "vector"}, {"momentum_buffer"});
  follow<TestType>("sgd_nesterov", 1e-2, sgd{.momentum = 0.9, .nesterov = true}, tolerance);
  follow<TestType>("sgd_dampening", 1e-2, sgd{.momentum = 0.9, .dampening = 0.3}, tolerance);
}

TEMPLATE_TEST_CASE("golden: Muon in full precision", "[golden]", double, float) {
  const double tolerance = sizeof(TestType) == 8 ? 1e-11 : 2e-4;
  follow<TestType>("muon_exact", 2e-2, muon{.weight_decay = all_decay}, tolerance, {"matrix", "wide"},
                   {"momentum_buffer"});
}

TEST_CASE("golden: Muon as torch has it, whose iteration runs in bfloat16", "[golden]") {
  follow<double>("muon", 2e-2, muon{.weight_decay = all_decay}, 2e-2, {"matrix", "wide"});
  follow<double>("muon_match_rms", 2e-2, muon{.scale = muon_scale::match_rms, .weight_decay = all_decay}, 2e-2,
                 {"matrix", "wide"});
  follow<double>("muon_plain", 2e-2, muon{.momentum = 0.9, .nesterov = false, .weight_decay = {}}, 2e-2,
                 {"matrix", "wide"});
}

TEMPLATE_TEST_CASE("golden: Newton-Schulz", "[golden]", double, float) {
  const auto path = golden::path(sizeof(TestType) == 8 ? "optim/optim_f64.safetensors" : "optim/optim_f32.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  context<cpu> ctx({.threads = 1});
  for (const std::string name : {"matrix", "wide"}) {
    const auto& shape = file.at("newton_schulz/" + name).shape;
    std::vector<TestType> x(static_cast<std::size_t>(file.at("grads/" + name).size()));
    file.at("grads/" + name).copy_to(x.data());
    newton_schulz(ctx, view<TestType, 2>(x.data(), shape[0], shape[1]));
    const auto expected = golden::numbers(file, "newton_schulz/" + name);
    CHECK(testing::compare(x.data(), expected.data(), static_cast<index_t>(expected.size())).absolute <
          (sizeof(TestType) == 8 ? 1e-12 : 1e-5));
  }
}

TEMPLATE_TEST_CASE("golden: clipping by the global norm", "[golden]", double, float) {
  const auto path = golden::path(sizeof(TestType) == 8 ? "optim/optim_f64.safetensors" : "optim/optim_f32.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  context<cpu> ctx({.threads = 2});
  tensors_of_file<TestType> model(ctx, file, {"matrix", "wide", "vector"});
  model.gradients(file, 0);
  const parameter_list<TestType> list(model);
  const double tolerance = sizeof(TestType) == 8 ? 1e-13 : 1e-5, norm = global_norm(ctx, list);
  for (const auto& [name, most] : std::vector<std::pair<std::string, double>>{{"clip1.0", 1}, {"clip0.1", 0.1}, {"clip1000.0", 1000}}) {
    CHECK(norm == Approx(golden::numbers(file, name + "/norm")[0]).epsilon(tolerance));
    const auto clipped = golden::numbers(file, name + "/wide");
    for (std::size_t i = 0; i < clipped.size(); ++i)
      CHECK(static_cast<double>(model.all[1].gradients()[static_cast<index_t>(i)]) * clip_factor(norm, most) ==
            Approx(clipped[i]).epsilon(tolerance));
  }
}

TEST_CASE("golden: schedules", "[golden]") {
  const auto path = golden::path("optim/schedules.json");
  if (path.empty()) return;
  const auto all = json_object::read(path).object("schedules");
  const auto warmup = all.get<index_t>("warmup"), total = all.get<index_t>("total"), decay = all.get<index_t>("decay");
  schedule s{.warmup = warmup, .total = total, .decay = decay, .half_life = 4, .from = warmup_from::zero};
  const auto check = [&](const std::string& name, schedule_shape shape, double smallest = 0, warmup_from from = warmup_from::zero) {
    s.shape = shape;
    s.smallest = smallest;
    s.from = from;
    const auto expected = all.object("multipliers").get<std::vector<double>>(name);
    for (std::size_t t = 0; t < expected.size(); ++t) {
      INFO(name << " at " << t);
      CHECK(s(static_cast<index_t>(t)) == Approx(expected[t]).margin(1e-12));
    }
  };
  check("cosine", schedule_shape::cosine);
  check("cosine_min0p1", schedule_shape::cosine, 0.1);
  check("cosine_warmup_from_one", schedule_shape::cosine, 0, warmup_from::one);
  check("linear", schedule_shape::linear);
  check("wsd_linear", schedule_shape::wsd_linear);
  check("wsd_sqrt", schedule_shape::wsd_sqrt);
  check("wsd_exp", schedule_shape::wsd_exponential);
  check("inverse_sqrt", schedule_shape::inverse_sqrt);
}
