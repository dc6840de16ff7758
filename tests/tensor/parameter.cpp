// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Parameters: names, traits, memory, the flag that clears a gradient, errors before allocation.

#include <string>

#include "catch.hpp"
#include "tensor/counting_memory.hpp"

#include <dsr1/tensor/parameter.hpp>

using namespace dsr1;

TEST_CASE("parameter: names are chains of segments and numbers") {
  const parameter_name weight("weight"), router("router", weight), moe("moe", router);
  const parameter_name third(index_t{3}, moe), layers("layers", third);
  CHECK(weight.str() == "weight");
  CHECK(layers.str() == "layers.3.moe.router.weight");
  CHECK(parameter_name(index_t{0}, weight).str() == "0.weight");
  CHECK(parameter_name(index_t{12}, parameter_name(index_t{0}, weight)).str() == "12.0.weight");
}

TEST_CASE("parameter: extents and traits are known before there is memory") {
  const parameter<float> p({4, 3, 2}, {.init = initial::normal(0.5),
                                       .update = update_rule::balance,
                                       .per_expert = true,
                                       .rate = 2});
  CHECK(p.rank() == 3);
  CHECK(p.size() == 24);
  CHECK(p.extent(1) == 3);
  CHECK_FALSE(p.allocated());
  CHECK_FALSE(p.trainable());
  CHECK(p.traits().init.distribution == initial::kind::normal);
  CHECK(p.traits().init.deviation == 0.5);
  CHECK(p.traits().update == update_rule::balance);
  CHECK(p.traits().per_expert);
  CHECK_FALSE(p.traits().counts_load);
  CHECK(p.traits().rate == 2);
  const parameter<float> plain({2});
  CHECK(plain.traits().init.distribution == initial::kind::zeros);
  CHECK(plain.traits().update == update_rule::optimizer);
  CHECK(plain.traits().rate == 1);
  CHECK(initial::ones().distribution == initial::kind::ones);
  CHECK(parameter<float>().size() == 0);
  CHECK(parameter<float>().rank() == 0);
}

TEST_CASE("parameter: memory for the value, and for the gradient when it will be trained") {
  counting_memory memory;
  parameter<double> p({2, 3});
  p.allocate(memory, true);
  CHECK(memory.live_bytes == 2 * 6 * sizeof(double));
  CHECK(p.allocated());
  CHECK(p.trainable());
  p.value<2>()(1, 2) = 5;
  p.gradient<2>()(0, 1) = 7;
  CHECK(p.values()[5] == 5);
  CHECK(p.gradients()[1] == 7);
  const parameter<double>& read = p;
  CHECK(read.value<2>()(1, 2) == 5);
  static_assert(std::is_same_v<decltype(read.value<2>()), view<const double, 2>>);
  p.allocate(memory, false);  // again, to infer only: the gradient's memory goes back
  CHECK(memory.live_bytes == 6 * sizeof(double));
  CHECK_FALSE(p.trainable());
  CHECK(p.gradients().size() == 0);
}

TEST_CASE("parameter: the first gradient replaces, later ones add, until it is cleared") {
  parameter<float> p({2});
  p.allocate(host_memory::instance(), true);
  CHECK_FALSE(p.gradient_written());
  CHECK(p.next_gradient() == accumulate::no);
  CHECK(p.gradient_written());
  CHECK(p.next_gradient() == accumulate::yes);
  CHECK(p.next_gradient() == accumulate::yes);
  p.clear_gradient();
  CHECK_FALSE(p.gradient_written());
  CHECK(p.next_gradient() == accumulate::no);
  p.allocate(host_memory::instance(), true);  // new memory is not written
  CHECK_FALSE(p.gradient_written());
}

