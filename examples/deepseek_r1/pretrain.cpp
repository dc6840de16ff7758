// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 pretrain: learns from prepared text, saves, resumes, and says what it reached.

#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include <dsr1/cpu.hpp>
#include <dsr1/data.hpp>
#include <dsr1/monitor.hpp>
#include <dsr1/optim.hpp>
#include <dsr1/train.hpp>

#include "commands.hpp"
#include "generation.hpp"
#include "run.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;
using context_type = dsr1::context<dsr1::cpu>;
using trainer_type = dsr1::trainer<context_type, model, dsr1::adamw>;

struct options {
  run_config config;
  std::string run;
  double minutes = 0;
  double save_minutes = 2;
  index_t save_steps = 0;
  int threads = 0;
  bool resume = false;
  std::string sample_prompt;
};

volatile std::sig_atomic_t interrupted = 0;
void on_signal(int) { interrupted = 1; }

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

dsr1::training_batch batch_of(const dsr1::packed_batch& b) {
  return {{b.inputs(), b.sequences()}, b.targets()};
}

/// Warm-up over a fiftieth, constant, then linear to zero over the last third.
dsr1::schedule schedule_of(const run_config& c) {
  return {.shape = dsr1::schedule_shape::wsd_linear,
          .warmup = std::max<index_t>(1, c.steps / 50),
          .total = c.steps,
          .decay = std::max<index_t>(1, c.steps / 3)};
}

/// Bits per byte of text over (at most `most`) targets of a data set.
double bits_per_byte(context_type&, trainer_type& trainer, const dsr1::dataset& data,
                     const run_config& c, index_t most,
                     const std::function<void(index_t)>& progress = {}) {
  dsr1::evaluation_pass pass(data, {.tokens = c.tokens, .length = c.length}, c.length / 4);
  dsr1::packed_batch batch(c.tokens);
  dsr1::token_loss total;
  while (total.tokens < most && pass.next(batch)) {
    total += trainer.evaluate(batch_of(batch));
    if (progress) progress(total.tokens);
    if (interrupted) break;
  }
  // The share of the data that was scored stands for the share of its bytes.
  const double bytes = static_cast<double>(data.bytes()) * static_cast<double>(total.tokens) /
                       static_cast<double>(data.targets());
  return total.sum / std::log(2.0) / bytes;
}

/// How many steps fit into the minutes: measured on a model that is thrown away.
index_t steps_for(double minutes, const run_config& c, const dsr1::dataset& data, int threads) {
  context_type ctx({.threads = threads, .seed = c.seed});
  model m = make(c.size, c.balance_rate);
  dsr1::initialize(ctx, m);
  trainer_type trainer(ctx, m);
  dsr1::training_loader loader(data, {.tokens = c.tokens, .length = c.length, .seed = c.seed});
  dsr1::packed_batch batch(c.tokens);
  double best = 1e9;
  for (int i = 0; i < 8; ++i) {
    const double start = seconds();
    loader.next(batch);
    const dsr1::training_batch one[] = {batch_of(batch)};
    trainer.step(one, 1e-4);
    if (i >= 2) best = std::min(best, seconds() - start);
  }
  // A tenth for evaluations, checkpoints and a machine that is not always this quick.
  return std::max<index_t>(10, static_cast<index_t>(0.9 * 60 * minutes / best));
}

void write_text(const fs::path& path, const std::string& text) {
  dsr1::atomic_file file(path);
  file.write(text);
  file.commit();
}

void draw_loss(const fs::path& run) {
  dsr1::curve_series loss{.name = "training loss", .points = {}, .smoothing = 0.95},
      held{.name = "held-out loss", .points = {}};
  for (const auto& r : dsr1::read_metrics((run / "metrics.jsonl").string())) {
    if (const double v = r.get("loss"); std::isfinite(v))
      loss.points.emplace_back(r.get("tokens"), v);
    if (const double v = r.get("held_out_loss"); std::isfinite(v))
      held.points.emplace_back(r.get("tokens"), v);
  }
  const dsr1::curve_series all[] = {loss, held};
  write_text(run / "loss.svg",
             dsr1::curve_svg(all, {.title = "Pre-training", .x = "tokens", .y = "nats per token"}));
}

/// The table of the finished run.
void report(std::ostream& out, const dsr1::data_manifest& manifest, double bits,
            const fs::path& run) {
  out << fmt::format("\nheld-out text: {} documents, {} bytes\n", manifest.held_out.documents,
                     manifest.held_out.bytes);
  out << fmt::format("  {:<28} {:>8}\n", "", "bits/byte");
  for (const auto& [name, value] : manifest.baselines.items())
    if (value.is_number()) out << fmt::format("  {:<28} {:>8.3f}\n", name, value.get<double>());
  out << fmt::format("  {:<28} {:>8.3f}\n", "this model", bits);
  dsr1::json result = {{"bits_per_byte", bits}, {"baselines", manifest.baselines}};
  write_text(run / "result.json", result.dump(2) + "\n");
}

