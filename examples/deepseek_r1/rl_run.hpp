// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The loop of a run of reinforcement learning: updates, evaluations, checkpoints, what is shown.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include <dsr1/cpu.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/monitor.hpp>
#include <dsr1/optim.hpp>
#include <dsr1/rl.hpp>
#include <dsr1/train.hpp>

#include "any_task.hpp"
#include "interrupt.hpp"
#include "ranks.hpp"
#include "reinforcement.hpp"
#include "run.hpp"
#include "token_codec.hpp"

namespace seed {

struct rl_options {
  std::string run, from, program;
  std::string task_options, gradients = "f32";
  index_t step = -1;
  run_config config;
  reinforcement learn;
  bool resume = false;
  int threads = 0, ranks = 0;
  index_t save_updates = 20;
};

/// One rank of a run with this algorithm. Rank 0 alone prints and writes, but for its parts of
/// checkpoints.
template <class Algorithm>
class rl_run {
 public:
  using context_type = dsr1::context<dsr1::cpu, dsr1::rank_group>;
  using objective = std::remove_cvref_t<decltype(Algorithm::objective)>;
  using actor_type = dsr1::actor_critic<model, objective>;
  using trainer_type = dsr1::trainer<context_type, actor_type, dsr1::adamw>;

  rl_run(rl_options o, Algorithm algorithm, dsr1::rank_group& group)
      : o_(std::move(o)),
        run_(o_.run),
        group_(group),
        out_(main() ? std::cout.rdbuf() : nullptr),
        screen_(main() ? dsr1::terminal_of(STDOUT_FILENO) : dsr1::terminal{}),
        words_(tokenizer_of(read_data_of(o_.config))),
        codec_(words_),
        task_(any_task::make(o_.learn.task, {o_.learn.task_options, "the options of the task"})),
        context_({.threads = std::max(1, threads() / ranks_here(group)), .seed = o_.config.seed},
                 group.duplicate()),
        model_(on_every_rank(o_.config)),
        reference_(on_every_rank(o_.config)),
        critic_(own_critic()),
        actor_(model_, Algorithm::critic, algorithm.objective, algorithm.actor, &reference_,
               critic_ ? &*critic_ : nullptr),
        trainer_(context_, ready(), dsr1::adamw{}, {.sync = o_.config.sync}),
        learn_(context_, trainer_, task_, codec_, algorithm, o_.learn.updates_of(o_.config.seed),
               o_.learn.rollouts()) {}

  int operator()() {
    begin();
    train();
    save();
    if (int signal = interrupted(); signal != 0) {
      out_ << fmt::format("stopped at update {}; saved. Go on with: {} rl --out {} --resume\n",
                          learn_.updates(), o_.program, o_.run);
      return 128 + signal;
    }
    finish();
    return 0;
  }

 private:
  bool main() const { return group_.rank() == 0; }
  int threads() const {
    return o_.threads > 0 ? o_.threads : static_cast<int>(std::thread::hardware_concurrency());
  }
  /// Every rank holds all experts, because each samples for itself.
  model on_every_rank(const run_config& c) {
    return distributed(make(c.size, c.balance_rate), c.size, group_, 1);
  }
  std::optional<model> own_critic() {
    return o_.learn.own_critic ? std::optional<model>(on_every_rank(o_.config)) : std::nullopt;
  }
  actor_type& ready() {
    dsr1::initialize(context_, actor_);
    // The embedding learns far faster than the rest at the beginning of pre-training only.
    model_.tokens().table().traits().rate = 1;
    if (critic_) critic_->tokens().table().traits().rate = 1;
    dsr1::initialize(context_, reference_, false);
    return actor_;
  }
  std::filesystem::path reference_file() const { return run_ / "reference.safetensors"; }

  /// A signal on any rank; asked by all at the same place.
  int interrupted() {
    std::int32_t signal = interrupt::signal();
    group_.all_reduce(dsr1::view<std::int32_t, 1>(&signal, 1), dsr1::reduction::max);
    return signal;
  }

