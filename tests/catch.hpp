// Catch2, version 2 or 3, and how our tests ask for an error message.
#pragma once

#if DSR1_CATCH2_VERSION == 2
#include <catch2/catch.hpp>
#else
#include <catch2/catch_all.hpp>
using Catch::Approx;
#endif

#include <string>

#include <dsr1/core/error.hpp>

/// The message of the dsr1::error that f throws; fails the test when it throws none.
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const dsr1::error& e) {
    return e.what();
  }
  FAIL("no dsr1::error was thrown");
  return {};
}

/// True when `text` contains every one of the parts.
template <class... Parts>
bool mentions(const std::string& text, const Parts&... parts) {
  INFO(text);
  const bool all = ((text.find(parts) != std::string::npos) && ...);
  if (!all) WARN("message was: " << text);
  return all;
}