int pretrain(options o) {
  const fs::path run = o.run;
  const bool exists = fs::exists(run / "run.json");
  dsr1::expects(!o.resume || exists, run.string(), " has no run.json; nothing to resume");
  dsr1::expects(o.resume || !exists, run.string(),
                " holds a run already; resume it with --resume, or choose another folder");
  if (o.resume) o.config = run_config::read(run);
  run_config& c = o.config;

  const auto manifest = dsr1::read_manifest(c.data);
  const dsr1::dataset train(manifest, manifest.train), held(manifest, manifest.held_out);
  if (!o.resume) {
    c.size = find_size(c.size_name)->size;
    c.size.vocab = manifest.vocab;
    if (c.steps == 0) {
      std::cout << "measuring the speed of a step ..." << std::endl;
      c.steps = steps_for(o.minutes, c, train, o.threads);
    }
    fs::create_directories(checkpoints_of(run));
    c.write(run);
  }

  context_type ctx({.threads = o.threads, .seed = c.seed});
  model m = make(c.size, c.balance_rate);
  dsr1::initialize(ctx, m);
  trainer_type trainer(ctx, m, dsr1::adamw{.weight_decay = {.value = c.weight_decay}});
  dsr1::training_loader loader(train, {.tokens = c.tokens, .length = c.length, .seed = c.seed});
  dsr1::packed_batch batch(c.tokens);
  index_t tokens = 0;
  const auto saved = dsr1::checkpoint::steps(checkpoints_of(run));
  if (o.resume && !saved.empty()) {
    const dsr1::json user = dsr1::checkpoint::load(
        ctx, dsr1::checkpoint::path_of(checkpoints_of(run), saved.back()), trainer);
    const dsr1::json_object state(user, "the checkpoint's state.json: \"user\"");
    loader.restore(dsr1::loader_state::from_json(state.object("loader")));
    tokens = state.get<index_t>("tokens");
    std::cout << fmt::format("resumed at step {} of {}\n", trainer.steps(), c.steps);
  }
  const auto save = [&] {
    return dsr1::checkpoint::save(ctx, checkpoints_of(run), trainer,
                                  {{"loader", loader.state().to_json()}, {"tokens", tokens}});
  };

  const auto n = dsr1::count_parameters(m, c.size.top_k);
  std::cout << fmt::format(
      "{} M parameters ({} M work on a token), {} steps of {} tokens, {} threads, {}\n",
      dsr1::fixed_text(1e-6 * static_cast<double>(n.total), 1),
      dsr1::fixed_text(1e-6 * static_cast<double>(n.active), 2), c.steps, c.tokens,
      ctx.device().pool().size(), dsr1::name_of(ctx.device().instructions()));
  const dsr1::terminal terminal = dsr1::terminal_of(STDOUT_FILENO);
  dsr1::metrics_log metrics((run / "metrics.jsonl").string(), o.resume ? trainer.steps() : -1);
  dsr1::progress progress(std::cout, terminal,
                          {.title = "pretrain", .total = c.steps, .begin = trainer.steps()});
  const dsr1::schedule schedule = schedule_of(c);
  const index_t evaluate_every = std::max<index_t>(1, c.steps / 10);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);

  double last_save = seconds(), last_step = seconds();
  while (trainer.steps() < c.steps && !interrupted) {
    loader.next(batch);
    const dsr1::training_batch one[] = {batch_of(batch)};
    dsr1::step_report r;
    try {
      r = trainer.step(one, c.rate * schedule(trainer.steps()));
    } catch (const dsr1::error& e) {
      progress.finish();
      const auto good = dsr1::checkpoint::steps(checkpoints_of(run));
      throw dsr1::error(
          dsr1::text(e.what(),
                     good.empty()
                         ? "; no checkpoint yet"
                         : dsr1::text("; the last good checkpoint is of step ", good.back(),
                                      ": lower --rate, or resume from it with --resume")),
          e.at());
    }
    tokens += r.tokens;
    const double now = seconds();
    metrics.write(r.step, {{"tokens", static_cast<double>(tokens)},
                           {"loss", r.loss},
                           {"rate", r.rate},
                           {"gradient_norm", r.gradient_norm},
                           {"max_violation", r.max_violation},
                           {"tokens_per_s", static_cast<double>(c.tokens) / (now - last_step)}});
    last_step = now;
    progress.update({.done = r.step,
                     .amount = static_cast<double>(r.tokens),
                     .loss = r.loss,
                     .note = fmt::format("MaxVio {:.2f}", r.max_violation)});
    if (r.step % evaluate_every == 0 && r.step < c.steps) {
      const double bits = bits_per_byte(ctx, trainer, held, c, 50'000);
      const double nats = bits * std::log(2.0) * static_cast<double>(held.bytes()) /
                          static_cast<double>(held.targets());
      metrics.write(r.step, {{"tokens", static_cast<double>(tokens)},
                             {"held_out_loss", nats},
                             {"held_out_bits_per_byte", bits}});
      progress.say(fmt::format("step {}: {:.3f} bits per byte on (part of) the held-out text",
                               r.step, bits));
      trainer.load().clear();
    }
    const bool due =
        o.save_steps > 0 ? r.step % o.save_steps == 0 : seconds() - last_save > 60 * o.save_minutes;
    if (due && r.step < c.steps) {
      save();
      last_save = seconds();
    }
  }
  progress.finish();
  save();
  if (interrupted) {
    std::cout << fmt::format(
        "interrupted at step {}; saved. Go on with: deepseek_r1 pretrain --out {} --resume\n",
        trainer.steps(), o.run);
    return 130;
  }

  dsr1::progress scoring(std::cout, terminal, {.title = "evaluate", .total = held.targets()});
  index_t before = 0;
  const double bits = bits_per_byte(ctx, trainer, held, c, held.targets(), [&](index_t done) {
    scoring.update(
        {.done = done, .amount = static_cast<double>(done - std::exchange(before, done))});
  });
  scoring.finish();
  report(std::cout, manifest, bits, run);
  draw_loss(run);
  std::cout << "\n"
            << dsr1::heat_map_text(trainer.load(), terminal,
                                   "load of the experts over the last steps")
            << "\n";
  write_text(run / "experts.svg", dsr1::heat_map_svg(trainer.load()));

  std::cout << "a sample:\n\n" << std::flush;
  const tokenizer words((fs::path(c.data) / manifest.tokenizer).string());
  generate_text(std::cout, ctx, m, c, words,
                {.prompt = o.sample_prompt,
                 .tokens = 200,
                 .end = manifest.end_of_document,
                 .sampling = {.temperature = 0.7, .top_p = 0.9, .seed = c.seed}});
  std::cout << fmt::format(
      "\npictures: {0}/loss.svg, {0}/experts.svg; numbers: {0}/metrics.jsonl, {0}/result.json\n",
      o.run);
  return 0;
}

}  // namespace

