// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1: the reference system as one program. Each sub-command has a source file of its own.

#include <cstdio>

#include <dsr1/core/version.hpp>

#include "commands.hpp"

void seed::add_commands(CLI::App& app) {
  app.require_subcommand(1);
  add_prepare(app);
  add_baselines(app);
  add_pretrain(app);
  add_examples(app);
  add_sft(app);
  add_rl(app);
  add_sample(app);
  add_run(app);
  add_generate(app);
  add_export(app);
  add_info(app);
}

int main(int argc, char** argv) {
  CLI::App app("deepseek_r1: a mixture-of-experts language model from text to text");
  constexpr dsr1::version v;
  app.set_version_flag("--version", std::to_string(v.major) + "." + std::to_string(v.minor) + "." +
                                        std::to_string(v.patch));
  seed::add_commands(app);
  try {
    app.parse(argc, argv);  // runs the sub-command
    return 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "deepseek_r1: %s\n", e.what());
    return 1;
  }
}
