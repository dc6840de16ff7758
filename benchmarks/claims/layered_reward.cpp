// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The claim: a three-level reward (syntax, logic, task) converges 40 % faster under PPO.
//
// Fixed before anything of the verdict is measured: all that `hypothesis` says, the arms, the
// starts, the grid and the seeds below. The model is a tiny mixture of experts on sums of digits.
//
//     claim_layered_reward [--seeds 10] [--quick] [--svg FILE]
//
// --quick runs everything with few updates and says nothing about the claim.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <thread>

#include <dsr1/monitor/curve.hpp>

#include "layered_reward_run.hpp"

namespace {

using namespace layered_reward_run;

constexpr const char* hypothesis =
    "Hypothesis: from the start \"low\", levels at the end save at least 40 % of the updates to 50 "
    "% greedy\nsuccess on all prompts against the sparse reward (mean over seeds, restricted to "
    "the "
    "budget), and the\n95 % confidence interval of the saving (paired bootstrap over seeds) lies "
    "above 0.\nconfirmed: so from all starts; conditional: so from \"low\", but not from all; not "
    "confirmed: not so\nfrom \"low\". The other arms and 90 % success are for the understanding "
    "and "
    "judge nothing.\n";
constexpr double threshold = 0.4;

struct arm {
  const char* name;
  reward_options reward = {};
  bool coins = false;
  bool anneals = false;  ///< over half of the budget
};
/// The greatest reward of an answer is 1 in all. Not gated, logic can be told at the "=", where a
/// gated level waits for the syntax, which is told at the end; the task is all levels (see
/// `judged_sums`).
const std::vector<arm> arms = {
    {.name = "sparse", .reward = {.weights = {0, 0, 1}}},
    {.name = "levels at the end"},
    {.name = "levels at the token", .reward = {.gated = false, .where = credit::when_decided}},
    {.name = "levels, annealed", .anneals = true},
    {.name = "coins for levels", .reward = {.gated = false}, .coins = true}};
constexpr std::size_t sparse = 0, judged = 1;

struct beginning {
  const char* name;
  corpus_rates rates;
  index_t updates;        ///< the budget
  std::uint64_t tunings;  ///< seeds
};
const beginning starts[] = {{"low", {0.13, 0.065, 0.010, 9}, 240, 2},
                            {"middle", {0.52, 0.42, 0.05, 5}, 120, 1},
                            {"high", {0.99, 0.99, 0.16, 3}, 120, 1}};

struct setting {
  double rate, entropy;
};
const setting grid[] = {{5e-4, 0.01}, {5e-4, 0.03}, {1e-3, 0.01}, {1e-3, 0.03}};
constexpr std::uint64_t first_tuning_seed = 1001;  // those of the verdict are 1, 2, ...

/// f(i) for all i below n, on two threads.
template <class F>
void on_two_threads(std::size_t n, F&& f) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::size_t i; (i = next++) < n;) f(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = n;
    }
  };
  std::thread other(work);
  work();
  other.join();
  if (failure) std::rethrow_exception(failure);
}

double mean_of(const std::vector<run_result>& runs, auto&& of) {
  double sum = 0;
  for (const run_result& r : runs) sum += of(r);
  return sum / static_cast<double>(runs.size());
}

/// Updates to a success, those never reached counted as the budget.
using goal = double run_result::*;
double restricted(const run_result& r, goal g, index_t budget) {
  return std::min(r.*g, static_cast<double>(budget));
}

struct interval {
  double middle, low, high;
};
/// 1 - (sum of `with`) / (sum of `without`) and its interval, over resampled pairs.
interval saving(const std::vector<run_result>& with, const std::vector<run_result>& without, goal g,
                index_t budget) {
  const std::size_t n = with.size();
  const auto of = [&](auto&& pick) {
    double a = 0, b = 0;
    for (std::size_t i = 0; i < n; ++i) {
      a += restricted(with[pick(i)], g, budget);
      b += restricted(without[pick(i)], g, budget);
    }
    return b > 0 ? 1 - a / b : 0;
  };
  constexpr std::uint64_t times = 10'000;
  const random_stream draw(1, stream_of("bootstrap"));
  std::vector<double> all;
  for (std::uint64_t k = 0; k < times; ++k)
    all.push_back(of([&](std::size_t i) { return draw.below(k * n + i, n); }));
  std::sort(all.begin(), all.end());
  return {of([](std::size_t i) { return i; }), all[times / 40], all[times - 1 - times / 40]};
}