  void begin() {
    group_.agree("the configuration of the run", dsr1::stream_of(described().dump()));
    dsr1::on_all_ranks(group_, "beginning the run", [&] {
      if (!main()) return;
      std::filesystem::create_directories(checkpoints_of(run_));
      lock_ = lock_of_run(run_);
      if (o_.resume) return;
      // The reference is kept with the run, which then needs the other run no more.
      dsr1::write_file(reference_file(),
                       dsr1::open_file((from() / "model.safetensors").string(), O_RDONLY).read());
      dsr1::write_file(run_ / "run.json", described().dump(2) + "\n");
    });
    dsr1::on_all_ranks(group_, "reading the weights to begin with", [&] {
      const std::string file = reference_file().string();
      const std::string hash = dsr1::hash_text(dsr1::hash_of_file(file));
      dsr1::expects(hash == o_.learn.from_hash, file, " was edited: its hash is ", hash,
                    ", the run's is ", o_.learn.from_hash);
      dsr1::load_parameters(context_, file, reference_);
      dsr1::load_parameters(context_, file, model_);
      if (critic_) dsr1::load_parameters(context_, file, *critic_);
    });
    const auto saved = dsr1::checkpoint::steps(checkpoints_of(run_));
    group_.agree("the newest checkpoint",
                 saved.empty() ? 0 : static_cast<std::uint64_t>(saved.back()));
    resumed_ = o_.resume && !saved.empty();
    if (resumed_) {
      const std::filesystem::path path =
          dsr1::checkpoint::path_of(checkpoints_of(run_), saved.back());
      const dsr1::json_object state(dsr1::checkpoint::load(context_, path, trainer_),
                                    (path / "state.json").string() + ": \"user\"");
      learn_.restore(state.object("reinforce"));
      first_ = state.get<std::array<double, 4>>("first");
    }
    const auto n = dsr1::count_parameters(model_, o_.config.size.top_k);
    out_ << (resumed_ ? fmt::format("resumed at update {}\n", learn_.updates()) : std::string())
         << fmt::format(
                "{} of {}: {} updates of {} answers to {} prompts; {} M parameters; {} thread{}\n",
                o_.learn.algorithm, o_.learn.task, o_.learn.updates,
                o_.learn.prompts * learn_.algorithm().group, o_.learn.prompts,
                dsr1::fixed_text(1e-6 * static_cast<double>(n.total), 1),
                context_.device().pool().size(), context_.device().pool().size() == 1 ? "" : "s");
  }

  std::filesystem::path from() const { return checkpoint_of(o_.from, o_.step); }

  dsr1::json described() const {
    dsr1::json all = o_.config.to_json();
    all["reinforcement"] = o_.learn.to_json();
    return all;
  }

  void train() {
    interrupt::listen();
    std::optional<dsr1::metrics_log> metrics;
    if (main())
      metrics.emplace((run_ / "metrics.jsonl").string(), resumed_ ? learn_.updates() : -1);
    dsr1::progress bar(out_, screen_,
                       {.title = "learn", .total = o_.learn.updates, .begin = learn_.updates()});
    if (!resumed_) {
      evaluate(bar, metrics);
      first_ = {last_.reached[0], last_.reached[1], last_.reached[2], last_.solved};
    }
    while (learn_.updates() < o_.learn.updates && interrupted() == 0) {
      const dsr1::update_report r = update(bar);
      if (metrics) {
        const auto numbers = r.numbers();
        std::vector<dsr1::metric> values;
        for (const auto& [name, value] : numbers) values.push_back({name, value});
        metrics->write(r.update, values);
      }
      bar.update(
          {.done = r.update,
           .amount = static_cast<double>(r.tokens),
           .loss = r.loss,
           .note = fmt::format("reward {:.2f}, levels {:.0f} {:.0f} {:.0f} %, KL {:.3f}", r.reward,
                               100 * r.reached[0], 100 * r.reached[1], 100 * r.reached[2], r.kl)});
      if (r.update % o_.learn.evaluate_updates == 0 || r.update == o_.learn.updates)
        evaluate(bar, metrics);
      if (r.update % o_.save_updates == 0 && r.update < o_.learn.updates) save();
    }
  }

  /// An update; when it fails, the error says where the run can go on from.
  dsr1::update_report update(dsr1::progress& bar) {
    try {
      return learn_.update(o_.config.rate);
    } catch (const dsr1::error& e) {
      bar.finish();
      const auto good = dsr1::checkpoint::steps(checkpoints_of(run_));
      throw dsr1::error(
          dsr1::text(e.what(), good.empty() ? std::string("; no checkpoint was saved before")
                                            : dsr1::text("; the last good checkpoint, of step ",
                                                         good.back(), ", is kept")),
          e.at());
    }
  }

  /// The held-out problems; keeps some answers with their verdicts in samples-<update>.jsonl.
  void evaluate(dsr1::progress& bar, std::optional<dsr1::metrics_log>& metrics) {
    last_ = learn_.evaluate(dsr1::split::test, o_.learn.problems);
    const dsr1::evaluation_report& e = last_;
    const index_t update = learn_.updates();
    bar.say(fmt::format(
        "update {}: held-out {:.1f} % solved; syntax {:.1f}, logic {:.1f}, task "
        "{:.1f} %",
        update, 100 * e.solved, 100 * e.reached[0], 100 * e.reached[1], 100 * e.reached[2]));
    if (!metrics) return;
    metrics->write(update, std::vector<dsr1::metric>{{"held_out_solved", e.solved},
                                                     {"held_out_syntax", e.reached[0]},
                                                     {"held_out_logic", e.reached[1]},
                                                     {"held_out_task", e.reached[2]},
                                                     {"held_out_length", e.length}});
    std::string lines;
    for (std::size_t i = 0; i < std::min<std::size_t>(10, e.answers.size()); ++i)
      lines += answer_line(e.prompts[i], e.answers[i], {{"update", update}});
    dsr1::write_file(run_ / fmt::format("samples-{}.jsonl", update), lines);
  }

