// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which instruction set is chosen, and how the environment overrides it.

#include "cpu/isa_guard.hpp"

using namespace dsr1;

TEST_CASE("isa: names") {
  static_assert(name_of(isa::generic) == "generic");
  static_assert(name_of(isa::avx2) == "avx2");
  static_assert(name_of(isa::avx512) == "avx512");
  static_assert(isa::generic < isa::avx2 && isa::avx2 < isa::avx512,
                "ordered: a better one includes the lesser ones");
}

TEST_CASE("isa: the best one, unless the environment names another") {
  {
    const isa_guard none("");
    CHECK(chosen_isa() == best_isa());
  }
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    CHECK(chosen_isa() == which);
  }
}

TEST_CASE("isa: names that are unknown, and sets that the processor lacks, are errors") {
  for (const char* wrong : {"sse", "AVX2", "avx2 ", "avx5120"}) {
    const isa_guard guard{std::string(wrong)};
    CHECK(message_of([] { chosen_isa(); }) ==
          text("DSR1_ISA is ", wrong, ", expected generic, avx2 or avx512"));
  }
  if (best_isa() < isa::avx512) {
    const isa_guard guard(isa::avx512);
    CHECK(mentions(message_of([] { chosen_isa(); }), "DSR1_ISA is avx512", "at most",
                   std::string(name_of(best_isa()))));
  }
}
