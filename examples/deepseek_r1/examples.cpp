// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 examples: prompts and answers to fine-tune by, from a task or from sampled answers.

#include <fmt/format.h>

#include <dsr1/data/rejection.hpp>
#include <dsr1/io/atomic_file.hpp>

#include "any_task.hpp"
#include "commands.hpp"

namespace seed {
namespace {

using dsr1::index_t;

struct options {
  std::string out, task, sampled;
  index_t count = 1000;
  bool test = false;
  std::string task_options;
  index_t most = 4;
};

/// The first problems of a split with their solutions.
void write_task(const any_task& task, const options& o) {
  const dsr1::split which = o.test ? dsr1::split::test : dsr1::split::train;
  dsr1::atomic_file out(o.out);
  for (index_t i = 0; i < o.count; ++i) {
    const auto p = task.sample(which, static_cast<std::uint64_t>(i));
    out.write(dsr1::dialogue_line(p.prompt, p.solution));
  }
  out.commit();
  fmt::print("{}: {} problems of {}, split {}\n", o.out, o.count, task.kind(),
             o.test ? "test" : "train");
}

void examples(const options& o) {
  if (!o.task.empty()) {
    write_task(any_task::make(o.task, o.task_options), o);
  } else {
    const dsr1::rejection_report r = dsr1::reject_answers(o.sampled, o.out, {.most = o.most});
    fmt::print(
        "{}: {} answers kept of {} to {} of {} prompts; {} rejected, {} duplicates, {} more than "
        "{} of a prompt\n",
        o.out, r.kept, r.read, r.solved, r.prompts, r.rejected, r.duplicates, r.surplus, o.most);
  }
}

}  // namespace

void add_examples(CLI::App& app) {
  auto o = std::make_shared<options>();
  CLI::App* sub = app.add_subcommand("examples", "Prompts and answers for sft, as JSON lines");
  sub->add_option("--out", o->out, "file to write")->required();
  CLI::Option* task = sub->add_option("--task", o->task, "problems of a task and their solutions")
                          ->check(CLI::IsMember(any_task::names()));
  sub->add_option("--count", o->count, "number of problems")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->needs(task);
  sub->add_flag("--test", o->test, "problems kept back for evaluation")->needs(task);
  sub->add_option("--task-options", o->task_options, "as JSON, {\"largest\": 20}")->needs(task);
  CLI::Option* sampled =
      sub->add_option("--sampled", o->sampled, "answers of an earlier policy with their verdicts")
          ->check(CLI::ExistingFile)
          ->excludes(task);
  sub->add_option("--most", o->most, "right answers of a prompt that are kept")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->needs(sampled);
  sub->callback([o] {
    if (o->task.empty() && o->sampled.empty()) throw CLI::RequiredError("--task or --sampled");
    examples(*o);
  });
}

}  // namespace seed
