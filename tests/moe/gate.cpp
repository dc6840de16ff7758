// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gates against the routers of the published models, at their real numbers of experts.

#include <algorithm>
#include <limits>
#include <numeric>

#include "battery/context.hpp"
#include "golden.hpp"

#include <dsr1/moe/gate.hpp>

using namespace dsr1;

namespace {

template <class T>
struct routed {
  index_t tokens, k;
  std::vector<std::int32_t> index;
  std::vector<T> weight;
};

template <class T, class Gate>
routed<T> route(const Gate& gate, const safetensors& file, const std::string& name,
                const std::string& bias_of = {}, const std::string& answer = "") {
  context<cpu> ctx({.threads = 2});
  const auto& shape = file.at(name + ".logits").shape;
  std::vector<T> logits(static_cast<std::size_t>(shape[0] * shape[1])), bias;
  file.at(name + ".logits").copy_to(logits.data());
  if (!bias_of.empty()) {
    bias.resize(static_cast<std::size_t>(shape[1]));
    file.at(bias_of + ".bias").copy_to(bias.data());
  }
  const index_t k = file.at(name + "." + answer + "index").shape[1];
  routed<T> r{shape[0], k, std::vector<std::int32_t>(static_cast<std::size_t>(shape[0] * k)),
              std::vector<T>(static_cast<std::size_t>(shape[0] * k))};
  cpu::route(ctx, gate, view<const T, 2>(logits.data(), shape[0], shape[1]),
             view<const T, 1>(bias.data(), bias.size()),
             view<std::int32_t, 2>(r.index.data(), r.tokens, k),
             view<T, 2>(r.weight.data(), r.tokens, k));
  return r;
}

/// Sorts each token's choices by weight, descending, as the files do.
template <class T>
void sort_by_weight(routed<T>& r) {
  for (index_t t = 0; t < r.tokens; ++t) {
    std::vector<std::size_t> order(static_cast<std::size_t>(r.k));
    std::iota(order.begin(), order.end(), static_cast<std::size_t>(t * r.k));
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return r.weight[a] > r.weight[b]; });
    auto index = r.index;
    auto weight = r.weight;
    for (std::size_t j = 0; j < order.size(); ++j) {
      index[static_cast<std::size_t>(t * r.k) + j] = r.index[order[j]];
      weight[static_cast<std::size_t>(t * r.k) + j] = r.weight[order[j]];
    }
    r.index = index;
    r.weight = weight;
  }
}

template <class Gate>
void check(const Gate& gate, const std::string& name, const std::string& bias_of = {},
           bool sorted = true) {
  const auto path = golden::path("models/routers/golden.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  const auto index = golden::numbers(file, name + ".index"),
             weight = golden::numbers(file, name + ".weight");
  const auto same = [&](auto r, double tolerance) {
    if (sorted) sort_by_weight(r);
    for (std::size_t i = 0; i < index.size(); ++i) {
      INFO(name << " choice " << i);
      REQUIRE(r.index[i] == static_cast<std::int32_t>(index[i]));
      REQUIRE(static_cast<double>(r.weight[i]) ==
              Approx(weight[i]).epsilon(tolerance).margin(1e-30));
    }
  };
  same(route<float>(gate, file, name, bias_of), 2e-5);
  same(route<double>(gate, file, name, bias_of), 2e-5);  // the file holds floats
}

}  // namespace

TEST_CASE("golden: gpt-oss, top-4 of 128 logits, softmax over those", "[golden]") {
  check(top_k_softmax_gate{}, "gpt_oss");
  check(softmax_gate{}, "gpt_oss");  // the same mathematics
}

TEST_CASE("golden: Mixtral and Qwen3-MoE, softmax, top-k, renormalised", "[golden]") {
  check(softmax_gate{}, "mixtral");
  check(softmax_gate{}, "qwen3_moe");
}

TEST_CASE("golden: DeepSeek-V3, sigmoid, bias, 4 of 8 groups", "[golden]") {
  check(sigmoid_gate{.scale = 2.5, .groups = 8, .top_groups = 4}, "deepseek_v3", "deepseek_v3");
}

TEST_CASE("golden: DeepSeek-V3, groups masked with minus infinity", "[golden]") {
  check(sigmoid_gate{.scale = 2.5, .groups = 8, .top_groups = 4}, "mask", "mask");
}

TEST_CASE("golden: DeepSeek-V3, all scores near underflow", "[golden]") {
  check(sigmoid_gate{.scale = 2.5, .epsilon = 1e-20, .groups = 8, .top_groups = 4}, "underflow",
        "deepseek_v3");
}

TEST_CASE("golden: DeepSeek-V2, softmax, 3 of 8 groups by their best, not renormalised",
          "[golden]") {
  check(softmax_gate{.normalize = false,
                     .scale = 16,
                     .groups = 8,
                     .top_groups = 3,
                     .group_rule = group_score::best},
        "deepseek_v2");
}

TEST_CASE("golden: ties go to the lowest index", "[golden]") {
  check(top_k_softmax_gate{}, "ties", {}, false);
}

TEST_CASE("gate: the example of the mask trap, to six digits") {
  const std::vector<double> logits = {2, -1, -3, .5, 1.5, 0, -.5, -2},
                            bias = {-.9, -.95, -.9, -.9, -.3, -.9, -.9, -.9};
  std::vector<std::int32_t> index(3);
  std::vector<double> weight(3), scratch(16);
  sigmoid_gate{.scale = 2.5, .groups = 2, .top_groups = 1}.route(
      std::span<const double>(logits), std::span<const double>(bias), std::span(index),
      std::span(weight), std::span(scratch));
  CHECK(index == std::vector<std::int32_t>{4, 5, 6});
  CHECK(weight[0] == Approx(1.20578).epsilon(1e-5));
  CHECK(weight[1] == Approx(.737413).epsilon(1e-5));
  CHECK(weight[2] == Approx(.556807).epsilon(1e-5));
}

TEST_CASE("gate: scores that underflow to zero give finite weights") {
  const std::vector<float> logits(8, -500), bias;
  std::vector<std::int32_t> index(2);
  std::vector<float> weight(2), scratch(16), dlogits(8), dweight(2, 1);
  const sigmoid_gate gate;
  gate.route(std::span<const float>(logits), std::span<const float>(bias), std::span(index),
             std::span(weight), std::span(scratch));
  CHECK(index == std::vector<std::int32_t>{0, 1});
  gate.route_backward(std::span<const float>(logits), std::span<const float>(bias),
                      std::span<const std::int32_t>(index), std::span<const float>(weight),
                      std::span<const float>(dweight), std::span(dlogits), std::span(scratch));
  for (const float w : weight) CHECK(std::isfinite(w));
  for (const float d : dlogits) CHECK(std::isfinite(d));
}

TEST_CASE("gate: a bias that weighs") {
  const std::vector<double> logits = {1, 2, 3, 0}, bias = {5, 0, 0, 0};
  std::vector<std::int32_t> index(2);
  std::vector<double> chooses(2), weighs(2), scratch(8);
  const auto go = [&](bool weigh, std::vector<double>& weight) {
    top_k_softmax_gate{.weigh_with_bias = weigh}.route(
        std::span<const double>(logits), std::span<const double>(bias), std::span(index),
        std::span(weight), std::span(scratch));
    CHECK(index == std::vector<std::int32_t>{0, 2});
  };
  go(false, chooses);
  go(true, weighs);
  CHECK(chooses[0] == Approx(1 / (1 + std::exp(2.0))));
  CHECK(weighs[0] == Approx(1 / (1 + std::exp(-3.0))));
}
