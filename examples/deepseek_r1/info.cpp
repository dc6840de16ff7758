// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 info: what the sizes of the model cost, and what a run holds.

#include <iostream>

#include <fmt/format.h>

#include <dsr1/io/safetensors.hpp>
#include <dsr1/train/checkpoint.hpp>

#include "commands.hpp"
#include "run.hpp"

namespace seed {
namespace {

std::string gigabytes(index_t bytes) {
  return bytes < 1'000'000'000 ? fmt::format("{:.1f} MB", 1e-6 * static_cast<double>(bytes))
                               : fmt::format("{:.1f} GB", 1e-9 * static_cast<double>(bytes));
}

std::string count(index_t n) {
  return n < 1'000'000'000 ? fmt::format("{:.2f} M", 1e-6 * static_cast<double>(n))
                           : fmt::format("{:.2f} B", 1e-9 * static_cast<double>(n));
}

/// One row of the table, every number a constant of the compiler.
template <std::size_t I>
void row() {
  constexpr model_size s = sizes[I].size;
  constexpr index_t total = s.parameters(), active = s.active_parameters(),
                    training = s.training_bytes();
  constexpr index_t cache = s.cache_bytes(16'384), sent = s.gradient_traffic(),
                    sent8 = s.gradient_traffic_int8();
  fmt::print("{:<8} {:<22} {:>10} {:>10} {:>11} {:>11} {:>11} {:>11}\n", sizes[I].name,
             sizes[I].purpose, count(total), count(active), gigabytes(training), gigabytes(cache),
             gigabytes(sent), gigabytes(sent8));
}

void info(const std::string& run) {
  if (run.empty()) {
    fmt::print("{:<8} {:<22} {:>10} {:>10} {:>11} {:>11} {:>11} {:>11}\n", "size", "for",
               "parameters", "active", "training", "cache, 16K", "sent, fp32", "sent, int8");
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (row<I>(), ...);
    }(std::make_index_sequence<sizes.size()>());
    fmt::print(
        "\n128 experts, top-4. training: fp32 weights, gradients, optimizer states; cache: keys "
        "and "
        "values of one sequence of 16,384\n"
        "tokens; sent: bytes per step and rank to all-reduce the gradient over many ranks.\n");
    return;
  }
  const auto c = run_config::read(run);
  const auto steps = dsr1::checkpoint::steps(checkpoints_of(run));
  fmt::print("{}: size {}, {} of {} steps of {} tokens, data {}\n", run, c.size_name,
             steps.empty() ? 0 : steps.back(), c.steps, c.tokens, c.data);
  fmt::print("  {} parameters, {} work on a token; {} to train, {} cache at 16K\n",
             count(c.size.parameters()), count(c.size.active_parameters()),
             gigabytes(c.size.training_bytes()), gigabytes(c.size.cache_bytes(16'384)));
  if (steps.empty()) return;
  const auto path = dsr1::checkpoint::path_of(checkpoints_of(run), steps.back());
  const dsr1::safetensors file((path / "model.safetensors").string());
  index_t numbers = 0, trained = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    numbers += tensor.size();
    if (!name.ends_with(".balance")) trained += tensor.size();
  }
  fmt::print("  newest checkpoint: step {}, {} tensors, {} numbers, {} of them trained\n",
             steps.back(), file.tensors().size(), count(numbers), count(trained));
  dsr1::expects(trained == c.size.parameters(), path.string(), " holds ", trained,
                " trained numbers, the size says ", c.size.parameters());
}

}  // namespace

void add_info(CLI::App& app) {
  auto run = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("info", "What the sizes of the model cost; what a run holds");
  sub->add_option("run", *run, "folder of a run")->check(CLI::ExistingDirectory);
  sub->callback([run] { info(*run); });
}

}  // namespace seed
