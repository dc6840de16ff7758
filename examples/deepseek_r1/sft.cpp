// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 sft: supervised fine-tuning, by examples of prompts and answers.

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "commands.hpp"
#include "fine_tuning.hpp"
#include "ranks.hpp"
#include "report.hpp"
#include "training_run.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;

struct sft_options {
  training_options training;
  fine_tuning tuning;
  std::string from;   ///< run to begin with
  index_t step = -1;  ///< its checkpoint; -1: the newest
  std::string form;   ///< file of the template
};

class fine_tuning_run final : public training_run {
 public:
  fine_tuning_run(const sft_options& o, dsr1::rank_group& group)
      : training_run(o.training, group), asked_(o), tuning_(o.tuning) {}

 private:
  void open() override {
    if (options().resume) {
      const auto o = dsr1::json_object::read(folder() / "run.json");
      tuning_ = fine_tuning::from_json(o.object("fine_tuning"));
      if (!tuning_.from.empty() && dsr1::checkpoint::steps(checkpoints_of(folder())).empty())
        dsr1::expects(hash_of(tuning_.from) == tuning_.from_hash, tuning_.from,
                      " is another checkpoint than the run began with, whose hash is ",
                      tuning_.from_hash);
    } else {
      begin_new();
    }
    const dsr1::data_manifest manifest = read_data_of(config());
    words_.emplace(tokenizer_of(manifest));
    data_.emplace(read_examples(tuning_, *words_, config().length));
    const std::string hash = data_->hash();
    if (options().resume)
      dsr1::expects(hash == tuning_.hash, tuning_.examples,
                    " holds other examples than the run began with: their hash is ", hash,
                    ", the run's is ", tuning_.hash);
    tuning_.hash = hash;
    if (!options().resume && tuning_.epochs > 0)
      config().steps = dsr1::example_loader(data_->train, loading()).batches(tuning_.epochs);
    if (tuning_.evaluate_steps == 0)
      tuning_.evaluate_steps = std::max<index_t>(1, config().steps / 10);
    stop_ = dsr1::early_stop(tuning_.stop);
  }

  /// What a new run takes from the run that it goes on from, or from the options.
  void begin_new() {
    if (!asked_.from.empty()) {
      const run_config base = run_config::read(asked_.from);
      config().data = base.data;
      config().data_hash = base.data_hash;
      config().size_name = base.size_name;
      config().size = base.size;
      const fs::path from = checkpoint_of(asked_.from, asked_.step);
      tuning_.from = fs::absolute(from).lexically_normal().string();
      tuning_.from_hash = hash_of(from);
    } else {
      config().data = fs::absolute(config().data).lexically_normal().string();
      const dsr1::data_manifest manifest = dsr1::read_manifest(config().data);
      config().data_hash = data_hash_of(manifest);
      config().size = find_size(config().size_name)->size;
      config().size.vocab = manifest.vocab;
    }
    config().length = std::min(config().length, config().tokens);
    if (!asked_.form.empty()) tuning_.form = dsr1::chat_template::read(asked_.form);
    for (std::string* path : {&tuning_.examples, &tuning_.validation})
      if (!path->empty()) *path = fs::absolute(*path).lexically_normal().string();
  }

  static std::string hash_of(const fs::path& checkpoint) {
    return dsr1::hash_text(dsr1::hash_of_file((checkpoint / "model.safetensors").string()));
  }

  dsr1::json described() override {
    dsr1::json all = config().to_json();
    all["fine_tuning"] = tuning_.to_json();
    return all;
  }

  dsr1::example_loader_options loading() {
    return {.tokens = config().tokens, .seed = config().seed};
  }

  std::unique_ptr<batch_source> batches() override {
    return std::make_unique<loader_source<dsr1::example_loader>>(data_->train, loading());
  }

  fs::path weights() override { return tuning_.from; }

  bool due(index_t step) override {
    return data_->validation.size() > 0 &&
           (step % tuning_.evaluate_steps == 0 || step == config().steps);
  }

  void evaluate(index_t step, dsr1::progress& bar, dsr1::metrics_log* metrics) override {
    const dsr1::token_loss sum = trained().evaluate(data_->validation);
    loss_ = sum.sum / static_cast<double>(sum.tokens);
    const bool best = stop_.add(step, loss_);
    if (metrics)
      metrics->write(
          step, {{"tokens", static_cast<double>(trained().tokens())}, {"validation_loss", loss_}});
    bar.say(fmt::format("step {}: validation loss {:.4f}{}", step, loss_,
                        best ? ", the best so far" : ""));
    if (best) keep_best();
  }

  bool enough() override { return stop_.over(); }

  dsr1::json state() override { return {{"early_stop", stop_.to_json()}, {"loss", loss_}}; }

  void restore(const dsr1::json_object& o) override {
    stop_.restore(o.object("early_stop"));
    loss_ = o.get<double>("loss");
    // What was best after this checkpoint has not happened.
    if (!main()) return;
    for (const index_t step : dsr1::checkpoint::steps(checkpoints_of(best())))
      if (step > stop_.best_step())
        fs::remove_all(dsr1::checkpoint::path_of(checkpoints_of(best()), step));
  }

  /// The run at its best is a run too: every command that reads one takes this folder.
  fs::path best() const { return folder() / "best"; }

  void keep_best() {
    dsr1::on_all_ranks(group(), "keeping the best weights", [&] {
      if (!main()) return;
      fs::create_directories(checkpoints_of(best()));
      dsr1::write_file(best() / "run.json", described().dump(2) + "\n");
    });
    trained().save(checkpoints_of(best()), state(), 1);
  }

