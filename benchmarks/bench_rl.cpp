// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning of the demo model on sums: rollouts at several widths, updates of PPO and
// GRPO, and how much of the time is spent in the backend's operations.
//
// `in_kernels` is the share of wall time inside calls of Ctx::backend, measured by a backend that
// times every call (timed_cpu.hpp); the rest is what the library does around them: drawing tokens,
// lists, verdicts, packing, sums over tokens. --prepare writes the weights that updates start from
// as a transformers checkpoint for the peer (benchmarks/compare_rl.py).

#include <cstdio>

#include <CLI/CLI.hpp>

#include "rl_session.hpp"

using namespace dsr1;
using bench::timed_cpu;
using machine::median;

namespace {

struct options {
  std::string prepare, weights;
  std::vector<std::string> parts = {"rollout", "ppo", "grpo"};
  int threads = 0, imitate = 200, updates = 5, warmup = 1, repeats = 3;
  std::vector<index_t> widths = {1, 8, 64};
  index_t answers = 64, group = 8, epochs = 2, minibatches = 2, max_answer = 16;
  std::int64_t largest = 99;
  double rate = 1e-4;
  bool as_json = false, verbose = false;
};

struct session {
  const options& o;
  bench::context ctx;
  arithmetic task;
  model_config config = bench::demo_config();
  bench::model_type model = bench::make_model(config), reference = bench::make_model(config);
  bench::padded_codec codec;
  std::vector<float> start;  // weights

  explicit session(const options& from)
      : o(from),
        ctx({.threads = o.threads, .seed = 1}),
        task({.largest = o.largest}),
        codec(task.alphabet(), config.vocab, 0) {
    initialize(ctx, model);
    initialize(ctx, reference, false);
    if (o.weights.empty()) {
      const double loss = bench::imitate(ctx, model, task, codec, o.imitate);
      std::fprintf(stderr, "imitated solutions for %d steps, loss %.3f\n", o.imitate, loss);
    } else {
      load_checkpoint(ctx, model, config, gpt_oss_rule,
                      checkpoint_folder(o.weights + "/model.safetensors"));
    }
    start = bench::weights_of(model);
    bench::restore(reference, start);
  }
};

/// Seconds of wall time and of those inside of the backend.
struct lap {
  double wall = machine::seconds(), kernels = timed_cpu::total.seconds;
  lap elapsed() const { return {machine::seconds() - wall, timed_cpu::total.seconds - kernels}; }
};

/// Tokens of answers per second, prompts read on the way. `until_cut`: answers have no end.
json rollout_row(session& s, index_t slots, bool until_cut, index_t length) {
  const bench::padded_codec endless(s.task.alphabet(), s.config.vocab,
                                    static_cast<std::int32_t>(s.config.vocab) - 1);
  rollout roll(s.ctx, s.model, until_cut ? endless : s.codec,
               {.max_prompt = 8, .max_answer = length, .slots = slots});
  std::vector<experience> all(static_cast<std::size_t>(until_cut ? slots : 4 * slots));
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].prompt = roll.tokens_of(s.task.sample(split::train, i).prompt);
  std::vector<double> rates, cpu_rates, shares;
  double tokens = 0;
  for (int i = -s.o.warmup; i < s.o.repeats; ++i) {
    double wall = 0, kernels = 0;
    const double cpu = machine::cpu_seconds();
    tokens = 0;
    while (wall < 0.5) {  // so that a few answers are no matter of chance
      const lap begin;
      roll(all, 1.0, [](std::size_t a) { return a; });
      const lap d = begin.elapsed();
      wall += d.wall;
      kernels += d.kernels;
      for (const experience& e : all) tokens += static_cast<double>(e.size());
    }
    if (i < 0) continue;
    rates.push_back(tokens / wall);
    cpu_rates.push_back(tokens / (machine::cpu_seconds() - cpu));
    shares.push_back(kernels / wall);
  }
  return {{"work", text("rollout, ", slots, " at a time, ",
                        until_cut ? text(length, " tokens each") : std::string("sums"))},
          {"tokens_per_s", median(rates)},
          {"tokens_per_cpu_s", median(cpu_rates)},
          {"all_tokens_per_s", rates},
          {"in_kernels", median(shares)}};
}

