// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Many layers of one kind: gradients, names by number, fixed and dynamic depth, inference in place.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>

using namespace dsr1;
using namespace layer_checks;

namespace {

template <class T>
using block =
    residual<pre_norm<feed_forward<feed_forward_shape{.dim = 6, .hidden = 5, .bias = true}, T>>>;

}  // namespace

TEST_CASE("repeat: what every layer must show") {
  check_layer([]<class T>() { return repeat<block<T>, 3>(); }, 6, 6);
  check_layer([]<class T>() { return repeat<block<T>>(2, [](index_t) { return block<T>(); }); }, 6,
              6);
  check_layer([]<class T>() { return repeat<repeat<block<T>, 1>, 2>(); }, 6, 6);
}

TEST_CASE("repeat: fixed and dynamic depth give the same bits, and those of a sequential") {
  check_same_bits(repeat<block<float>, 3>(),
                  repeat<block<float>>(3, [](index_t) { return block<float>(); }), 6, 6);
  check_same_bits(repeat<block<float>, 2>(), sequential<block<float>, block<float>>(), 6, 6);
}

TEST_CASE("repeat: names begin with the number of the layer") {
  repeat<linear<linear_shape{.in = 2, .out = 2}>, 12> l;
  const auto all = names(l);
  CHECK(all.size() == 12);
  CHECK(all[0] == "0.weight");
  CHECK(all[11] == "11.weight");
  CHECK(l.count() == 12);
}

TEST_CASE("repeat: layers of one type may differ in what their constructors got") {
  repeat<feed_forward<>, 3> l(
      3, [](index_t i) { return feed_forward<>({.dim = 4, .hidden = 2 + i}); });
  index_t total = 0;
  l.for_each_parameter([&](const parameter_name&, auto& p) { total += p.size(); });
  CHECK(total == 3 * 4 * (2 + 3 + 4));
  CHECK(l[2].dim() == 4);
}

TEST_CASE("repeat: inference needs no more memory for more layers, training does") {
  const auto peak = [](index_t depth, bool inference) {
    context<cpu> ctx({.threads = 1});
    repeat<block<float>> l(depth, [](index_t) { return block<float>(); });
    initialize(ctx, l);
    ctx.inference(inference);
    const auto x = battery::normals<float>(4000 * 6, 1);
    repeat<block<float>>::saved s;
    l.forward(ctx, battery::matrix_of(x, 4000, 6), s);
    return ctx.workspace().peak_bytes();
  };
  CHECK(peak(8, true) == peak(2, true));
  CHECK(peak(8, false) > 2 * peak(2, false));
}

TEST_CASE("repeat: errors") {
  using fixed = repeat<block<float>, 3>;
  const auto make = [](index_t) { return block<float>(); };
  CHECK(mentions(message_of([&] { fixed l(4, make); }), "repeat: layers is 4", "fixes it to 3"));
  CHECK(
      mentions(message_of([&] { repeat<block<float>> l(0, make); }), "layers is 0", "at least 1"));
  CHECK(fixed(dynamic, make).count() == 3);
  context<cpu> ctx({.threads = 1});
  fixed l;
  initialize(ctx, l);
  fixed::saved s;
  const std::vector<float> dy(12);
  CHECK(message_of([&] { l.backward(ctx, battery::matrix_of(dy, 2, 6), s); }) ==
        "repeat: backward before forward");
  static_assert(!std::is_default_constructible_v<repeat<block<float>>>,
                "a dynamic depth must be given");
}