  int finish() override {
    if (enough())
      out() << fmt::format("stopped early: {} evaluations without an improvement\n",
                           stop_.without_improvement());
    const auto n = dsr1::count_parameters(trained().network(), config().size.top_k);
    if (main()) {
      dsr1::json result = {{"steps", trained().steps()},
                           {"tokens", trained().tokens()},
                           {"parameters", n.total},
                           {"examples", data_->train.size()},
                           {"validation_examples", data_->validation.size()},
                           {"max_violation", trained().load().max_violation()}};
      if (stop_.best_step() >= 0) {
        result["validation_loss"] = loss_;
        result["best_step"] = stop_.best_step();
        result["best_validation_loss"] = stop_.best();
      }
      dsr1::write_file(folder() / "result.json", result.dump(2) + "\n");
      draw(folder(), trained().load(),
           {.title = "Fine-tuning: loss on answers",
            .evaluated = "validation",
            .key = "validation_loss"});
      print_load(out(), screen(), trained().load());
    }
    say_examples();
    if (stop_.best_step() >= 0)
      out() << fmt::format("\nBest: step {}, validation loss {:.4f}, in {}\n", stop_.best_step(),
                           stop_.best(), best().string());
    samples();
    out() << fmt::format(
        "\nFiles in {}: loss.svg, experts.svg, result.json, metrics.jsonl, checkpoints/{}\n",
        options().run, stop_.best_step() >= 0 ? ", best/" : "");
    return 0;
  }

  void say_examples() {
    const dsr1::example_set& t = data_->train;
    out() << fmt::format("\n{} examples, {} of their {} tokens learned; {} for validation",
                         t.size(), t.targets(), t.rows(), data_->validation.size());
    if (t.cut() > 0) out() << fmt::format("; {} cut, {} left out", t.cut(), t.left_out());
    out() << "\n";
  }

  void samples() {
    const token_codec codec(*words_);
    const dsr1::dialogue_encoder encode(codec, tuning_.form);
    std::vector<std::string> prompts = options().prompts;
    if (prompts.empty()) prompts.push_back(data_->prompt);
    for (const std::string& prompt : prompts)
      sample(*words_, {.prompt = prompt,
                       .ids = encode.prompt({{dsr1::chat_role::user, prompt}}),
                       .tokens = 160,
                       .end = encode.end(),
                       .sampling = {.temperature = 0}});
  }

  sft_options asked_;
  fine_tuning tuning_;
  std::optional<tokenizer> words_;
  std::optional<fine_tuning_data> data_;
  dsr1::early_stop stop_;
  double loss_ = 0;
};

}  // namespace

void add_sft(CLI::App& app) {
  auto o = std::make_shared<sft_options>();
  run_config& config = o->training.config;
  config.stage = "sft";
  config.rate = 1e-3;
  config.weight_decay = 0;
  config.balance_rate = 0.01;
  CLI::App* sub = app.add_subcommand("sft", "Fine-tunes a run by examples of prompts and answers");
  auto flags = std::make_shared<training_flags>(*sub, o->training);
  CLI::Option* from = flags->fixed(sub->add_option("--from", o->from, "run to begin with"))
                          ->check(CLI::ExistingDirectory);
  flags->fixed(sub->add_option("--step", o->step, "its checkpoint of this step, not the newest"))
      ->check(CLI::NonNegativeNumber)
      ->needs(from);
  flags
      ->fixed(sub->add_option("--data", config.data,
                              "folder that prepare wrote: begins from nothing with its tokenizer"))
      ->excludes(from);
  flags->fixed(sub->add_option("--size", config.size_name, "size of the model, with --data"))
      ->check(CLI::IsMember(size_names()))
      ->capture_default_str()
      ->excludes(from);
  flags->fixed(sub->add_option("--examples", o->tuning.examples, "file of dialogues, JSON lines"));
  CLI::Option* validation = flags->fixed(
      sub->add_option("--validation", o->tuning.validation, "another such file, not trained on"));
  flags
      ->fixed(sub->add_option("--validation-share", o->tuning.share,
                              "or this share of the prompts; 0: no validation"))
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str()
      ->excludes(validation);
  flags->fixed(sub->add_option("--template", o->form, "JSON file of what stands around the texts"))
      ->check(CLI::ExistingFile);
  flags->fixed(sub->add_flag("--cut", o->tuning.cut, "cuts examples that are too long"));
  CLI::Option* epochs =
      flags->fixed(sub->add_option("--epochs", o->tuning.epochs, "times to read the examples"))
          ->check(CLI::PositiveNumber);
  flags->fixed(sub->add_option("--steps", config.steps, "number of steps"))
      ->check(CLI::PositiveNumber)
      ->excludes(epochs);
  flags
      ->fixed(sub->add_option("--evaluate-steps", o->tuning.evaluate_steps,
                              "steps between evaluations, instead of ten in all"))
      ->check(CLI::PositiveNumber);
  flags
      ->fixed(sub->add_option("--patience", o->tuning.stop.patience,
                              "evaluations without an improvement that end the run; 0: never"))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  flags->fixed(sub->add_option("--least", o->tuning.stop.least, "what counts as an improvement"))
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  sub->callback([o, flags, &app] {
    flags->settle(app.get_name());
    training_options& t = o->training;
    if (!t.resume && o->from.empty() && t.config.data.empty())
      throw CLI::RequiredError("--from or --data");
    if (!t.resume && o->tuning.examples.empty()) throw CLI::RequiredError("--examples");
    if (!t.resume && t.config.steps == 0 && o->tuning.epochs == 0)
      throw CLI::RequiredError("--epochs or --steps");
    const int status =
        on_ranks(t.ranks, [&](dsr1::rank_group& group) { return fine_tuning_run(*o, group)(); });
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace seed
