// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Programs from examples: levels, hidden cases, and problems that are worth asking.

#include <array>
#include <set>
#include <string>

#include "promises.hpp"

#include <dsr1/rl/program.hpp>

using namespace dsr1;

TEST_CASE("program: every level reached and not, and why") {
  const program t;
  const auto p = t.make("2*1+", {0, 3, 4, 7});
  CHECK(p.prompt == "0>1 3>7 4>9 7>15:");
  CHECK(p.key == "1,3,5,7,9,11,13,15,17,19");
  struct expected {
    std::string answer, levels, why;
  };
  for (const expected& e : {
           expected{"2*1+", "111", ""},
           {"d+1+", "111", ""},
           {"1s[s2+s1-]p", "111", ""},
           {"2*", "110", "gives 0 on input 0, expected 1"},
           {"do5=[p-0]p", "110", "gives 0 on input 0, expected 1"},
           {"pd", "100", "takes from an empty stack on input 0"},
           {"[]1", "100", "runs for too long on input 3"},
           {"0%", "100", "divides by zero on input 0"},
           {"3=[0", "000", "is no program: found the end at byte 4"},
           {"2*1+\n", "000", "is no program: found \"\\x0a\" at byte 4"},
           {"2*]", "000", "is no program: found \"]\" at byte 2"},
           {"", "000", "is no program: found the end at byte 0"},
           {std::string(65, '1'), "000",
            "is no program: found \"1\" at byte 64, the most that a program may have"},
       }) {
    INFO(e.answer);
    const verdict v = t.verify(p, e.answer);
    CHECK(levels(v) == e.levels);
    CHECK(v.why == e.why);
  }
  // Right on the examples, wrong or without output on a hidden input.
  const auto q = t.make("d*", {0, 1, 2});
  CHECK(levels(t.verify(q, "d*")) == "111");
  const verdict wrong = t.verify(q, "do3=-*");
  CHECK(levels(wrong) == "110");
  CHECK(wrong.why == "gives 6 on input 3, expected 9");
  const verdict runs_away = t.verify(q, "d2s<[p9d*d*d*d*d*d*]pd*");
  CHECK(levels(runs_away) == "110");
  CHECK(runs_away.why == "has a number too large on input 3, expected 9");
}

TEST_CASE("program: when a level is told") {
  const program t;
  const auto p = t.make("2*1+", {0, 3});
  using places = std::array<index_t, 3>;
  CHECK(t.verify(p, "2*1+").decided == places{4, 4, 4});
  CHECK(t.verify(p, "2*x+").decided == places{3, 3, 3});
  CHECK(t.verify(p, "2*[").decided == places{3, 3, 3});
  CHECK(t.verify(p, std::string(100, '1')).decided == places{65, 65, 65});
}

TEST_CASE("program: problems are sound, in the alphabet, and the splits apart") {
  expects_sound_problems(program(), program(), program({.seed = 1}), 3000, program().alphabet());
  const program_options other{.shown = 8, .largest_input = 20, .most_letters = 12, .loops = false};
  expects_sound_problems(program(other), program(other), program(), 1000,
                         program(other).alphabet());
}

TEST_CASE("program: problems are worth asking") {
  const program t;
  const int count = 3000;
  int loops = 0;
  std::set<std::string> keys;
  for (int i = 0; i < count; ++i) {
    const auto p = t.sample(split::train, static_cast<std::uint64_t>(i));
    CHECK(p.outputs.size() == 10);
    CHECK(p.inputs.size() == 4);
    CHECK(std::set(p.outputs.begin(), p.outputs.end()).size() >= 3);
    bool same = true;
    for (std::size_t x = 0; x < 10; ++x) same = same && p.outputs[x] == static_cast<int>(x);
    CHECK(!same);
    CHECK(p.prompt.size() < 50);
    loops += p.solution.find('[') != std::string::npos;
    keys.insert(p.key);
    CHECK(p.solution.size() <= 6 + 11);
  }
  CHECK(loops > count / 10);
  CHECK(loops < count / 2);
  CHECK(keys.size() > count / 10);
}

TEST_CASE("program: outputs agree with formulas") {
  const program t({.largest_input = 6});
  const auto outputs = [&](const std::string& words) {
    return t.make(words, {0, 1, 2, 3}).outputs;
  };
  using list = std::vector<std::int64_t>;
  list cubes, triangles, factorials, rests;
  std::int64_t factorial = 1;
  for (std::int64_t x = 0; x <= 6; ++x) {
    if (x > 0) factorial *= x;
    cubes.push_back(x * x * x - 5);
    triangles.push_back(x * (x + 1) / 2);
    factorials.push_back(factorial);
    rests.push_back((7 * x + 2) % 4);
  }
  CHECK(outputs("dd**5-") == cubes);
  CHECK(outputs("0s[dr+s1-]p") == triangles);
  CHECK(outputs("1s[dr*s1-]p") == factorials);
  CHECK(outputs("7*2+4%") == rests);
}

TEST_CASE("program: what is decided stays, whatever follows") {
  const program t;
  const std::vector<int> seen = expects_decided(t, 3000, t.alphabet());
  CHECK(seen[0] > 100);
  CHECK(seen[4] > 30);
  CHECK(seen[6] > 100);
  CHECK(seen[7] > 500);
}

TEST_CASE("program: hostile answers") {
  const program t;
  expects_calm(t, t.sample(split::train, 0));
}

TEST_CASE("program: options out of range, and programs that make no problem") {
  const auto says = [](program_options o) { return message_of([&] { program{o}; }); };
  CHECK(says({.shown = 0}) == "program: shown is 0, expected 1 to 8");
  CHECK(says({.largest_input = 3}) == "program: largest_input is 3, expected 4 to 20");
  CHECK(says({.most_letters = 13}) == "program: most_letters is 13, expected 1 to 12");
  const program t;
  CHECK(message_of([&] { t.make("d*", {10}); }) == "program: input 10, expected 0 to 9");
  for (const std::string words : {"", "x", "7", "d p", "dp", "+", "99*9*9**", "5<"})
    CHECK(mentions(message_of([&] { t.make(words, {1}); }), "program: ", "makes no problem"));
}
