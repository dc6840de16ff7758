// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One of two layers: the bits and the names of the one that is there, in stacks of both.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/either.hpp>
#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>

using namespace dsr1;
using namespace layer_checks;

namespace {

template <class T>
using narrow = feed_forward<feed_forward_shape{.dim = 6, .hidden = 8}, T>;
template <class T>
using affine = linear<linear_shape{.in = 6, .out = 6, .bias = true}, T>;
template <class T>
struct affine_layer : affine<T> {
  index_t dim() const { return this->in(); }
};
template <class T>
using choice = either<narrow<T>, affine_layer<T>>;

}  // namespace

TEST_CASE("either: what every layer must show, whichever is there") {
  check_layer([]<class T>() { return choice<T>(narrow<T>()); }, 6, 6);
  check_layer([]<class T>() { return choice<T>(affine_layer<T>()); }, 6, 6);
  check_layer(
      []<class T>() {
        return repeat<residual<pre_norm<choice<T>>>>(3, [](index_t i) {
          return residual(pre_norm(i == 1 ? choice<T>(narrow<T>()) : choice<T>(affine_layer<T>())));
        });
      },
      6, 6);
}

TEST_CASE("either: the bits and the names of the layer that is there") {
  check_same_bits(choice<float>(narrow<float>()), narrow<float>(), 6, 6);
  check_same_bits(choice<float>(affine_layer<float>()), affine<float>(), 6, 6);
  choice<float> c((narrow<float>()));
  CHECK(c.first() != nullptr);
  CHECK(c.second() == nullptr);
  CHECK(c.dim() == 6);
  CHECK(names(c) == std::vector<std::string>{"up.weight", "down.weight"});
}
