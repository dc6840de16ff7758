// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 sample: answers of a run to the problems of a task, with their verdicts.

#include <fmt/format.h>

#include <dsr1/cpu.hpp>
#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/rl/collector.hpp>

#include "any_task.hpp"
#include "commands.hpp"
#include "run.hpp"
#include "token_codec.hpp"

namespace seed {
namespace {

using dsr1::index_t;

struct options {
  std::string run, out, task = "arithmetic", task_options;
  index_t step = -1, count = 1000, group = 4, answer = 64, prompt = 64, first = 0;
  double temperature = 1;
  std::uint64_t seed = 1;
  bool test = false;
  int threads = 0;
};

void sample(const options& o) {
  const run_config c = run_config::read(o.run);
  const tokenizer words = tokenizer_of(read_data_of(c));
  const token_codec codec(words);
  const any_task task = any_task::make(o.task, o.task_options);
  dsr1::context<dsr1::cpu> ctx({.threads = o.threads});
  model m = make(c.size);
  dsr1::initialize(ctx, m, false);
  const auto path = checkpoint_of(o.run, o.step);
  dsr1::checkpoint::verify(path);
  dsr1::load_parameters(ctx, (path / "model.safetensors").string(), m);
  dsr1::actor_critic actor(m, false, dsr1::clipped_objective{}, {.temperature = o.temperature});
  dsr1::collector collect(ctx, actor, task, codec, {.max_prompt = o.prompt, .max_answer = o.answer},
                          {});
  dsr1::atomic_file out(o.out);
  index_t solved = 0, answers = 0;
  const auto write = [&](const std::string& prompt, const dsr1::experience& e) {
    solved += e.judged.reached_up_to(dsr1::level::task);
    ++answers;
    out.write(answer_line(prompt, e));
  };
  constexpr index_t at_a_time = 256;
  if (o.test) {
    const dsr1::evaluation_report r = collect.evaluate(dsr1::split::test, o.count);
    for (std::size_t i = 0; i < r.answers.size(); ++i) write(r.prompts[i], r.answers[i]);
  }
  for (index_t first = 0; first < o.count && !o.test; first += at_a_time) {
    collect.sample(o.first + first, std::min(at_a_time, o.count - first), o.group,
                   dsr1::random_stream(o.seed, dsr1::stream_of("rollout")));
    collect.judge_answers();
    for (std::size_t i = 0; i < collect.all().size(); ++i)
      write(collect.problems()[i].prompt, collect.all()[i]);
  }
  out.commit();
  fmt::print("{}: {} answers to {} {}problems of {}, {:.1f} % reach all levels\n", o.out, answers,
             o.count, o.test ? "held-out " : "", o.task,
             100.0 * static_cast<double>(solved) / static_cast<double>(answers));
}

}  // namespace

void add_sample(CLI::App& app) {
  auto o = std::make_shared<options>();
  CLI::App* sub =
      app.add_subcommand("sample", "Answers of a run to the problems of a task, judged");
  sub->add_option("run", o->run, "folder of the run")->required()->check(CLI::ExistingDirectory);
  sub->add_option("--out", o->out, "file to write, JSON lines")->required();
  sub->add_option("--task", o->task)->check(CLI::IsMember(any_task::names()));
  sub->add_option("--task-options", o->task_options, "as JSON, {\"largest\": 20}");
  sub->add_option("--step", o->step, "checkpoint of this step instead of the newest");
  const auto count = [&](const char* name, index_t& value, const char* what) {
    sub->add_option(name, value, what)->check(CLI::PositiveNumber)->capture_default_str();
  };
  count("--count", o->count, "problems");
  count("--group", o->group, "answers to each");
  count("--answer", o->answer, "most tokens of an answer");
  count("--prompt", o->prompt, "most tokens of a prompt");
  sub->add_flag("--test", o->test, "the most likely answers to held-out problems instead");
  sub->add_option("--first", o->first, "number of the first problem")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  sub->add_option("--temperature", o->temperature)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--seed", o->seed)->capture_default_str();
  sub->add_option("--threads", o->threads, "0: all")->check(CLI::NonNegativeNumber);
  sub->callback([o] { sample(*o); });
}

}  // namespace seed