TEST_CASE("parameter: misuse is an error that says what to do") {
  parameter<float> p({2, 3});
  CHECK(message_of([&] { p.value<2>(); }) ==
        "this parameter has no memory yet; call dsr1::initialize first");
  CHECK(mentions(message_of([&] { p.gradient<2>(); }), "without a gradient"));
  CHECK(message_of([&] { p.value<1>(); }) == "a parameter of rank 2 used as one of rank 1");
  p.allocate(host_memory::instance(), false);
  CHECK(mentions(message_of([&] { p.gradient<2>(); }), "without a gradient"));
  CHECK(mentions(message_of([&] { p.value<3>(); }), "rank 2", "rank 3"));
  CHECK(mentions(message_of([] { parameter<float> q({1, 2, 3, 4, 5}); }), "rank 5", "1 to 4"));
  CHECK(mentions(message_of([] { parameter<float> q(std::initializer_list<index_t>{}); }), "rank 0",
                 "1 to 4"));
  CHECK(mentions(message_of([] {
                   parameter<float> q({3, -2});
                 }),
                 "extent of -2", "none below zero"));
  CHECK(mentions(message_of([] {
                   parameter<float> q({index_t{1} << 40, index_t{1} << 40});
                 }),
                 "too many elements", "1099511627776"));
}

TEST_CASE("parameter: one without elements needs no memory") {
  parameter<float> p({0, 5});
  CHECK(p.size() == 0);
  CHECK(p.allocated());
  p.allocate(host_memory::instance(), true);
  CHECK(p.value<2>().empty());
  CHECK(p.gradient<2>().columns() == 5);
}

namespace {

/// Codes of matrices [matrices, rows, columns] without scales, all zero.
coded_tensor plain_codes(index_t matrices, index_t rows, index_t columns) {
  auto memory = std::make_shared<buffer<std::byte>>(matrices * rows * columns * 2 + 1);
  coded_tensor w{.type = coding::bf16, .matrices = matrices, .rows = rows, .columns = columns};
  for (index_t m = 0; m < matrices; ++m)
    w.parts.push_back({memory->data() + m * rows * columns * 2, nullptr, rows});
  w.owners.push_back(memory);
  return w;
}

}  // namespace

TEST_CASE("parameter: codes take the place of the value, and a value that of codes") {
  counting_memory memory;
  parameter<float> p({4, 3, 2}, {.may_be_coded = true});
  CHECK(p.coded() == nullptr);
  p.allocate(memory, true);
  p.hold(plain_codes(4, 3, 2));
  REQUIRE(p.coded() != nullptr);
  CHECK(p.coded()->text() == "bf16 [4, 3, 2]");
  CHECK(p.allocated());
  CHECK_FALSE(p.trainable());
  CHECK(memory.live_bytes == 0);
  CHECK(mentions(message_of([&] { p.value<3>(); }), "stored as bf16 [4, 3, 2]",
                 "numbers are needed"));
  CHECK(mentions(message_of([&] { p.gradient<3>(); }), "without a gradient"));
  p.allocate(memory, false);
  CHECK(p.coded() == nullptr);
  CHECK(p.value<3>().size() == 24);
}

TEST_CASE("parameter: codes that do not fit are refused and change nothing") {
  parameter<float> p({3, 2}, {.may_be_coded = true}), plain({3, 2});
  CHECK(mentions(message_of([&] { plain.hold(plain_codes(1, 3, 2)); }), "as plain numbers",
                 "bf16 [3, 2]"));
  CHECK(mentions(message_of([&] { p.hold(plain_codes(1, 2, 3)); }), "bf16 [2, 3]", "6 elements",
                 "2 columns"));
  CHECK(mentions(message_of([&] { p.hold(plain_codes(2, 3, 2)); }), "bf16 [2, 3, 2]"));
  coded_tensor broken = plain_codes(1, 3, 2);
  broken.parts[0].rows = 2;
  CHECK(mentions(message_of([&] { p.hold(broken); }), "parts of matrix 0 have 2 rows"));
  CHECK(p.coded() == nullptr);
  p.hold(plain_codes(1, 3, 2));
  CHECK(p.coded() != nullptr);
}
