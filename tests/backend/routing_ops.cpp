// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of routing, and what a gate must have.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/routing_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void route(A&&...) {}
  template <class... A>
  static void route_backward(A&&...) {}
  template <class... A>
  static void affinities(A&&...) {}
  template <class... A>
  static void affinities_backward(A&&...) {}
  template <class... A>
  static void log_sum_exp(A&&...) {}
  template <class... A>
  static void log_sum_exp_backward(A&&...) {}
  template <class... A>
  static void count_experts(A&&...) {}
  template <class... A>
  static void limit_capacity(A&&...) {}
  template <class... A>
  static void sort_by_expert(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_route : complete {
  static void route() {}
};
struct without_route_backward : complete {
  static void route_backward() {}
};
struct without_affinities : complete {
  static void affinities() {}
};
struct without_affinities_backward : complete {
  static void affinities_backward() {}
};
struct without_log_sum_exp : complete {
  static void log_sum_exp() {}
};
struct without_log_sum_exp_backward : complete {
  static void log_sum_exp_backward() {}
};
struct without_count_experts : complete {
  static void count_experts() {}
};
struct without_limit_capacity : complete {
  static void limit_capacity() {}
};
struct without_sort_by_expert : complete {
  static void sort_by_expert() {}
};

template <class Backend>
constexpr bool fits = routing_ops<context<Backend>, float> && routing_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_route>);
static_assert(!fits<without_route_backward>);
static_assert(!fits<without_affinities>);
static_assert(!fits<without_affinities_backward>);
static_assert(!fits<without_log_sum_exp>);
static_assert(!fits<without_log_sum_exp_backward>);
static_assert(!fits<without_count_experts>);
static_assert(!fits<without_limit_capacity>);
static_assert(!fits<without_sort_by_expert>);

/// A gate of one's own derives nothing: four functions are enough.
struct first_expert {
  template <class T>
  void route(std::span<const T>, std::span<const T>, std::span<std::int32_t> index,
             std::span<T> weight, std::span<T>) const {
    index[0] = 0;
    weight[0] = T(1);
  }
  template <class T>
  void route_backward(std::span<const T>, std::span<const T>, std::span<const std::int32_t>,
                      std::span<const T>, std::span<const T>, std::span<T>, std::span<T>) const {}
  template <class T>
  void affinities(std::span<const T>, std::span<T>) const {}
  template <class T>
  void affinities_backward(std::span<const T>, std::span<const T>, std::span<const T>, std::span<T>,
                           std::span<T>) const {}
};
static_assert(gate_policy<first_expert, float> && gate_policy<first_expert, double>);
static_assert(gate_policy<any_gate, double>);

struct gate_that_changes : first_expert {
  template <class T>
  void route(std::span<const T>, std::span<const T>, std::span<std::int32_t>, std::span<T>,
             std::span<T>) {}
};
struct gate_without_affinities : first_expert {
  void affinities() const {}
};
static_assert(!gate_policy<gate_that_changes, float>, "a gate is asked by many threads at once");
static_assert(!gate_policy<gate_without_affinities, float>);
static_assert(!gate_policy<int, float>);

}  // namespace

TEST_CASE("routing_ops: a gate chooses from the logits of one token") {
  const float logits[] = {1, 2};
  std::int32_t index[] = {7};
  float weight[] = {0}, scratch[4];
  const first_expert gate;
  gate.route(std::span<const float>(logits), std::span<const float>(),
             std::span<std::int32_t>(index), std::span<float>(weight), std::span<float>(scratch));
  CHECK(index[0] == 0);
  CHECK(weight[0] == 1);
}
