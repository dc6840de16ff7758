// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The options of a context: what they are unless somebody says otherwise.

#include "catch.hpp"

#include <dsr1/backend/options.hpp>

using namespace dsr1;

TEST_CASE("options: all threads and seed zero by default, written by name") {
  constexpr context_options plain;
  static_assert(plain.threads == 0 && plain.seed == 0 &&
                plain.activations == activation_type::exact &&
                plain.products == product_type::exact);
  constexpr context_options given{.threads = 3, .seed = 17};
  static_assert(given.threads == 3 && given.seed == 17);
  CHECK(context_options{.seed = ~std::uint64_t{0}}.seed == ~std::uint64_t{0});
}
