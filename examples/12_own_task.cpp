// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A task of one's own for reinforcement learning: problems without end, and a judge of answers.

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/rl.hpp>

// [task]
/// "dacab:" asks for "aabcd".
struct sort_letters {
  static constexpr std::string_view name = "sort_letters";
  static constexpr std::string_view letters = "abcdefgh";
  struct problem {
    std::string prompt, solution, key;
  };

  problem sample(dsr1::split which, std::uint64_t index) const {
    // Candidates are drawn until one is of the split; the key is what makes two of them the same.
    return dsr1::draw_problem(1, name, which, index, [](dsr1::problem_draw& draw) {
      std::string word;
      while (word.size() < 5) word += draw.one_of(letters);
      std::string sorted = word;
      std::sort(sorted.begin(), sorted.end());
      return std::optional(problem{.prompt = word + ":", .solution = sorted, .key = sorted});
    });
  }

  dsr1::verdict verify(const problem& p, std::string_view answer) const {
    using dsr1::decided_at, dsr1::level;
    dsr1::verdict v;
    // The form: letters, and no fewer than one. The first other byte tells, or the end.
    const std::size_t other = std::min(answer.find_first_not_of(letters), answer.size());
    v.set(level::syntax, other == answer.size() && other > 0, decided_at(answer, other),
          "no letter at byte ", other);

    // What follows from the prompt: its letters. The first that is not left tells, or the end.
    std::string left = p.solution;
    std::size_t used = 0;
    for (; used < answer.size(); ++used) {
      const std::size_t place = left.find(answer[used]);
      if (place == std::string::npos) break;
      left.erase(place, 1);
    }
    v.set(level::logic, used == answer.size() && left.empty(), decided_at(answer, used),
          "not the letters of ", p.prompt);

    // The solution: they are in order. The first that is another one tells, or the end.
    std::size_t same = 0;
    while (same < std::min(answer.size(), p.solution.size()) && answer[same] == p.solution[same])
      ++same;
    v.set(level::task, answer == p.solution, decided_at(answer, same), "not in order");
    return v;
  }
};
static_assert(dsr1::task<sort_letters>);
// [/task]

int main() {
  // [judge]
  const dsr1::judge judge(sort_letters{});
  const auto problem = judge.judged_task().sample(dsr1::split::train, 0);
  const std::string& right = problem.solution;
  const std::vector<std::string> answers = {right, std::string(right.rbegin(), right.rend()),
                                            right + right, "Sure! " + right, ""};
  const std::vector<sort_letters::problem> problems(answers.size(), problem);
  const std::vector<dsr1::verdict> verdicts = judge(problems, answers);

  std::printf("%s\n", problem.prompt.c_str());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    std::printf("%-12s", answers[i].c_str());
    for (std::size_t l = 0; l < dsr1::level_names.size(); ++l)
      std::printf(" %s %s after %td,", dsr1::level_names[l].data(),
                  verdicts[i].reached[l] ? "yes" : "no", verdicts[i].decided[l]);
    std::printf(" %s\n", verdicts[i].why.c_str());
  }
  // [/judge]

  const auto levels = [&](std::size_t i) {
    return verdicts[i].reached[0] * 4 + verdicts[i].reached[1] * 2 + verdicts[i].reached[2];
  };
  const bool ok = levels(0) == 7 && levels(1) == 6 && levels(2) == 4 && levels(3) == 0 &&
                  levels(4) == 0 && verdicts[3].decided[0] == 1;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
