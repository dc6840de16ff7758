// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A source position is that of the caller, also through several default arguments.

#include <string_view>

#include "catch.hpp"

#include <dsr1/core/where.hpp>

using namespace dsr1;

namespace {

where outer(where at = where::current()) { return at; }

}  // namespace

TEST_CASE("where: the line and file of the call") {
  const int line = __LINE__;
  const where a = where::current();
  const where b = outer();
  CHECK(a.line == line + 1);
  CHECK(b.line == line + 2);
  CHECK(std::string_view(a.file).ends_with("where.cpp"));
  CHECK(std::string_view(b.file).ends_with("where.cpp"));
}

TEST_CASE("where: by default nowhere, and usable in constant expressions") {
  constexpr where nowhere;
  static_assert(nowhere.line == 0);
  constexpr where here = where::current();
  static_assert(here.line > 0);
  CHECK(std::string_view(nowhere.file).empty());
}