void add_pretrain(CLI::App& app) {
  auto o = std::make_shared<options>();
  CLI::App* sub = app.add_subcommand("pretrain", "Learns from prepared text");
  sub->add_option("--data", o->config.data, "folder that prepare wrote")
      ->check(CLI::ExistingDirectory);
  sub->add_option("--out", o->run, "folder of the run")->required();
  std::vector<std::string> names;
  for (const named_size& s : sizes) names.emplace_back(s.name);
  sub->add_option("--size", o->config.size_name, "size of the model (see info)")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  auto* steps =
      sub->add_option("--steps", o->config.steps, "number of steps")->check(CLI::PositiveNumber);
  sub->add_option("--minutes", o->minutes, "as many steps as fit into this time")
      ->check(CLI::PositiveNumber)
      ->excludes(steps);
  sub->add_option("--tokens", o->config.tokens, "tokens of a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--length", o->config.length, "longest sequence")
      ->check(CLI::Range(4, 16'384))
      ->capture_default_str();
  sub->add_option("--rate", o->config.rate, "peak learning rate")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--weight-decay", o->config.weight_decay)
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  sub->add_option("--balance-rate", o->config.balance_rate, "step of the balance bias")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  sub->add_option("--seed", o->config.seed)->capture_default_str();
  sub->add_option("--threads", o->threads, "0: all")->check(CLI::NonNegativeNumber);
  sub->add_option("--save-minutes", o->save_minutes, "time between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  sub->add_option("--save-steps", o->save_steps, "steps between checkpoints, instead of time")
      ->check(CLI::PositiveNumber);
  sub->add_option("--sample", o->sample_prompt, "prompt of the sample at the end");
  sub->add_flag("--resume", o->resume, "goes on with the newest checkpoint of the run");
  sub->callback([o] {
    if (!o->resume && o->config.data.empty()) throw CLI::RequiredError("--data");
    if (!o->resume && o->config.steps == 0 && o->minutes == 0)
      throw CLI::RequiredError("--steps or --minutes");
    if (const int status = pretrain(*o); status != 0) std::exit(status);
  });
}

}  // namespace seed
