// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The sub-commands of the program; each has a source file of its own and adds itself to the
// options.
#pragma once

#include <CLI/CLI.hpp>

namespace seed {

/// All of them.
void add_commands(CLI::App& app);

void add_prepare(CLI::App& app);
void add_baselines(CLI::App& app);
void add_pretrain(CLI::App& app);
void add_examples(CLI::App& app);
void add_sft(CLI::App& app);
void add_rl(CLI::App& app);
void add_sample(CLI::App& app);
void add_run(CLI::App& app);
void add_generate(CLI::App& app);
void add_export(CLI::App& app);
void add_info(CLI::App& app);

}  // namespace seed
