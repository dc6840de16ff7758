// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 pretrain: learns from prepared text, saves, resumes, and says what it reached.

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "commands.hpp"
#include "ranks.hpp"
#include "report.hpp"
#include "training_run.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;

class pretraining final : public training_run {
 public:
  using training_run::training_run;

 private:
  void open() override {
    if (options().resume) {
      manifest_ = read_data_of(config());
    } else {
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
  }

  std::unique_ptr<batch_source> batches() override {
    return std::make_unique<loader_source<dsr1::training_loader>>(
        *train_, dsr1::loader_options{
                     .tokens = config().tokens, .length = config().length, .seed = config().seed});
  }

  bool due(index_t step) override {
    return step > 0 && step % std::max<index_t>(1, config().steps / 10) == 0 &&
           step < config().steps;
  }

  void evaluate(index_t step, dsr1::progress& bar, dsr1::metrics_log* metrics) override {
    // What the ten evaluations on the way read is about a tenth of what the training does.
    const index_t scored = std::clamp<index_t>(config().steps * config().tokens / 100, 1, 50'000);
    const dsr1::token_loss loss = trained().evaluate(*held_out_, scored);
    const double bits = bits_per_byte(loss, *held_out_);
    if (metrics)
      metrics->write(step, {{"tokens", static_cast<double>(trained().tokens())},
                            {"held_out_loss", loss.sum / static_cast<double>(loss.tokens)},
                            {"held_out_bits_per_byte", bits}});
    bar.say(
        fmt::format("step {}: {:.3f} bits per byte on a part of the held-out text", step, bits));
  }

  int finish() override {
    const auto bits = score();
    if (!bits) return stopped("the training is done; its evaluation was stopped");
    const auto n = dsr1::count_parameters(trained().network(), config().size.top_k);
    if (main())
      report(out(), screen(), manifest_,
             {.bits_per_byte = *bits,
              .steps = trained().steps(),
              .tokens = trained().tokens(),
              .parameters = n.total,
              .load = &trained().load()},
             folder());
    std::vector<std::string> prompts = options().prompts;
    if (prompts.empty()) prompts.emplace_back();
    for (const std::string& prompt : prompts)
      sample(*words_, {.prompt = prompt,
                       .tokens = 160,
                       .end = manifest_.end_of_document,
                       .sampling = {.temperature = 0.7, .top_p = 0.9, .seed = config().seed}});
    out() << fmt::format(
        "\nFiles in {}: loss.svg, experts.svg, result.json, metrics.jsonl, checkpoints/\n",
        options().run);
    return 0;
  }

  /// Bits per byte over all held-out text; nothing when interrupted.
  std::optional<double> score() {
    dsr1::progress bar(out(), screen(), {.title = "score", .total = held_out_->targets()});
    index_t before = 0;
    const dsr1::token_loss loss =
        trained().evaluate(*held_out_, held_out_->targets(), [&](index_t done) {
          bar.update(
              {.done = done, .amount = static_cast<double>(done - std::exchange(before, done))});
          return !stopping();
        });
    bar.finish();
    if (loss.tokens < held_out_->targets()) return {};
    return bits_per_byte(loss, *held_out_);
  }

  dsr1::data_manifest manifest_;
  std::optional<tokenizer> words_;
  std::optional<dsr1::dataset> train_, held_out_;
};

}  // namespace

void add_pretrain(CLI::App& app) {
  auto o = std::make_shared<training_options>();
  CLI::App* sub = app.add_subcommand("pretrain", "Learns from prepared text");
  auto flags = std::make_shared<training_flags>(*sub, *o);
  flags->fixed(sub->add_option("--data", o->config.data, "folder that prepare wrote"));
  flags->fixed(sub->add_option("--size", o->config.size_name, "size of the model (see info)"))
      ->check(CLI::IsMember(size_names()))
      ->capture_default_str();
  CLI::Option* steps = flags->fixed(sub->add_option("--steps", o->config.steps, "number of steps"))
                           ->check(CLI::PositiveNumber);
  flags->fixed(sub->add_option("--minutes", o->minutes, "as many steps as fit into this time"))
      ->check(CLI::PositiveNumber)
      ->excludes(steps);
  sub->callback([o, flags, &app] {
    flags->settle(app.get_name());
    if (!o->resume && o->config.data.empty()) throw CLI::RequiredError("--data");
    if (!o->resume && o->config.steps == 0 && o->minutes == 0)
      throw CLI::RequiredError("--steps or --minutes");
    const int status =
        on_ranks(o->ranks, [&](dsr1::rank_group& group) { return pretraining(*o, group)(); });
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace seed
