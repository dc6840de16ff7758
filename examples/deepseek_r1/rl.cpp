// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 rl: reinforcement learning of a task, from the weights of an earlier run.

#include "commands.hpp"
#include "rl_run.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;

/// Completes what was asked for, from run.json or from the run to begin with.
void complete(rl_options& o) {
  const bool exists = fs::exists(fs::path(o.run) / "run.json");
  if (o.resume) {
    dsr1::expects(exists, o.run, " has no run.json; nothing to resume");
    o.config = run_config::read(o.run);
    dsr1::expects(o.config.stage == "rl", o.run, " is a run of ", o.config.stage, ", not of rl");
    o.learn = reinforcement::from_json(
        dsr1::json_object::read(fs::path(o.run) / "run.json").object("reinforcement"));
    return;
  }
  dsr1::expects(!exists, o.run,
                " holds a run already; go on with it by --resume, or choose another folder");
  const run_config base = run_config::read(o.from);
  o.config.data = base.data;
  o.config.data_hash = base.data_hash;
  o.config.size_name = base.size_name;
  o.config.size = base.size;
  o.config.stage = "rl";
  o.config.steps = o.learn.updates;
  o.config.sync.gradients.code = dsr1::wire_code_of(o.gradients);
  dsr1::expects(!o.learn.own_critic || o.learn.has_critic(), "--own-critic with ",
                o.learn.algorithm, ", expected ppo, the algorithm that has a critic");
  o.learn.task_options = task_options_of(o.task_options);
  o.learn.from_hash = dsr1::hash_text(
      dsr1::hash_of_file((checkpoint_of(o.from, o.step) / "model.safetensors").string()));
}

int reinforced(const rl_options& o, dsr1::rank_group& group) {
  const reinforcement& r = o.learn;
  const dsr1::actor_options actor{.temperature = r.temperature, .entropy = r.entropy};
  if (r.algorithm == "ppo") return rl_run<dsr1::ppo>(o, {.actor = actor}, group)();
  dsr1::grpo a = r.algorithm == "dr_grpo" ? dsr1::grpo::dr_grpo()
                 : r.algorithm == "dapo"  ? dsr1::grpo::dapo()
                 : r.algorithm == "gspo"  ? dsr1::grpo::gspo()
                                          : dsr1::grpo{};
  a.group = r.group;
  a.actor = actor;
  return rl_run<dsr1::grpo>(o, a, group)();
}

}  // namespace

void add_rl(CLI::App& app) {
  auto o = std::make_shared<rl_options>();
  o->config.rate = 3e-4;
  o->config.weight_decay = 0;
  o->config.balance_rate = 0;  // routers that move while few answers are seen unlearn
  reinforcement& r = o->learn;
  CLI::App* sub = app.add_subcommand("rl", "Learns a task by reward, from the weights of a run");
  sub->add_option("--out", o->run, "folder of the run")->required();
  CLI::Option* resume =
      sub->add_flag("--resume", o->resume, "goes on with the newest checkpoint of the run");
  const auto fixed = [&](CLI::Option* option) { return option->excludes(resume); };
  const auto count = [&](const char* name, index_t& value, const char* what) {
    return fixed(sub->add_option(name, value, what))
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
  };
  const auto number = [&](const char* name, double& value, const char* what) {
    return fixed(sub->add_option(name, value, what))
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
  };
  fixed(sub->add_option("--from", o->from, "run to begin with"))->check(CLI::ExistingDirectory);
  fixed(sub->add_option("--step", o->step, "its checkpoint of this step, not the newest"));
  fixed(sub->add_option("--task", r.task))
      ->check(CLI::IsMember(any_task::names()))
      ->capture_default_str();
  fixed(sub->add_option("--task-options", o->task_options, "as JSON, {\"largest\": 20}"));
  fixed(sub->add_option("--algorithm", r.algorithm))
      ->check(CLI::IsMember({"ppo", "grpo", "dr_grpo", "dapo", "gspo"}))
      ->capture_default_str();
  count("--updates", r.updates, "number of updates");
  count("--prompts", r.prompts, "prompts of an update");
  count("--group", r.group, "answers to a prompt (not PPO)");
  count("--epochs", r.epochs, "times an update learns from its answers");
  count("--minibatches", r.minibatches, "steps of an epoch");
  count("--answer", r.answer, "most tokens of an answer");
  count("--prompt", r.prompt, "most tokens of a prompt");
  number("--rate", o->config.rate, "learning rate");
  number("--entropy", r.entropy, "coefficient of the entropy bonus");
  number("--kl", r.kl, "coefficient of the KL penalty");
  number("--kl-target", r.kl_target, "KL per token that the coefficient is moved for; 0: fixed");
  number("--largest-kl", r.largest_kl, "KL per token that ends the run; 0: none");
  number("--temperature", r.temperature, "of the answers");
  fixed(sub->add_option("--levels", r.levels, "rewards of syntax, logic and task"));
  fixed(sub->add_flag("--own-critic", r.own_critic,
                      "PPO's critic is a model of its own, not a head on the policy"));
  fixed(sub->add_flag("--at-token", r.at_token, "credit where a level can be told"));
  fixed(sub->add_option("--anneal", r.anneal, "updates until only the task counts"));
  count("--evaluate-updates", r.evaluate_updates, "updates between evaluations");
  count("--problems", r.problems, "held-out problems of an evaluation");
  number("--balance-rate", o->config.balance_rate, "step of the balance bias");
  fixed(sub->add_option("--seed", o->config.seed))->capture_default_str();
  fixed(sub->add_option("--gradients", o->gradients, "how gradients travel between ranks"))
      ->check(CLI::IsMember({"f32", "bf16", "fp8", "int8", "int4"}))
      ->capture_default_str();
  sub->add_option("--save-updates", o->save_updates, "updates between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--threads", o->threads, "of all ranks on this machine together; 0: all")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--ranks", o->ranks, "ranks as threads of this program (under mpirun: its own)")
      ->check(CLI::Range(1, 1024));
  sub->callback([o, &app] {
    o->program = app.get_name();
    if (!o->resume && o->from.empty()) throw CLI::RequiredError("--from");
    complete(*o);
    const int status =
        on_ranks(o->ranks, [&](dsr1::rank_group& group) { return reinforced(*o, group); });
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace seed
