// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Trains a model, saves it half way, and shows that the resumed run ends with the same bits.

#include <cstdio>
#include <filesystem>

#include "tiny.hpp"

namespace {

// [train]
/// Steps until the trainer has done `last` of them.
template <class Trainer>
double train_until(Trainer& trainer, dsr1::index_t last) {
  const dsr1::schedule rate{.warmup = 10, .total = 120};
  dsr1::step_report report;
  while (trainer.steps() < last) {
    // Two sequences of 64 bytes; the next byte is the target.
    const auto ids = tiny::bytes(static_cast<std::size_t>(trainer.steps()) * 97, 129);
    const dsr1::sequence rows[] = {{.begin = 0, .length = 64}, {.begin = 64, .length = 64}};
    const dsr1::training_batch batch[] = {
        {{tiny::view_of(ids, 0, 128), dsr1::sequence_layout(rows)}, tiny::view_of(ids, 1, 128)}};
    report = trainer.step(batch, 3e-3 * rate(trainer.steps()));
    if (report.step % 20 == 0)
      std::printf("step %3td  loss %.3f  gradient norm %.2f  busiest expert +%.0f %%\n",
                  report.step, report.loss, report.gradient_norm, 100 * report.max_violation);
  }
  return report.loss;
}
// [/train]

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "dsr1-example-04";
  std::filesystem::remove_all(folder);

  // [checkpoint]
  // [trainer]
  dsr1::context<dsr1::cpu> ctx({.seed = 1});
  tiny::model model;
  dsr1::initialize(ctx, model);
  dsr1::trainer trainer(ctx, model, dsr1::adamw{.weight_decay = {.value = 0.01}});
  // [/trainer]
  train_until(trainer, 60);
  dsr1::checkpoint::save(ctx, folder, trainer, {{"note", "half way"}});
  const double loss = train_until(trainer, 120);

  tiny::model other;
  dsr1::initialize(ctx, other);
  dsr1::trainer resumed(ctx, other, dsr1::adamw{.weight_decay = {.value = 0.01}});
  dsr1::checkpoint::load(ctx, dsr1::checkpoint::path_of(folder, 60), resumed);
  const double again = train_until(resumed, 120);
  // [/checkpoint]

  std::filesystem::remove_all(folder);
  const bool ok = loss == again && loss < 1.0;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
