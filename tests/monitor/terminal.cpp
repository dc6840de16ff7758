// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a terminal is told, and how numbers are shortened.

#include <unistd.h>

#include <limits>

#include "catch.hpp"

#include <dsr1/monitor/terminal.hpp>

using namespace dsr1;

TEST_CASE("terminal_of: a pipe is a log file") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const terminal t = terminal_of(ends[1]);
  CHECK_FALSE(t.interactive);
  CHECK(t.colours == 0);
  CHECK(t.columns == 100);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK_FALSE(terminal_of(-1).interactive);
}

TEST_CASE("colour_code: 24 bits, 256 colours, none") {
  CHECK(colour_code({.colours = 1 << 24}, 38, {1, 20, 255}) == "\x1b[38;2;1;20;255m");
  CHECK(colour_code({.colours = 256}, 48, {255, 0, 0}) == "\x1b[48;5;196m");
  CHECK(colour_code({.colours = 256}, 48, {255, 255, 255}) == "\x1b[48;5;231m");
  CHECK(colour_code({.colours = 256}, 48, {0, 0, 0}) == "\x1b[48;5;16m");
  CHECK(colour_code({}, 48, {1, 2, 3}).empty());
  CHECK(colour_end({}).empty());
  CHECK(colour_end({.colours = 256}) == "\x1b[0m");
}

TEST_CASE("display_width and display_head: characters, not bytes") {
  CHECK(display_width("gr\xC3\xBC\xC3\x9F") == 4);
  CHECK(display_head("gr\xC3\xBC\xC3\x9F", 3) == "gr\xC3\xBC");
  CHECK(display_head("abc", 9) == "abc");
  CHECK(display_head("abc", 0).empty());
  CHECK(display_head("abc", -2).empty());
}

TEST_CASE("short_number") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(7) == "7");
  CHECK(short_number(0.5) == "0.50");
  CHECK(short_number(45.678) == "45.7");
  CHECK(short_number(999.4) == "999");
  CHECK(short_number(12345) == "12.3k");
  CHECK(short_number(1000) == "1.00k");
  CHECK(short_number(4.56e6) == "4.56M");
  CHECK(short_number(-2e9) == "-2.00G");
  CHECK(short_number(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(short_number(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("duration_text") {
  CHECK(duration_text(0) == "0:00");
  CHECK(duration_text(65.4) == "1:05");
  CHECK(duration_text(3723) == "1:02:03");
  CHECK(duration_text(2 * 86400 + 3 * 3600 + 240) == "2d 03:04");
  CHECK(duration_text(-1) == "?");
  CHECK(duration_text(std::numeric_limits<double>::quiet_NaN()) == "?");
  CHECK(duration_text(std::numeric_limits<double>::infinity()) == "?");
}

TEST_CASE("fixed_text") {
  CHECK(fixed_text(3.14159, 2) == "3.14");
  CHECK(fixed_text(1e300, 0).size() == 301);
  CHECK(fixed_text(-std::numeric_limits<double>::infinity(), 1) == "-inf");
}
