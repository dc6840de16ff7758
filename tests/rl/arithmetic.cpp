// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums: what each level asks, when it is told, and problems that are what they say.

#include <map>
#include <string>

#include "promises.hpp"

#include <dsr1/rl/arithmetic.hpp>

using namespace dsr1;

namespace {

using places = std::array<index_t, 3>;

}  // namespace

TEST_CASE("arithmetic: every level reached and not, why, and when it is told") {
  const arithmetic t({.operators = "+-*"});
  struct expected {
    std::string answer, levels;
    places decided;
    std::string why;
  };
  const auto p = t.make(37, '+', 58);
  CHECK(p.prompt == "37+58:");
  CHECK(p.solution == "37+58=95");
  for (const expected& e : {
           expected{"37+58=95", "111", {8, 6, 8}, ""},
           {"37+58=96", "110", {8, 6, 8}, "the result is \"96\", expected 95"},
           {"37+58=85", "110", {8, 6, 7}, "the result is \"85\", expected 95"},
           {"37+58=9", "110", {7, 6, 7}, "the result is \"9\", expected 95"},
           {"37+58=950", "110", {9, 6, 9}, "the result is \"950\", expected 95"},
           {"37+58=-95", "110", {9, 6, 7}, "the result is \"-95\", expected 95"},
           {"37+59=95", "101", {8, 5, 8}, "does not begin with 37+58="},
           {"37-58=95", "101", {8, 3, 8}, "does not begin with 37+58="},
           {"58+37=95", "101", {8, 1, 8}, "does not begin with 37+58="},
           {"9*9=81", "100", {6, 1, 5}, "does not begin with 37+58="},
           {"37+58=095", "010", {8, 6, 7}, "the form is a+b=c, found \"9\" at byte 7"},
           {"37+58=9x", "010", {8, 6, 8}, "the form is a+b=c, found \"x\" at byte 7"},
           {"37+58=", "010", {6, 6, 6}, "the form is a+b=c, found the end at byte 6"},
           {"x=95", "001", {1, 1, 4}, "the form is a+b=c, found \"x\" at byte 0"},
           {"37+58", "000", {5, 5, 5}, "the form is a+b=c, found the end at byte 5"},
           {"037+58=94", "000", {2, 1, 9}, "the form is a+b=c, found \"3\" at byte 1"},
           {"37 +58=94", "000", {3, 3, 9}, "the form is a+b=c, found \" \" at byte 2"},
           {"37/58=94", "000", {3, 3, 8}, "the form is a+b=c, found \"/\" at byte 2"},
           {"37+58=95\n", "010", {9, 6, 9}, "the form is a+b=c, found \"\\x0a\" at byte 8"},
           {"", "000", {0, 0, 0}, "the form is a+b=c, found the end at byte 0"},
       }) {
    INFO(e.answer);
    const verdict v = t.verify(p, e.answer);
    CHECK(levels(v) == e.levels);
    CHECK(v.decided == e.decided);
    CHECK(v.why == e.why);
  }
  CHECK(levels(t.verify(t.make(3, '-', 5), "3-5=-2")) == "111");
  CHECK(levels(t.verify(t.make(3, '-', 3), "3-3=-0")) == "110");
  CHECK(levels(t.verify(t.make(0, '*', 0), "0*0=0")) == "111");
  CHECK(levels(arithmetic().verify(arithmetic().make(1, '+', 1), "3-5=2")) == "001");
}

TEST_CASE("arithmetic: problems are sound, in the alphabet, and the splits apart") {
  expects_sound_problems(arithmetic(), arithmetic(), arithmetic({.seed = 1}), 4000,
                         arithmetic().alphabet());
  const arithmetic_options all{.largest = 12, .operators = "+-*"};
  expects_sound_problems(arithmetic(all), arithmetic(all),
                         arithmetic({.seed = 1, .largest = 12, .operators = "+-*"}), 4000,
                         arithmetic(all).alphabet());
}

TEST_CASE("arithmetic: operands and operators are drawn evenly, results are those of the machine") {
  const arithmetic t({.largest = 99, .operators = "+-*"});
  std::map<char, int> operators;
  double sum = 0;
  const int count = 6000;
  for (int i = 0; i < count; ++i) {
    const auto p = t.sample(split::train, static_cast<std::uint64_t>(i));
    std::size_t end = 0;
    const int a = std::stoi(p.prompt, &end);
    const char op = p.prompt[end];
    const int b = std::stoi(p.prompt.substr(end + 1));
    const int c = op == '+' ? a + b : op == '-' ? a - b : a * b;
    CHECK(p.solution == text(a, op, b, "=", c));
    ++operators[op];
    sum += a + b;
  }
  for (const char op : {'+', '-', '*'}) CHECK(std::abs(operators[op] - count / 3) < count / 20);
  CHECK(std::abs(sum / count - 99) < 3);
}

TEST_CASE("arithmetic: what is decided stays, whatever follows") {
  const arithmetic t({.operators = "+-*"});
  const std::vector<int> seen = expects_decided(t, 4000, t.alphabet());
  CHECK(seen[0] > 100);
  CHECK(seen[4] > 20);
  CHECK(seen[5] > 20);
  CHECK(seen[6] > 20);
  CHECK(seen[7] > 1000);
}

TEST_CASE("arithmetic: hostile answers") {
  const arithmetic t;
  expects_calm(t, t.sample(split::train, 0));
}

TEST_CASE("arithmetic: options out of range") {
  const auto says = [](arithmetic_options o) { return message_of([&] { arithmetic{o}; }); };
  CHECK(mentions(says({.largest = 0}), "arithmetic: largest is 0, expected 1 to 999999999"));
  CHECK(mentions(says({.operators = "+/"}), "operators are \"+/\", expected some of \"+-*\""));
  CHECK(mentions(says({.operators = ""}), "operators are \"\""));
  CHECK(mentions(says({.operators = "++"}), "operator + stands twice in \"++\""));
  const arithmetic t;
  CHECK(mentions(message_of([&] { t.make(1, '-', 1); }), "operator \"-\", expected one of \"+\""));
  CHECK(mentions(message_of([&] { t.make(1, '+', 100); }), "operand 100, expected 0 to 99"));
}