struct study {
  std::vector<std::vector<run_result>> runs;  ///< of the verdict, [arm][seed]
  interval half = {};                         ///< saving of the judged arm
};

/// Pre-trains, tunes every arm on seeds of its own, runs the verdict's seeds.
study run_start(const beginning& s, std::uint64_t seeds, bool quick) {
  const index_t budget = quick ? 10 : s.updates;
  const std::uint64_t tunings = quick ? 1 : s.tunings;
  const auto seed_of = [&](std::size_t i) {
    return i < seeds ? i + 1 : first_tuning_seed + i - seeds;
  };
  std::vector<std::vector<float>> weights(seeds + tunings);
  on_two_threads(weights.size(), [&](std::size_t i) {
    weights[i] = pretrained(s.rates, quick ? 30 : 300, seed_of(i));
    std::fprintf(stderr, "%s: model %zu of %zu\n", s.name, i + 1, weights.size());
  });

  const auto one = [&](const char* what, std::size_t a, const setting& with, std::size_t seed) {
    run_options o{.reward = arms[a].reward,
                  .coins = arms[a].coins,
                  .rate = with.rate,
                  .entropy = with.entropy,
                  .updates = budget,
                  .seed = seed_of(seed)};
    if (arms[a].anneals) o.reward.anneal = budget / 2;
    run_result r = run(weights[seed], o);
    std::fprintf(stderr, "%s, %s: %s, rate %g, entropy %g, seed %llu: 50 %% at %g, ends at %.2f\n",
                 s.name, what, arms[a].name, with.rate, with.entropy,
                 static_cast<unsigned long long>(o.seed), r.to_half, r.success);
    return r;
  };
  constexpr std::size_t settings = std::size(grid);
  std::vector<double> cost(arms.size() * settings * tunings);
  on_two_threads(cost.size(), [&](std::size_t i) {
    const run_result r =
        one("tuning", i / tunings / settings, grid[i / tunings % settings], seeds + i % tunings);
    cost[i] = restricted(r, &run_result::to_half, budget) + (1 - r.success);  // or the better end
  });
  std::vector<setting> chosen;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    double least = run_result::never;
    for (std::size_t k = 0; k < settings; ++k) {
      double sum = 0;
      for (std::size_t t = 0; t < tunings; ++t) sum += cost[(a * settings + k) * tunings + t];
      if (k == 0) chosen.push_back(grid[0]);
      if (sum < least) chosen.back() = grid[k];
      least = std::min(least, sum);
    }
  }
  study found;
  found.runs.resize(arms.size(), std::vector<run_result>(seeds));
  on_two_threads(arms.size() * seeds, [&](std::size_t i) {
    const std::size_t a = i % arms.size(), seed = i / arms.size();
    found.runs[a][seed] = one("verdict", a, chosen[a], seed);
  });

  const auto& plain = found.runs[sparse];
  std::printf("\nStart \"%s\", budget %lld updates of 128 answers, %llu seeds. Sampled answers",
              s.name, static_cast<long long>(budget), static_cast<unsigned long long>(seeds));
  for (std::size_t l = 0; l < 3; ++l)
    std::printf("%s %.3f", l == 0 ? " reach" : ",",
                mean_of(plain, [&](const run_result& r) { return r.start[l]; }));
  std::printf(
      " (syntax, logic, task);\nthe most likely answers to %.3f of all prompts are right.\n",
      mean_of(plain, [](const run_result& r) { return r.curve.front().second; }));
  std::puts(
      "                                        to 50 %: updates    saving             to 90 %: "
      "updates    saving             at the end   held\n"
      "arm                    rate   entropy  reach   (mean)   [95 %]             reach   (mean)   "
      "[95 %]             success      out   hacking");
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const auto& runs = found.runs[a];
    std::printf("%-20s %6.0e %9.2f", arms[a].name, chosen[a].rate, chosen[a].entropy);
    for (const goal g : {&run_result::to_half, &run_result::to_ninety}) {
      const interval i = saving(runs, plain, g, budget);
      if (a == judged && g == goal(&run_result::to_half)) found.half = i;
      std::printf("   %4.2f   %6.1f  %+5.1f %% [%+6.1f, %+5.1f]",
                  mean_of(runs, [&](const run_result& r) { return r.*g < run_result::never; }),
                  mean_of(runs, [&](const run_result& r) { return restricted(r, g, budget); }),
                  100 * i.middle, 100 * i.low, 100 * i.high);
    }
    std::printf("   %9.3f   %6.3f", mean_of(runs, [](const run_result& r) { return r.success; }),
                mean_of(runs, [](const run_result& r) { return r.held_out; }));
    if (arms[a].coins)
      std::puts("         -");  // the report knows the coins only
    else
      std::printf("   %7.3f\n", mean_of(runs, [](const run_result& r) { return r.hacking; }));
  }
  std::fflush(stdout);
  return found;
}

