// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1: the reference system as one program. Each sub-command has a source file of its own.

#include <cstdio>

#include <dsr1/core/version.hpp>

#include "commands.hpp"

int main(int argc, char** argv) {
  CLI::App app("deepseek_r1: a mixture-of-experts language model from text to text");
  app.require_subcommand(1);
  constexpr dsr1::version v;
  app.set_version_flag("--version", std::to_string(v.major) + "." + std::to_string(v.minor) + "." +
                                        std::to_string(v.patch));
  seed::add_prepare(app);
  seed::add_baselines(app);
  seed::add_pretrain(app);
  seed::add_generate(app);
  seed::add_info(app);
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
