// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Verifiers that throw, hang, lie or are not asked, and answers in their order.

#include <atomic>
#include <chrono>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "promises.hpp"

#include <dsr1/rl/arithmetic.hpp>
#include <dsr1/rl/judge.hpp>

using namespace dsr1;

namespace {

/// Does what the answer tells it to.
struct odd_task {
  static constexpr std::string_view name = "odd";
  struct problem {
    std::string prompt = "do\n", solution = "well", key;
  };
  std::atomic<bool>* wake = nullptr;

  problem sample(split, std::uint64_t) const { return {}; }
  verdict verify(const problem&, std::string_view answer) const {
    if (answer == "error") throw error("no idea");
    if (answer == "memory") throw std::bad_alloc();
    if (answer == "number") throw 7;
    while (answer == "hang" && !wake->load()) std::this_thread::yield();
    verdict v;
    v.reached = {true, true, true};
    if (answer == "long") v.decided = {0, 5, 0};
    if (answer == "negative") v.decided = {0, 0, -1};
    return v;
  }
};

}  // namespace

TEST_CASE("judge: a batch in its order, the same as the verifier one by one") {
  const arithmetic t;
  const judge j(t);
  std::vector<arithmetic::problem> problems;
  std::vector<std::string> answers;
  for (std::uint64_t i = 0; i < 300; ++i) {
    problems.push_back(t.sample(split::train, i));
    answers.push_back(i % 3 == 0   ? problems.back().solution
                      : i % 3 == 1 ? problems.back().key + "=1"
                                   : "?");
  }
  const std::vector<verdict> verdicts = j(problems, answers);
  REQUIRE(verdicts.size() == problems.size());
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const verdict v = t.verify(problems[i], answers[i]);
    CHECK(verdicts[i].reached == v.reached);
    CHECK(verdicts[i].decided == v.decided);
    CHECK(verdicts[i].why == v.why);
  }
  CHECK(j(std::span<const arithmetic::problem>(), {}).empty());
  CHECK(levels(j(problems[0], answers[0])) == "111");
  answers.pop_back();
  CHECK(message_of([&] { j(problems, answers); }) ==
        "judge: 300 problems and 299 answers, expected as many");
}

TEST_CASE("judge: a verifier that throws says no") {
  const judge j(odd_task{});
  const std::vector<odd_task::problem> problems(4);
  const std::vector<std::string> answers = {"error", "memory", "number", "well"};
  const std::vector<verdict> v = j(problems, answers);
  CHECK(v[0].why == "the verifier of odd threw: no idea");
  CHECK(levels(v[0]) == "000");
  CHECK(v[0].decided == std::array<index_t, 3>{5, 5, 5});
  CHECK(mentions(v[1].why, "the verifier of odd threw: ", "alloc"));
  CHECK(v[2].why == "the verifier of odd threw: something unknown");
  CHECK(levels(v[3]) == "111");
}

TEST_CASE("judge: a verifier that does not come back is named and left behind") {
  std::atomic<bool> wake = false;
  const judge j(odd_task{.wake = &wake}, {.patience = 0.05});
  const std::vector<odd_task::problem> problems(3);
  const std::vector<std::string> answers = {"well", "hang", "well"};
  CHECK(message_of([&] { j(problems, answers); }) ==
        "the verifier of odd took longer than 0.05 seconds on the answer \"hang\" to "
        "\"do\\x0a\"");
  wake = true;  // lets the thread that was left behind end before `wake` does
  CHECK(levels(j(problems[0], "hang")) == "111");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
}

TEST_CASE("judge: long answers are not shown to the verifier") {
  const judge j(odd_task{}, {.longest = 4});
  CHECK(levels(j({}, "well")) == "111");
  const verdict v = j({}, "error");
  CHECK(levels(v) == "000");
  CHECK(v.why == "longer than 4 bytes");
  CHECK(v.decided == std::array<index_t, 3>{5, 5, 5});
  CHECK(j({}, std::string(1'000'000, 'x')).decided == std::array<index_t, 3>{5, 5, 5});
}

TEST_CASE("judge: a verdict about bytes that are not there is an error") {
  const judge j(odd_task{});
  CHECK(message_of([&] { j({}, "long"); }) ==
        "the verifier of odd has logic decided after 5 bytes, expected 0 to 4: the answer \"long\" "
        "to \"do\\x0a\"");
  CHECK(mentions(message_of([&] { j({}, "negative"); }), "has task decided after -1 bytes"));
}

TEST_CASE("judge: options out of range") {
  CHECK(message_of([] { judge(odd_task{}, {.patience = 0}); }) ==
        "judge: patience is 0 seconds, expected more than 0 and up to 1e6");
  CHECK(message_of([] { judge(odd_task{}, {.longest = -1}); }) ==
        "judge: longest is -1, expected 0 or more");
}
