// Catch2, version 2 or 3, and how our tests ask for an error message.
#pragma once

#if DSR1_CATCH2_VERSION == 2
#include <catch2/catch.hpp>
#else
#include <catch2/catch_all.hpp>
using Catch::Approx;
#endif

#include <ostream>
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

/// A text, and whether it contains what was asked for; a failing CHECK of it prints the text. Calls
/// nothing of Catch2, so that threads may use it.
struct mention {
  std::string text;
  bool found;
  operator bool() const { return found; }
  friend std::ostream& operator<<(std::ostream& out, const mention& m) {
    return out << (m.found ? "found in: " : "not all found in: ") << m.text;
  }
};

/// Whether `text` contains every one of the parts.
template <class... Parts>
mention mentions(const std::string& text, const Parts&... parts) {
  return {text, ((text.find(parts) != std::string::npos) && ...)};
}
