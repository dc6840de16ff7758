// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The numbers game: forms, numbers and values, held to a naive evaluator.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "promises.hpp"

#include <dsr1/rl/countdown.hpp>

using namespace dsr1;

namespace {

countdown of(countdown_form form, std::uint64_t seed = 0) {
  return countdown({.seed = seed, .form = form});
}

countdown::problem given(std::vector<std::int64_t> numbers, std::int64_t target) {
  countdown::problem p;
  p.numbers = std::move(numbers);
  p.target = target;
  p.key = "the given";
  p.prompt = "?:";
  p.solution = "";
  return p;
}

/// By recursion from the last operator of the lowest rank outside parentheses, in doubles.
double naive(const std::string& e) {
  for (const std::string ops : {"+-", "*/"}) {
    int depth = 0;
    for (std::size_t i = e.size(); i-- > 0;) {
      depth += e[i] == ')' ? 1 : e[i] == '(' ? -1 : 0;
      if (depth != 0 || ops.find(e[i]) == std::string::npos) continue;
      const double a = naive(e.substr(0, i));
      const double b = naive(e.substr(i + 1));
      return e[i] == '+' ? a + b : e[i] == '-' ? a - b : e[i] == '*' ? a * b : a / b;
    }
  }
  return e[0] == '(' ? naive(e.substr(1, e.size() - 2)) : std::stod(e);
}

std::vector<std::int64_t> numbers_in(const std::string& e) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < e.size(); ++i) {
    if (!is_digit(e[i])) continue;
    std::size_t length = 0;
    out.push_back(std::stoll(e.substr(i), &length));
    i += length - 1;
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("countdown: every level reached and not, and why") {
  const countdown t = of(countdown_form::bare);
  const auto p = given({3, 7, 25}, 46);
  struct expected {
    std::string answer, levels, why;
  };
  for (const expected& e : {
           expected{"3*7+25", "111", ""},
           {"25+7*3", "111", ""},
           {"((25)+(7*3))", "111", ""},
           {"3*25-7", "110", "the value is 68, expected 46"},
           {"25/7+3", "110", "the value is not a whole number of 64 bits, expected 46"},
           {"25/(7-7)+3", "100", "the number that ends at byte 7 is not left of the given"},
           {"46", "101", "the number that ends at byte 2 is not left of the given"},
           {"3*7+25+0", "101", "the number that ends at byte 8 is not left of the given"},
           {"3*7", "100", "not all numbers of the given are used"},
           {"3*7+25+99999999999999999999-99999999999999999999", "100",
            "the number that ends at byte 27 is not left of the given"},
           {"3*7+", "000", "the form is an expression, found the end at byte 4"},
           {"3*7+25)", "000", "the form is an expression, found \")\" at byte 6"},
           {"(3*7+25", "000", "the form is an expression, found the end at byte 7"},
           {"3*07+25", "000", "the form is an expression, found \"7\" at byte 3"},
           {"-3*7", "000", "the form is an expression, found \"-\" at byte 0"},
           {"3*7 +25", "000", "the form is an expression, found \" \" at byte 3"},
           {"()", "000", "the form is an expression, found \")\" at byte 1"},
           {"", "000", "the form is an expression, found the end at byte 0"},
           {"<answer>3*7+25</answer>", "000", "the form is an expression, found \"<\" at byte 0"},
       }) {
    INFO(e.answer);
    const verdict v = t.verify(p, e.answer);
    CHECK(levels(v) == e.levels);
    CHECK(v.why == e.why);
  }
  CHECK(levels(t.verify(given({5, 5}, 10), "5+5")) == "111");
  CHECK(levels(t.verify(given({5, 6}, 10), "5+5")) == "101");
  CHECK(levels(countdown({.operators = "+"}).verify(p, "3*7+25")) == "000");
}

TEST_CASE("countdown: the forms with tags") {
  const countdown tagged = of(countdown_form::tagged);
  const countdown thinking = of(countdown_form::thinking);
  const auto p = given({3, 7, 25}, 46);
  const auto both = [&](const std::string& answer) {
    return levels(tagged.verify(p, answer)) + levels(thinking.verify(p, answer));
  };
  CHECK(both("<answer>3*7+25</answer>") == "111000");
  CHECK(both("<think></think><answer>3*7+25</answer>") == "111111");
  CHECK(both("<think>3*7=21 or\n so \xff</think><answer>3*7+25</answer>") == "111111");
  CHECK(both("<think>a<b</think><answer>3*7+25</answer>") == "000000");
  CHECK(both("<think></think><answer>3*7+25</answer> ") == "000000");
  CHECK(both("<think></think> <answer>3*7+25</answer>") == "000000");
  CHECK(both("<think></think><answer></answer>") == "000000");
  CHECK(both("<think><answer>3*7+25</answer>") == "000000");
  CHECK(both("3*7+25") == "000000");
  CHECK(both("<think>25</think><answer>3*7</answer>") == "100100");
  CHECK(both("<think>25</think><answer>23*2</answer>") == "101101");
  CHECK(tagged.verify(p, "<answer>3*7+25</answer").why ==
        "the form is [<think>..</think>]<answer>expression</answer>, found the end at byte 22");
  CHECK(thinking.verify(p, "<answer>3*7+25</answer>").why ==
        "the form is <think>..</think><answer>expression</answer>, found \"a\" at byte 1");
}

TEST_CASE("countdown: when a level is told") {
  const countdown t = of(countdown_form::bare);
  const auto p = given({3, 7, 25}, 46);
  using places = std::array<index_t, 3>;
  CHECK(t.verify(p, "3*7+25").decided == places{6, 6, 6});
  CHECK(t.verify(p, "3*8+25").decided == places{6, 4, 6});  // 8 may have become 87
  CHECK(t.verify(p, "3*7x25").decided == places{4, 4, 4});
  CHECK(t.verify(p, "8*7x25").decided == places{4, 2, 4});
}

TEST_CASE("countdown: problems are sound, in the alphabet, and the splits apart") {
  for (const countdown_form form :
       {countdown_form::bare, countdown_form::tagged, countdown_form::thinking})
    expects_sound_problems(of(form), of(form), of(form, 1), 1500, of(form).alphabet());
  const countdown_options small{.fewest = 2, .most = 3, .largest = 9, .operators = "+-"};
  expects_sound_problems(countdown(small), countdown(small), of(countdown_form::bare), 1500,
                         countdown(small).alphabet());
}

TEST_CASE("countdown: the same numbers in another order are of the same split") {
  const countdown t({.fewest = 2, .most = 2, .largest = 9, .operators = "+"});
  std::map<std::string, std::string> orders;  // prompt to key
  for (std::uint64_t i = 0; i < 500; ++i) {
    const auto p = t.sample(split::train, i);
    orders[p.prompt] = p.key;
  }
  int both = 0;
  for (const auto& [prompt, key] : orders) {
    if (prompt == key + ":") continue;
    CHECK(in_split(split::train, key));
    both += static_cast<int>(orders.count(key + ":"));
  }
  CHECK(both > 10);
}

TEST_CASE("countdown: solutions agree with a naive evaluator") {
  const countdown t({.most = 4});
  std::map<std::size_t, int> counts;
  std::map<char, int> operators;
  const int problems = 3000;
  for (int i = 0; i < problems; ++i) {
    const auto p = t.sample(split::train, static_cast<std::uint64_t>(i));
    CHECK(naive(p.solution) == static_cast<double>(p.target));
    std::vector<std::int64_t> sorted = p.numbers;
    std::sort(sorted.begin(), sorted.end());
    CHECK(numbers_in(p.solution) == sorted);
    CHECK(p.target >= 1);
    CHECK(p.target <= 99);
    ++counts[p.numbers.size()];
    for (const char c : p.solution) ++operators[c];
  }
  CHECK(counts.size() == 2);
  CHECK(counts[3] > problems / 4);
  CHECK(counts[4] > problems / 4);
  for (const char op : {'+', '-', '*', '/'}) CHECK(operators[op] > problems / 20);
}

TEST_CASE("countdown: verdicts on damaged solutions agree with a naive evaluator") {
  const countdown t = of(countdown_form::bare);
  const random_stream random(5);
  std::uint64_t next = 0;
  int judged = 0;
  for (std::uint64_t i = 0; i < 6000; ++i) {
    const auto p = t.sample(split::train, i);
    const std::string answer = damaged(p.solution, random, next, "0123456789+-*()");
    const verdict v = t.verify(p, answer);
    if (!v[level::syntax]) continue;
    ++judged;
    INFO(p.prompt << answer);
    std::vector<std::int64_t> sorted = p.numbers;
    std::sort(sorted.begin(), sorted.end());
    CHECK(v[level::logic] == (numbers_in(answer) == sorted));
    const bool equal = naive(answer) == static_cast<double>(p.target);
    if (v[level::task]) CHECK(equal);
    if (answer.find('/') == std::string::npos) CHECK(v[level::task] == equal);
  }
  CHECK(judged > 2000);
}

TEST_CASE("countdown: the thought is the steps of the solution") {
  const auto p = of(countdown_form::thinking).sample(split::train, 0);
  const std::string thought = p.solution.substr(7, p.solution.find('<', 7) - 7);
  std::size_t begin = 0;
  std::size_t steps = 0;
  while (begin < thought.size()) {
    const std::size_t end = std::min(thought.find(',', begin), thought.size());
    const std::size_t equals = thought.find('=', begin);
    CHECK(naive(thought.substr(begin, equals - begin)) ==
          std::stod(thought.substr(equals + 1, end - equals - 1)));
    begin = end + 1;
    ++steps;
  }
  CHECK(steps == p.numbers.size() - 1);
}

TEST_CASE("countdown: what is decided stays, whatever follows") {
  for (const countdown_form form :
       {countdown_form::bare, countdown_form::tagged, countdown_form::thinking}) {
    const countdown t = of(form);
    const std::vector<int> seen = expects_decided(t, 2500, t.alphabet());
    CHECK(seen[0] > 100);
    CHECK(seen[4] > 10);
    CHECK(seen[6] > 1);
    CHECK(seen[7] > 300);
  }
}

TEST_CASE("countdown: hostile answers") {
  for (const countdown_form form :
       {countdown_form::bare, countdown_form::tagged, countdown_form::thinking}) {
    const countdown t = of(form);
    expects_calm(t, t.sample(split::train, 0));
  }
}

TEST_CASE("countdown: options out of range, and options that leave no problem") {
  const auto says = [](countdown_options o) { return message_of([&] { countdown{o}; }); };
  CHECK(mentions(says({.fewest = 1}), "countdown: fewest is 1, expected 2 to 6"));
  CHECK(mentions(says({.most = 2}), "countdown: most is 2, expected 3 to 6"));
  CHECK(mentions(says({.largest = 0}), "countdown: largest is 0, expected 1 to 1000"));
  CHECK(mentions(says({.largest_target = 0}), "largest_target is 0, expected 1 to 1000000"));
  CHECK(mentions(says({.operators = "+%"}), "operators are \"+%\""));
  CHECK(mentions(says({.operators = "--"}), "operator - stands twice"));
  const countdown one({.fewest = 2, .most = 2, .largest = 1, .operators = "+"});
  const split none = in_split(split::train, "1,1=2") ? split::test : split::train;
  CHECK(mentions(message_of([&] { one.sample(none, 0); }), "countdown: no problem of the ",
                 "the options leave too few"));
}