/// Success over updates, mean over seeds; a run that has ended keeps its last value.
std::vector<curve_series> curves_of(const study& found) {
  std::vector<curve_series> all;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    all.push_back({arms[a].name});
    std::size_t longest = 0;
    const run_result* timed = nullptr;
    for (const auto& runs : found.runs)
      for (const run_result& r : runs)
        if (r.curve.size() > longest) longest = r.curve.size(), timed = &r;
    for (std::size_t i = 0; i < longest; ++i)
      all.back().points.emplace_back(timed->curve[i].first,
                                     mean_of(found.runs[a], [&](const run_result& r) {
                                       return r.curve[std::min(i, r.curve.size() - 1)].second;
                                     }));
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seeds = 0;
  bool quick = false;
  const char* svg = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (i + 1 < argc && std::strcmp(argv[i], "--seeds") == 0) {
      seeds = std::strtoull(argv[++i], nullptr, 10);
    } else if (i + 1 < argc && std::strcmp(argv[i], "--svg") == 0) {
      svg = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--seeds N] [--quick] [--svg FILE]\n", argv[0]);
      return 2;
    }
  }
  if (seeds == 0) seeds = quick ? 2 : 10;
  std::puts(hypothesis);
  std::printf(
      "Verdict on %llu seeds; rate and entropy coefficient of every arm from %zu settings, "
      "on other seeds.\n",
      static_cast<unsigned long long>(seeds), std::size(grid));
  std::fflush(stdout);
  try {
    std::string holds;
    std::size_t count = 0;
    bool from_low = false;
    interval low{};
    for (const beginning& s : starts) {
      const study found = run_start(s, seeds, quick);
      const bool here = found.half.middle >= threshold && found.half.low > 0;
      if (&s == starts) {
        low = found.half;
        from_low = here;
        if (svg != nullptr)
          std::ofstream(svg) << curve_svg(curves_of(found),
                                          {.title = "Greedy success on all prompts, start \"low\"",
                                           .x = "update",
                                           .y = "success"});
      }
      if (here) holds += (count++ == 0 ? "" : ", ") + std::string(s.name);
    }
    std::printf(
        "\n%s%s: levels at the end save %.1f %% [%.1f, %.1f] of the updates from \"low\"; 40 %% "
        "holds from: %s\n",
        quick ? "(quick: means nothing) " : "",
        !from_low                    ? "not confirmed"
        : count == std::size(starts) ? "confirmed"
                                     : "conditional",
        100 * low.middle, 100 * low.low, 100 * low.high, count == 0 ? "none" : holds.c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "claim_layered_reward: %s\n", e.what());
    return 1;
  }
  return 0;
}
