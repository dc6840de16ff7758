// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Trains on a GPU, and evaluates on the CPU what was saved there. Compiled as CUDA.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <dsr1/cuda.cuh>

#include "tiny.hpp"

namespace {

double loss_of(auto& trainer) {
  const auto ids = tiny::bytes(0, 129);
  return trainer
      .evaluate(
          {{tiny::view_of(ids, 0, 128), dsr1::sequence_layout(128)}, tiny::view_of(ids, 1, 128)})
      .mean();
}

int run(int steps) {
  const auto folder = std::filesystem::temp_directory_path() / "dsr1-example-14";
  std::filesystem::remove_all(folder);

  // [gpu]
  dsr1::context<dsr1::cuda> gpu({.seed = 1});
  tiny::model model;
  dsr1::initialize(gpu, model);
  dsr1::trainer trainer(gpu, model);
  const dsr1::schedule rate{.warmup = 10, .total = 500};
  for (int i = 0; i < steps; ++i) {
    const auto ids = tiny::bytes(static_cast<std::size_t>(i) * 97, 129);
    const dsr1::training_batch batch[] = {
        {{tiny::view_of(ids, 0, 128), dsr1::sequence_layout(128)}, tiny::view_of(ids, 1, 128)}};
    const dsr1::step_report r = trainer.step(batch, 3e-3 * rate(trainer.steps()));
    if (r.step % 50 == 1) std::printf("step %3td  loss %.3f\n", r.step, r.loss);
  }
  dsr1::checkpoint::save(gpu, folder, trainer, {});

  dsr1::context<dsr1::cpu> cpu;
  tiny::model same;
  dsr1::initialize(cpu, same);
  dsr1::trainer on_cpu(cpu, same);
  dsr1::checkpoint::load(cpu, dsr1::checkpoint::path_of(folder, steps), on_cpu);
  const double there = loss_of(trainer), here = loss_of(on_cpu);
  // [/gpu]

  std::filesystem::remove_all(folder);
  std::printf("loss %.5f on the GPU, %.5f on the CPU\n", there, here);
  const bool ok = std::abs(there - here) < 1e-4 * here && here < std::log(256.0);
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? std::atoi(argv[1]) : 300);
  } catch (const dsr1::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