template <class Algorithm>
json update_row(session& s, const char* name, const Algorithm& algorithm, reinforce_options how,
                bool with_reference) {
  actor_critic actor(s.model, Algorithm::critic, algorithm.objective, algorithm.actor,
                     with_reference ? &s.reference : nullptr);
  initialize(s.ctx, actor);
  bench::restore(s.model, s.start);
  trainer train(s.ctx, actor, adamw{});
  reinforce learn(s.ctx, train, s.task, s.codec, algorithm, how,
                  {.max_prompt = 8, .max_answer = s.o.max_answer, .slots = 64});
  std::vector<double> walls, cpus, shares, calls, phases[4], rewards, lengths;
  for (int i = -s.o.warmup; i < s.o.updates; ++i) {
    timed_cpu::total = {};
    if (i == 0)
      for (auto& [operation, time] : timed_cpu::each) time = {};
    const double cpu = machine::cpu_seconds();
    const lap begin;
    const update_report r = learn.update(s.o.rate);
    const lap d = begin.elapsed();
    expects(!r.skipped, name, ": an update learned nothing; --imitate more steps");
    rewards.push_back(r.reward);
    lengths.push_back(r.length);
    if (s.o.verbose)
      for (const auto& [key, value] : r.numbers())
        std::fprintf(stderr, "%s %g%s", key.c_str(), value, key == "learning_s" ? "\n" : ", ");
    if (i < 0) continue;
    walls.push_back(d.wall);
    cpus.push_back(machine::cpu_seconds() - cpu);
    shares.push_back(d.kernels / d.wall);
    calls.push_back(timed_cpu::total.calls);
    const double parts[] = {r.sampling_s, r.judging_s, r.scoring_s, r.learning_s};
    for (std::size_t p = 0; p < 4; ++p) phases[p].push_back(parts[p]);
  }
  json of = json::object();  // wall time of an update by operation
  for (const auto& [operation, time] : timed_cpu::each)
    if (time.calls > 0) of[operation] = time.seconds / s.o.updates;
  return {{"work", text(name, " update, ", s.o.answers, " answers, ", how.epochs, " x ",
                        how.minibatches, " steps", with_reference ? ", reference model" : "")},
          {"updates_per_s", 1 / median(walls)},
          {"seconds", walls},
          {"cpu_seconds", cpus},
          {"sampling_s", median(phases[0])},
          {"judging_s", median(phases[1])},
          {"scoring_s", median(phases[2])},
          {"learning_s", median(phases[3])},
          {"in_kernels", median(shares)},
          {"kernel_calls", median(calls)},
          {"operations_s", of},
          {"reward", rewards},
          {"answer_tokens", lengths}};
}

json measure(session& s) {
  json rows = json::array();
  const auto wants = [&](const char* part) {
    return std::find(s.o.parts.begin(), s.o.parts.end(), part) != s.o.parts.end();
  };
  if (wants("rollout"))
    for (const bool until_cut : {false, true})
      for (const index_t slots : s.o.widths)
        rows.push_back(rollout_row(s, slots, until_cut, until_cut ? 64 : s.o.max_answer));
  reinforce_options how{.epochs = s.o.epochs, .minibatches = s.o.minibatches, .seed = 1};
  if (wants("ppo")) {
    how.prompts = s.o.answers;
    how.penalty.coefficient = 0.02;
    rows.push_back(update_row(s, "PPO", ppo{}, how, true));
    how.penalty.coefficient = 0;
  }
  if (wants("grpo")) {
    how.prompts = s.o.answers / s.o.group;
    rows.push_back(update_row(s, "GRPO", grpo{.group = s.o.group}, how, false));
  }
  return rows;
}

void print(const json& rows) {
  for (const json& r : rows) {
    std::printf("%-58s", r["work"].get<std::string>().c_str());
    if (r.contains("tokens_per_s"))
      std::printf(" %8.0f tokens/s (%.0f per CPU s)", r["tokens_per_s"].get<double>(),
                  r["tokens_per_cpu_s"].get<double>());
    if (r.contains("updates_per_s"))
      std::printf(" %6.2f updates/s (sampling %.3f s, judging %.4f, scoring %.3f, learning %.3f)",
                  r["updates_per_s"].get<double>(), r["sampling_s"].get<double>(),
                  r["judging_s"].get<double>(), r["scoring_s"].get<double>(),
                  r["learning_s"].get<double>());
    std::printf(", %.0f %% in kernels\n", 100 * r["in_kernels"].get<double>());
  }
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app("Reinforcement learning of the demo model on sums");
  app.add_option("--prepare", o.prepare,
                 "imitates, writes a checkpoint into this folder, and ends");
  app.add_option("--weights", o.weights, "folder of such a checkpoint; without it imitates first")
      ->check(CLI::ExistingDirectory);
  app.add_option("--parts", o.parts, "of rollout, ppo, grpo")->delimiter(',');
  app.add_option("--widths", o.widths, "answers at a time, of rollouts")->delimiter(',');
  app.add_option("--threads", o.threads, "0: all")->check(CLI::NonNegativeNumber);
  app.add_option("--imitate", o.imitate, "steps of 128 solutions")->capture_default_str();
  app.add_option("--updates", o.updates, "counted")->check(CLI::PositiveNumber);
  app.add_option("--warmup", o.warmup, "updates before those")->check(CLI::NonNegativeNumber);
  app.add_option("--repeats", o.repeats, "of a rollout")->check(CLI::PositiveNumber);
  app.add_option("--answers", o.answers, "of an update")->check(CLI::PositiveNumber);
  app.add_option("--group", o.group, "answers to a prompt, for GRPO")->check(CLI::PositiveNumber);
  app.add_option("--epochs", o.epochs)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--minibatches", o.minibatches)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--max-answer", o.max_answer, "tokens")->check(CLI::PositiveNumber);
  app.add_option("--largest", o.largest, "operand")->check(CLI::PositiveNumber);
  app.add_option("--rate", o.rate, "of learning");
  app.add_flag("--json", o.as_json, "print one line of JSON");
  app.add_flag("--verbose", o.verbose, "every report, on the standard error");
  CLI11_PARSE(app, argc, argv);
  session s(o);
  if (!o.prepare.empty()) {
    bench::save(s.ctx, s.model, s.config, o.prepare);
    return 0;
  }
  const json rows = measure(s);
  if (o.as_json)
    std::printf("%s\n", json{{"threads", s.ctx.device().pool().size()},
                             {"instructions", name_of(s.ctx.device().instructions())},
                             {"parameters", count_parameters(s.model, s.config.top_k).total},
                             {"rows", rows}}
                            .dump()
                            .c_str());
  else
    print(rows);
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_rl: %s\n", e.what());
  return 1;
}
