// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What every task promises, asked of any task.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/task.hpp>

/// The three levels as digits: "110" has syntax and logic.
inline std::string levels(const dsr1::verdict& v) {
  std::string out;
  for (const bool reached : v.reached) out += reached ? '1' : '0';
  return out;
}

/// Solutions reach all levels with no complaint, in the given alphabet; the splits share no key;
/// the same seed and index give the same problem, another seed others.
template <dsr1::task Task>
void expects_sound_problems(const Task& t, const Task& twin, const Task& other, int count,
                            std::string_view alphabet = {}) {
  std::set<std::string> keys[2];
  int same_as_other = 0;
  int failures = 0;
  for (const dsr1::split which : {dsr1::split::train, dsr1::split::test}) {
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<std::uint64_t>(i);
      const auto p = t.sample(which, index);
      const dsr1::verdict v = t.verify(p, p.solution);
      const auto size = static_cast<dsr1::index_t>(std::string_view(p.solution).size());
      bool good = levels(v) == "111" && v.why.empty();
      for (const dsr1::index_t d : v.decided) good = good && d >= 0 && d <= size;
      const auto again = twin.sample(which, index);
      good = good && again.prompt == p.prompt && again.solution == p.solution && again.key == p.key;
      good = good && dsr1::in_split(which, p.key);
      if (!alphabet.empty())
        good = good && (p.prompt + p.solution).find_first_not_of(alphabet) == std::string::npos;
      if (!good) {
        ++failures;
        UNSCOPED_INFO(p.prompt << " " << p.solution << ": " << levels(v) << " " << v.why);
      }
      same_as_other += other.sample(which, index).prompt == p.prompt;
      keys[which == dsr1::split::test].insert(p.key);
    }
  }
  CHECK(failures == 0);
  CHECK(same_as_other < count / 2);
  std::size_t shared = 0;
  for (const std::string& key : keys[1]) shared += keys[0].count(key);
  CHECK(shared == 0);
  CHECK(keys[0].size() > 10);
  CHECK(keys[1].size() > 1);
}

/// A text with a few bytes replaced, removed, doubled or added, often none.
inline std::string damaged(std::string s, const dsr1::random_stream& random, std::uint64_t& next,
                           std::string_view bytes) {
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(random.below(next++, n));
  };
  for (std::size_t changes = below(4); changes > 0; --changes) {
    const std::size_t place = below(s.size() + 1);
    switch (below(5)) {
      case 0:
        s.insert(place, 1, bytes[below(bytes.size())]);
        break;
      case 1:
        if (place < s.size()) s[place] = bytes[below(bytes.size())];
        break;
      case 2:
        s.erase(place, 1 + below(3));
        break;
      case 3:
        s.insert(place, s.substr(below(s.size() + 1), 1 + below(6)));
        break;
      default:
        s.resize(place);
        break;
    }
  }
  return s;
}

/// `decided` below the size: whatever follows these bytes, the level is reached or not as before.
template <dsr1::task Task>
void expects_decided(const Task& t, const typename Task::problem& p, const std::string& answer,
                     const std::vector<std::string>& tails) {
  const dsr1::verdict v = t.verify(p, answer);
  for (std::size_t l = 0; l < dsr1::level_names.size(); ++l) {
    INFO(dsr1::level_names[l] << " of " << dsr1::in_quotes(answer) << ", decided " << v.decided[l]);
    REQUIRE(v.decided[l] >= 0);
    REQUIRE(v.decided[l] <= static_cast<dsr1::index_t>(answer.size()));
    if (v.decided[l] == static_cast<dsr1::index_t>(answer.size())) continue;
    const std::string cut = answer.substr(0, static_cast<std::size_t>(v.decided[l]));
    for (const std::string& tail : tails) {
      if (t.verify(p, cut + tail).reached[l] == v.reached[l]) continue;
      INFO("followed by " << dsr1::in_quotes(tail));
      CHECK(t.verify(p, cut + tail).reached[l] == v.reached[l]);
    }
  }
}

/// The same for damaged solutions of many problems, and verdicts are of sense: a reason exactly
/// when something is missing. Returns how many answers had each combination of levels, as a number.
template <dsr1::task Task>
std::vector<int> expects_decided(const Task& t, int count, std::string_view bytes) {
  const dsr1::random_stream random(7);
  std::uint64_t next = 0;
  std::vector<int> seen(8);
  const std::string any = std::string(bytes) + std::string("\0\xff\xc3(\n", 5);
  for (int i = 0; i < count; ++i) {
    const auto p = t.sample(dsr1::split::train, static_cast<std::uint64_t>(i));
    const std::string whole(p.solution);
    std::vector<std::string> tails = {"", "0", std::string(1, '\0'), std::string(300, '('), whole};
    for (std::size_t from = 0; from < whole.size(); from += 1 + whole.size() / 12)
      tails.push_back(whole.substr(from));
    const std::string answer = damaged(whole, random, next, any);
    tails.push_back(damaged(whole, random, next, any));
    const dsr1::verdict v = t.verify(p, answer);
    REQUIRE(v.why.empty() == (levels(v) == "111"));
    ++seen[static_cast<std::size_t>(v.reached[0] * 4 + v.reached[1] * 2 + v.reached[2])];
    expects_decided(t, p, answer, tails);
  }
  return seen;
}

/// Answers that no one should send: all are judged, quickly, and none reaches everything.
template <dsr1::task Task>
void expects_calm(const Task& t, const typename Task::problem& p) {
  const std::size_t many = 1'000'000;
  std::string numbers;
  while (numbers.size() < many) numbers += "1+";
  const std::string solution(p.solution);
  for (const std::string& answer :
       {std::string(), std::string(1, '\0'), std::string("\xff\xfe\xc3\x28"), solution + '\0',
        std::string(many, '('), std::string(many, '['), std::string(many, '{'),
        std::string(many, '9'), std::string(many, ')'), std::string(many, '-'),
        std::string(many, '"'), std::string(many, '\0'), solution + std::string(many, '\xff'),
        "<think>" + std::string(many, '<'), "<answer>" + std::string(many, '('), numbers}) {
    const dsr1::verdict v = t.verify(p, answer);
    INFO(dsr1::in_quotes(answer));
    CHECK(levels(v) != "111");
    CHECK(v.why.size() < 1000);
    CHECK(!v.why.empty());
    for (const dsr1::index_t d : v.decided) {
      CHECK(d >= 0);
      CHECK(d <= static_cast<dsr1::index_t>(answer.size()));
    }
  }
}
