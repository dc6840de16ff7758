// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// First values by name and seed, gradients cleared by a flag, parameters counted.

#include <map>

#include "nn/layer_checks.hpp"

#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>

using namespace dsr1;

namespace {

using block =
    residual<pre_norm<feed_forward<feed_forward_shape{.dim = 6, .hidden = 40, .bias = true}>>>;

template <class Layer>
std::map<std::string, std::vector<float>> values(Layer& layer) {
  std::map<std::string, std::vector<float>> out;
  layer.for_each_parameter([&](const parameter_name& name, auto& p) {
    out[name.str()] = {p.values().begin(), p.values().end()};
  });
  return out;
}

template <class Layer>
std::map<std::string, std::vector<float>> initialized(Layer layer, context_options options) {
  context<cpu> ctx(options);
  initialize(ctx, layer);
  return values(layer);
}

/// A layer with a parameter of each kind.
struct kinds {
  using number = float;
  parameter<float> dense{{4, 6}}, expert{{8, 2, 3}, {.per_expert = true}},
      bias{{8}, {.update = update_rule::balance, .counts_load = true}};
  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("dense"), dense);
    visitor(parameter_name("expert"), expert);
    visitor(parameter_name("bias"), bias);
  }
};

}  // namespace

TEST_CASE("initialize: values depend on seed, name and position, not on threads or neighbours") {
  const auto a = initialized(repeat<block, 3>(), {.threads = 1, .seed = 5}),
             b = initialized(repeat<block, 3>(), {.threads = 3, .seed = 5});
  const auto deeper = initialized(repeat<block, 4>(), {.threads = 1, .seed = 5}),
             other = initialized(repeat<block, 3>(), {.threads = 1, .seed = 6});
  CHECK(a == b);
  CHECK(a != other);
  for (const auto& [name, v] : a)
    CHECK(deeper.at(name) == v);  // one more layer moves no other stream
  CHECK(a.at("0.up.weight") != a.at("1.up.weight"));
}

TEST_CASE("initialize: each value is the stream of its name, times the deviation") {
  context<cpu> ctx({.threads = 1, .seed = 9});
  block l;
  initialize(ctx, l);
  l.for_each_parameter([](const parameter_name& name, auto& p) {
    const auto& init = p.traits().init;
    const random_stream stream(9, stream_of(name.str()));
    for (index_t i = 0; i < p.size(); ++i) {
      const double expected = init.distribution == initial::kind::normal
                                  ? init.deviation * stream.normal(static_cast<std::uint64_t>(i))
                                  : init.distribution == initial::kind::ones;
      REQUIRE(p.values()[i] == static_cast<float>(expected));
    }
    CHECK(p.trainable());
    CHECK_FALSE(p.gradient_written());
  });
}

TEST_CASE("initialize: without gradients a layer can only infer") {
  context<cpu> ctx({.threads = 1});
  block l;
  initialize(ctx, l, false);
  l.for_each_parameter([](const parameter_name&, auto& p) {
    CHECK(p.allocated());
    CHECK_FALSE(p.trainable());
  });
}

TEST_CASE("initialize: gradients are cleared by a flag, for all parameters") {
  context<cpu> ctx({.threads = 1});
  block l;
  initialize(ctx, l);
  l.for_each_parameter([](const parameter_name&, auto& p) { p.next_gradient(); });
  clear_gradients(l);
  l.for_each_parameter(
      [](const parameter_name&, auto& p) { CHECK(p.next_gradient() == accumulate::no); });
}

TEST_CASE(
    "initialize: parameters are counted without memory, active ones by the experts that work") {
  kinds l;
  const auto two = count_parameters(l, 2), many = count_parameters(l, 100);
  CHECK(two.total == 24 + 48);  // what the balancer moves is not trained
  CHECK(two.active == 24 + 2 * 6);
  CHECK(many.active == many.total);
  CHECK_FALSE(l.dense.allocated());
}
