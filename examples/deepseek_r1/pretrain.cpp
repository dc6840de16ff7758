// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 pretrain: learns from prepared text, saves, resumes, and says what it reached.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <optional>

#include <fmt/format.h>

#include <dsr1/monitor.hpp>

#include "commands.hpp"
#include "generation.hpp"
#include "report.hpp"
#include "session.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;

struct options {
  run_config config;
  std::string run;
  std::string program;  ///< as it was called
  double minutes = 0;
  double save_minutes = 2;
  index_t save_steps = 0;
  int threads = 0;
  bool resume = false;
  double new_rate = 0;  ///< with resume; 0 keeps the run's
  std::vector<std::string> prompts;
};

volatile std::sig_atomic_t interrupted = 0;
extern "C" void on_signal(int signal) {
  interrupted = signal;
  std::signal(signal, SIG_DFL);  // a second one ends the program at once
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// How many steps fit into the minutes: measured on a session that is thrown away.
index_t steps_for(double minutes, run_config c, const dsr1::dataset& data, int threads) {
  c.steps = 1000;
  c.rate = 0;  // the first values route like a balanced model
  session s(c, data, threads);
  std::vector<double> took;
  for (int i = 0; i < 10; ++i) {
    const double start = seconds();
    s.step();
    if (i >= 2) took.push_back(seconds() - start);
  }
  std::nth_element(took.begin(), took.begin() + 4, took.end());
  // The rest is for evaluations, checkpoints and a machine that is not always this quick.
  return std::max<index_t>(10, static_cast<index_t>(0.92 * 60 * minutes / took[4]));
}

/// The lock that keeps a second process from training the same run.
dsr1::open_file lock_of(const fs::path& run) {
  dsr1::open_file folder(run.string(), O_RDONLY | O_DIRECTORY);
  dsr1::expects(dsr1::lock_for_writing(folder), run.string(), " is being trained by somebody else");
  return folder;
}

class pretraining {
 public:
  explicit pretraining(options o) : o_(std::move(o)), run_(o_.run) {}

  /// The exit status: 0, or 128 and the signal that interrupted it.
  int operator()() {
    begin();
    train();
    save();
    if (interrupted) return stopped(fmt::format("stopped at step {}", session_->steps()));
    const auto bits = score();
    if (!bits) return stopped("the training is done; its evaluation was stopped");
    const auto n = dsr1::count_parameters(session_->network(), config().size.top_k);
    report(std::cout, terminal_, manifest_,
           {.bits_per_byte = *bits,
            .steps = session_->steps(),
            .tokens = session_->tokens(),
            .parameters = n.total,
            .load = &session_->load()},
           run_);
    samples();
    std::cout << fmt::format(
        "\nFiles in {}: loss.svg, experts.svg, result.json, metrics.jsonl, checkpoints/\n", o_.run);
    return 0;
  }

 private:
  run_config& config() { return o_.config; }

  /// Opens the data, and begins or resumes. Nothing is written before everything was found right.
  void begin() {
    const bool exists = fs::exists(run_ / "run.json");
    if (o_.resume) {
      dsr1::expects(exists, o_.run, " has no run.json; nothing to resume");
      config() = run_config::read(run_);
      if (o_.new_rate > 0) config().rate = o_.new_rate;
      manifest_ = read_data_of(config());
    } else {
      dsr1::expects(!exists, o_.run,
                    " holds a run already; go on with it by --resume, or choose another folder");
      config().data = fs::absolute(config().data).lexically_normal().string();
      manifest_ = dsr1::read_manifest(config().data);
      config().data_hash = data_hash_of(manifest_);
      config().size = find_size(config().size_name)->size;
      config().size.vocab = manifest_.vocab;
    }
    dsr1::expects(!manifest_.held_out.shards.empty(), config().data,
                  " has no held-out text; prepare it with --held-out above 0");
    words_.emplace(tokenizer_of(manifest_));
    train_.emplace(manifest_, manifest_.train);
    held_out_.emplace(manifest_, manifest_.held_out);
    if (config().steps == 0) {
      std::cout << "measuring the speed of a step ..." << std::endl;
      config().steps = steps_for(o_.minutes, config(), *train_, o_.threads);
    }
    session_.emplace(config(), *train_, o_.threads);
    fs::create_directories(checkpoints_of(run_));
    lock_ = lock_of(run_);
    const auto saved = dsr1::checkpoint::steps(checkpoints_of(run_));
    if (o_.resume && !saved.empty())
      session_->restore(dsr1::checkpoint::path_of(checkpoints_of(run_), saved.back()));
    if (!o_.resume || o_.new_rate > 0) config().write(run_);
    if (o_.resume)
      std::cout << fmt::format("resumed at step {} of {}\n", session_->steps(), config().steps);
    const auto n = dsr1::count_parameters(session_->network(), config().size.top_k);
    std::cout << fmt::format(
        "{} M parameters, {} M of them work on a token; {} steps of {} tokens; {} thread{}, {}\n",
        dsr1::fixed_text(1e-6 * static_cast<double>(n.total), 1),
        dsr1::fixed_text(1e-6 * static_cast<double>(n.active), 2), config().steps, config().tokens,
        session_->context().device().pool().size(),
        session_->context().device().pool().size() == 1 ? "" : "s",
        dsr1::name_of(session_->context().device().instructions()));
  }

  void train() {
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    const index_t steps = config().steps, evaluate_every = std::max<index_t>(1, steps / 10);
    // What the ten evaluations on the way read is about a tenth of what the training does.
    const index_t scored = std::clamp<index_t>(steps * config().tokens / 100, 1, 50'000);
    dsr1::metrics_log metrics((run_ / "metrics.jsonl").string(),
                              o_.resume ? session_->steps() : -1);
    dsr1::progress bar(std::cout, terminal_,
                       {.title = "train", .total = steps, .begin = session_->steps()});
    double last_save = seconds(), last_step = seconds();
    while (session_->steps() < steps && !interrupted) {
      const dsr1::step_report r = step(bar);
      const double now = seconds();
      metrics.write(r.step, {{"tokens", static_cast<double>(session_->tokens())},
                             {"loss", r.loss},
                             {"rate", r.rate},
                             {"gradient_norm", r.gradient_norm},
                             {"max_violation", r.max_violation},
                             {"tokens_per_s", static_cast<double>(r.tokens) / (now - last_step)}});
      bar.update({.done = r.step,
                  .amount = static_cast<double>(r.tokens),
                  .loss = r.loss,
                  .note = fmt::format("MaxVio {:.2f}", r.max_violation)});
      if (r.step % evaluate_every == 0 && r.step < steps) {
        const dsr1::token_loss loss = session_->evaluate(*held_out_, scored);
        const double bits = bits_per_byte(loss, *held_out_);
        metrics.write(r.step, {{"tokens", static_cast<double>(session_->tokens())},
                               {"held_out_loss", loss.sum / static_cast<double>(loss.tokens)},
                               {"held_out_bits_per_byte", bits}});
        bar.say(fmt::format("step {}: {:.3f} bits per byte on a part of the held-out text", r.step,
                            bits));
        session_->load().clear();
      }
      const bool due = o_.save_steps > 0 ? r.step % o_.save_steps == 0
                                         : seconds() - last_save > 60 * o_.save_minutes;
      if (due && r.step < steps) {
        save();
        last_save = seconds();
      }
      last_step = seconds();
    }
  }

  /// A step; when it fails, the error says where the run can go on from.
  dsr1::step_report step(dsr1::progress& bar) {
    try {
      return session_->step();
    } catch (const dsr1::error& e) {
      bar.finish();
      const auto good = dsr1::checkpoint::steps(checkpoints_of(run_));
      const std::string from =
          good.empty() ? "no checkpoint was saved before"
                       : dsr1::text("the last good checkpoint is of step ", good.back());
      throw dsr1::error(dsr1::text(e.what(), "; ", from,
                                   "; go on with --resume and a --rate below ", config().rate),
                        e.at());
    }
  }

  void save() { session_->save(checkpoints_of(run_)); }

  /// Bits per byte over all held-out text; nothing when interrupted.
  std::optional<double> score() {
    dsr1::progress bar(std::cout, terminal_, {.title = "score", .total = held_out_->targets()});
    index_t before = 0;
    const dsr1::token_loss loss =
        session_->evaluate(*held_out_, held_out_->targets(), [&](index_t done) {
          bar.update(
              {.done = done, .amount = static_cast<double>(done - std::exchange(before, done))});
          return !interrupted;
        });
    bar.finish();
    if (loss.tokens < held_out_->targets()) return {};
    return bits_per_byte(loss, *held_out_);
  }

  void samples() {
    if (o_.prompts.empty()) o_.prompts.emplace_back();
    for (const std::string& prompt : o_.prompts) {
      std::cout << "\nWhat it writes"
                << (prompt.empty() ? std::string() : dsr1::text(" after \"", prompt, "\""))
                << ":\n\n"
                << std::flush;
      generate_text(std::cout, session_->context(), session_->network(), config(), *words_,
                    {.prompt = prompt,
                     .tokens = 160,
                     .end = manifest_.end_of_document,
                     .sampling = {.temperature = 0.7, .top_p = 0.9, .seed = config().seed}});
    }
  }

  int stopped(const std::string& what) {
    std::cout << fmt::format("{}; saved. Go on with: {} pretrain --out {} --resume\n", what,
                             o_.program, o_.run);
    return 128 + interrupted;
  }

  options o_;
  fs::path run_;
  dsr1::terminal terminal_ = dsr1::terminal_of(STDOUT_FILENO);
  dsr1::data_manifest manifest_;
  dsr1::open_file lock_;
  std::optional<tokenizer> words_;
  std::optional<dsr1::dataset> train_, held_out_;
  std::optional<session> session_;
};

}  // namespace

void add_pretrain(CLI::App& app) {
  auto o = std::make_shared<options>();
  CLI::App* sub = app.add_subcommand("pretrain", "Learns from prepared text");
  sub->add_option("--out", o->run, "folder of the run")->required();
  CLI::Option* resume =
      sub->add_flag("--resume", o->resume, "goes on with the newest checkpoint of the run");
  // What a run began with stays: given together with --resume, these are an error.
  const auto fixed = [&](CLI::Option* option) { return option->excludes(resume); };
  fixed(sub->add_option("--data", o->config.data, "folder that prepare wrote"));
  std::vector<std::string> names;
  for (const named_size& s : sizes) names.emplace_back(s.name);
  fixed(sub->add_option("--size", o->config.size_name, "size of the model (see info)"))
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  CLI::Option* steps = fixed(sub->add_option("--steps", o->config.steps, "number of steps"))
                           ->check(CLI::PositiveNumber);
  fixed(sub->add_option("--minutes", o->minutes, "as many steps as fit into this time"))
      ->check(CLI::PositiveNumber)
      ->excludes(steps);
  fixed(sub->add_option("--tokens", o->config.tokens, "tokens of a step"))
      ->check(CLI::Range(16, 1 << 24))
      ->capture_default_str();
  fixed(sub->add_option("--length", o->config.length, "longest sequence"))
      ->check(CLI::Range(4, 16'384))
      ->capture_default_str();
  CLI::Option* rate = sub->add_option("--rate", o->config.rate,
                                      "peak learning rate; with --resume, of the steps to come")
                          ->check(CLI::PositiveNumber)
                          ->capture_default_str();
  fixed(sub->add_option("--weight-decay", o->config.weight_decay))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  fixed(sub->add_option("--balance-rate", o->config.balance_rate, "step of the balance bias"))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  fixed(sub->add_option("--seed", o->config.seed))->capture_default_str();
  sub->add_option("--threads", o->threads, "0: all")->check(CLI::NonNegativeNumber);
  sub->add_option("--save-minutes", o->save_minutes, "time between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--save-steps", o->save_steps, "steps between checkpoints, instead of time")
      ->check(CLI::PositiveNumber);
  sub->add_option("--sample", o->prompts, "prompt of a sample at the end; may be repeated");
  sub->callback([o, rate, &app] {
    o->program = app.get_name();
    if (!o->resume && o->config.data.empty()) throw CLI::RequiredError("--data");
    if (!o->resume && o->config.steps == 0 && o->minutes == 0)
      throw CLI::RequiredError("--steps or --minutes");
    if (o->resume && rate->count() > 0) o->new_rate = o->config.rate;
    if (const int status = pretraining(*o)(); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace seed
