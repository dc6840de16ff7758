// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The loop of a run: steps, evaluations, checkpoints, until it is done or somebody asks to stop.

#include "training_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "interrupt.hpp"
#include "ranks.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// How many steps fit into the minutes: measured on a session that is thrown away.
index_t steps_for(double minutes, session& s, dsr1::rank_group& group) {
  std::vector<double> took;
  for (int i = 0; i < 10; ++i) {
    const double start = seconds();
    s.step();
    if (i >= 2) took.push_back(seconds() - start);
  }
  std::nth_element(took.begin(), took.begin() + 4, took.end());
  // The rest is for evaluations, checkpoints and a machine that is not always this quick.
  index_t steps = std::max<index_t>(10, static_cast<index_t>(0.92 * 60 * minutes / took[4]));
  group.broadcast(dsr1::view<index_t, 1>(&steps, 1));
  return steps;
}

}  // namespace

training_flags::training_flags(CLI::App& sub, training_options& o) : o_(o) {
  sub.add_option("--out", o.run, "folder of the run")->required();
  resume_ = sub.add_flag("--resume", o.resume, "goes on with the newest checkpoint of the run");
  fixed(sub.add_option("--tokens", o.config.tokens, "tokens of a step"))
      ->check(CLI::Range(16, 1 << 24))
      ->capture_default_str();
  fixed(sub.add_option("--length", o.config.length, "longest sequence"))
      ->check(CLI::Range(4, 16'384))
      ->capture_default_str();
  rate_ = sub.add_option("--rate", o.config.rate,
                         "peak learning rate; with --resume, of the steps to come")
              ->check(CLI::PositiveNumber)
              ->capture_default_str();
  fixed(sub.add_option("--weight-decay", o.config.weight_decay))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  fixed(sub.add_option("--balance-rate", o.config.balance_rate, "step of the balance bias"))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  fixed(sub.add_option("--seed", o.config.seed))->capture_default_str();
  sub.add_option("--device", o.device, "where to compute; a run may go on elsewhere")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  sub.add_option("--threads", o.threads, "of all ranks on this machine together; 0: all")
      ->check(CLI::NonNegativeNumber);
  sub.add_option("--ranks", o.ranks, "ranks as threads of this program (under mpirun: its own)")
      ->check(CLI::Range(1, 1024));
  fixed(sub.add_option("--gradients", o.gradients, "how gradients travel between ranks"))
      ->check(CLI::IsMember({"f32", "bf16", "fp8", "int8", "int4"}))
      ->capture_default_str();
  fixed(sub.add_flag("--error-feedback", o.config.sync.error_feedback,
                     "what rounding loses is added to the next step's gradient"));
  fixed(sub.add_flag("--stochastic", o.config.sync.gradients.stochastic,
                     "rounds at random instead of to the nearest"));
  fixed(sub.add_flag("--shard-optimizer", o.config.sync.shard_optimizer,
                     "spreads the optimizer's state over the ranks"));
  sub.add_option("--save-minutes", o.save_minutes, "time between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub.add_option("--save-steps", o.save_steps, "steps between checkpoints, instead of time")
      ->check(CLI::PositiveNumber);
  sub.add_option("--sample", o.prompts, "prompt of a sample at the end; may be repeated");
  fixed(sub.add_option("--expert-ranks", o.config.expert_ranks,
                       "ranks that share the experts among them; 0: all"))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  fixed(sub.add_option("--rebalance-steps", o.config.rebalance_steps,
                       "steps between moves of experts to less busy ranks"))
      ->check(CLI::NonNegativeNumber);
}

void training_flags::settle(const std::string& program) const {
  o_.program = program;
  if (o_.resume && rate_->count() > 0) o_.new_rate = o_.config.rate;
  o_.config.sync.gradients.code = dsr1::wire_code_of(o_.gradients);
}

training_run::training_run(training_options o, dsr1::rank_group& group)
    : o_(std::move(o)),
      run_(o_.run),
      group_(group),
      out_(main() ? std::cout.rdbuf() : nullptr),
      terminal_(main() ? dsr1::terminal_of(STDOUT_FILENO) : dsr1::terminal{}) {}

int training_run::operator()() {
  begin();
  train();
  save();
  if (stopping()) return stopped(fmt::format("stopped at step {}", session_->steps()));
  return finish();
}

bool training_run::stopping() {
  std::int32_t signal = interrupt::signal();
  group_.all_reduce(dsr1::view<std::int32_t, 1>(&signal, 1), dsr1::reduction::max);
  if (signal != 0) stopped_by_ = signal;
  return signal != 0;
}

int training_run::stopped(const std::string& what) {
  out_ << fmt::format("{}; saved. Go on with: {} {} --out {} --resume\n", what, o_.program,
                      config().stage, o_.run);
  out_.flush();
  return 128 + stopped_by_;
}

std::unique_ptr<session> training_run::new_session(const run_config& c) {
  return open_session(o_.device, c, batches(), threads(), group_.duplicate());
}

/// The threads of one rank when the given number, or all of the machine, serve the ranks here.
int training_run::threads() const {
  const int all =
      o_.threads > 0 ? o_.threads : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, all / ranks_here(group_));
}

/// Opens the data, and begins or resumes. Nothing is written before everything was found right.
void training_run::begin() {
  dsr1::on_all_ranks(group_, "opening the run", [&] {
    expect_device(o_.device, group_.size());
    const bool exists = fs::exists(run_ / "run.json");
    if (o_.resume) {
      dsr1::expects(exists, o_.run, " has no run.json; nothing to resume");
      const std::string stage = config().stage;
      config() = run_config::read(run_);
      dsr1::expects(config().stage == stage, o_.run, " is a run of ", config().stage,
                    "; go on with it by ", config().stage, ", not by ", stage);
      if (o_.new_rate > 0) config().rate = o_.new_rate;
    } else {
      dsr1::expects(!exists, o_.run,
                    " holds a run already; go on with it by --resume, or choose another folder");
    }
    open();
  });
  group_.agree("the configuration of the run", dsr1::stream_of(described().dump()));
  if (config().steps == 0) {
    out_ << "measuring the speed of a step ..." << std::endl;
    run_config trial = config();
    trial.steps = 1000;
    trial.rate = 0;  // the first values route like a balanced model
    config().steps = steps_for(o_.minutes, *new_session(trial), group_);
  }
  session_ = new_session(config());
  dsr1::on_all_ranks(group_, "beginning the run", [&] {
    if (!main()) return;
    fs::create_directories(checkpoints_of(run_));
    lock_ = lock_of_run(run_);
  });
  const auto saved = dsr1::checkpoint::steps(checkpoints_of(run_));
  group_.agree("the newest checkpoint",
               saved.empty() ? 0 : static_cast<std::uint64_t>(saved.back()));
  saved_before_ = o_.resume && !saved.empty();
  if (saved_before_)
    restore(session_->restore(dsr1::checkpoint::path_of(checkpoints_of(run_), saved.back())));
  else if (const fs::path from = weights(); !from.empty())
    session_->begin_from(from);
  dsr1::on_all_ranks(group_, "writing run.json", [&] {
    if (main() && (!o_.resume || o_.new_rate > 0))
      dsr1::write_file(run_ / "run.json", described().dump(2) + "\n");
  });
  say_what();
}

void training_run::say_what() {
  if (o_.resume)
    out_ << fmt::format("resumed at step {} of {}\n", session_->steps(), config().steps);
  const auto n = dsr1::count_parameters(session_->network(), config().size.top_k);
  out_ << fmt::format(
      "{} M parameters, {} M of them work on a token; {} steps of {} tokens; {}{}\n",
      dsr1::fixed_text(1e-6 * static_cast<double>(n.total), 1),
      dsr1::fixed_text(1e-6 * static_cast<double>(n.active), 2), config().steps, config().tokens,
      group_.size() == 1 ? std::string() : fmt::format("{} ranks of ", group_.size()),
      session_->device());
}

void training_run::train() {
  interrupt::listen();
  std::optional<dsr1::metrics_log> metrics;
  if (main())
    metrics.emplace((run_ / "metrics.jsonl").string(), saved_before_ ? session_->steps() : -1);
  dsr1::metrics_log* log = metrics ? &*metrics : nullptr;
  dsr1::progress bar(out_, terminal_,
                     {.title = "train", .total = config().steps, .begin = session_->steps()});
  if (!saved_before_ && due(0)) evaluate(0, bar, log);
  if (!saved_before_ && !weights().empty()) save();  // needs the other run no more
  double last_save = seconds(), last_step = seconds();
  while (session_->steps() < config().steps && !enough() && !stopping()) {
    const dsr1::step_report r = step(bar);
    const double now = seconds();
    if (log) {
      std::vector<dsr1::metric> values = {
          {"tokens", static_cast<double>(session_->tokens())},
          {"loss", r.loss},
          {"rate", r.rate},
          {"gradient_norm", r.gradient_norm},
          {"max_violation", r.max_violation},
          {"tokens_per_s", static_cast<double>(r.tokens) / (now - last_step)}};
      if (group_.size() > 1) add_traffic(r, values);
      log->write(r.step, values);
    }
    bar.update({.done = r.step,
                .amount = static_cast<double>(r.tokens),
                .loss = r.loss,
                .note = fmt::format("MaxVio {:.2f}", r.max_violation)});
    if (due(r.step)) {
      evaluate(r.step, bar, log);
      if (r.step < config().steps && !enough()) session_->load().clear();
    }
    std::int32_t save_now = o_.save_steps > 0 ? r.step % o_.save_steps == 0
                                              : seconds() - last_save > 60 * o_.save_minutes;
    group_.broadcast(dsr1::view<std::int32_t, 1>(&save_now, 1));
    if (save_now != 0 && r.step < config().steps) {
      save();
      last_save = seconds();
    }
    last_step = seconds();
  }
}

/// Bytes that this rank sent in the step by purpose, and seconds of communication, in all and
/// those that the step waited for.
void training_run::add_traffic(const dsr1::step_report& r, std::vector<dsr1::metric>& values) {
  constexpr std::array<std::string_view, dsr1::purpose_names.size()> names = {
      "sent_control", "sent_gradient", "sent_weights", "sent_dispatch", "sent_combine"};
  const dsr1::traffic now = session_->counted();
  for (std::size_t p = 0; p < names.size(); ++p) {
    const auto which = static_cast<dsr1::purpose>(p);
    values.push_back(
        {names[p], static_cast<double>(now.total(which).sent - before_.total(which).sent)});
  }
  values.push_back({"rank_imbalance", session_->rank_imbalance()});
  values.push_back({"communication_s", r.sent_for});
  values.push_back({"exposed_s", r.waited_for});
  before_ = now;
}

/// A step; when it fails, the error says where the run can go on from.
dsr1::step_report training_run::step(dsr1::progress& bar) {
  try {
    return session_->step();
  } catch (const dsr1::error& e) {
    bar.finish();
    const auto good = dsr1::checkpoint::steps(checkpoints_of(run_));
    const std::string from = good.empty()
                                 ? "no checkpoint was saved before"
                                 : dsr1::text("the last good checkpoint is of step ", good.back());
    throw dsr1::error(dsr1::text(e.what(), "; ", from, "; go on with --resume and a --rate below ",
                                 config().rate),
                      e.at());
  }
}

void training_run::sample(const tokenizer& words, const generation& what) {
  out_ << "\nWhat it writes"
       << (what.prompt.empty() ? std::string() : dsr1::text(" after \"", what.prompt, "\""))
       << ":\n\n"
       << std::flush;
  session_->write(out_, words, what);
}

}  // namespace seed