  void save() {
    dsr1::checkpoint::save(context_, checkpoints_of(run_), trainer_,
                           {{"reinforce", learn_.state()}, {"first", first_}});
  }

  void finish() {
    if (last_.problems == 0) last_ = learn_.evaluate(dsr1::split::test, o_.learn.problems);
    keep_policy();
    if (!main()) return;
    const dsr1::evaluation_report& e = last_;
    dsr1::write_file(run_ / "result.json", dsr1::json({{"task", o_.learn.task},
                                                       {"algorithm", o_.learn.algorithm},
                                                       {"updates", learn_.updates()},
                                                       {"problems", e.problems},
                                                       {"solved_before", first_[3]},
                                                       {"solved", e.solved},
                                                       {"reached", e.reached}})
                                                   .dump(2) +
                                               "\n");
    draw();
    out_ << fmt::format("\n{} held-out problems of {}, most likely answer    before    after\n\n",
                        e.problems, o_.learn.task);
    for (std::size_t l = 0; l < 3; ++l)
      out_ << fmt::format("  {:<44}{:>7.1f} %{:>7.1f} %\n", dsr1::level_names[l], 100 * first_[l],
                          100 * e.reached[l]);
    out_ << fmt::format("  {:<44}{:>7.1f} %{:>7.1f} %\n\nWhat it answers:\n\n", "solved (pass@1)",
                        100 * first_[3], 100 * e.solved);
    for (std::size_t i = 0; i < std::min<std::size_t>(3, e.answers.size()); ++i)
      out_ << "  " << e.prompts[i] << "  ->  " << e.answers[i].text << "  ("
           << (e.answers[i].judged.why.empty() ? "right" : e.answers[i].judged.why) << ")\n";
    out_ << fmt::format(
        "\nFiles in {}: reward.svg, result.json, metrics.jsonl, samples-*.jsonl, checkpoints/, "
        "policy/ (a run for generate, export and sft)\n",
        o_.run);
  }

  /// The policy without its critic is a run as others are.
  void keep_policy() {
    dsr1::trainer plain(context_, model_, dsr1::sgd{});
    plain.optimizer().steps(trainer_.steps());
    const std::filesystem::path policy = run_ / "policy";
    dsr1::on_all_ranks(group_, "keeping the policy", [&] {
      if (!main()) return;
      std::filesystem::create_directories(checkpoints_of(policy));
      dsr1::write_file(policy / "run.json", described().dump(2) + "\n");
    });
    dsr1::checkpoint::save(context_, checkpoints_of(policy), plain, dsr1::json::object(), 1);
  }

  void draw() {
    const std::pair<const char*, const char*> lines[] = {{"syntax", "reached_syntax"},
                                                         {"logic", "reached_logic"},
                                                         {"task", "reached_task"},
                                                         {"held-out, solved", "held_out_solved"}};
    const auto records = dsr1::read_metrics((run_ / "metrics.jsonl").string());
    std::vector<dsr1::curve_series> all;
    for (const auto& [name, key] : lines) {
      dsr1::curve_series s{.name = name};
      for (const auto& r : records)
        if (const double v = r.get(key); std::isfinite(v))
          s.points.emplace_back(static_cast<double>(r.step), v);
      all.push_back(s);
    }
    dsr1::write_file(run_ / "reward.svg",
                     dsr1::curve_svg(all, {.title = "Reinforcement learning of " + o_.learn.task,
                                           .x = "update",
                                           .y = "share of answers"}));
  }

  rl_options o_;
  std::filesystem::path run_;
  dsr1::rank_group& group_;
  std::ostream out_;  // leads nowhere but on rank 0
  dsr1::terminal screen_;
  dsr1::open_file lock_;
  tokenizer words_;
  token_codec codec_;
  any_task task_;
  context_type context_;
  model model_, reference_;
  std::optional<model> critic_;
  actor_type actor_;
  trainer_type trainer_;
  dsr1::reinforce<context_type, trainer_type, any_task, token_codec, Algorithm> learn_;
  bool resumed_ = false;
  std::array<double, 4> first_{};  // levels and solved, before the first update
  dsr1::evaluation_report last_;
};

}  // namespace seed
