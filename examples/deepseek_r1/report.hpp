// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a finished run shows: figures against the baselines, pictures, files.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>

#include <dsr1/data/manifest.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/monitor/terminal.hpp>

namespace seed {

struct outcome {
  double bits_per_byte = 0;  ///< over all held-out text
  dsr1::index_t steps = 0, tokens = 0, parameters = 0;
  const dsr1::load_matrix* load = nullptr;  ///< over the last steps
};

/// What the picture of a run's losses shows.
struct loss_picture {
  std::string title;
  std::string evaluated;  ///< name of the second curve ...
  std::string key;        ///< ... and of its numbers in metrics.jsonl
};

/// Writes loss.svg (from metrics.jsonl) and experts.svg into the folder of the run.
void draw(const std::filesystem::path& run, const dsr1::load_matrix& load,
          const loss_picture& what);

/// Prints the heat map of the experts' load.
void print_load(std::ostream& out, const dsr1::terminal& where, const dsr1::load_matrix& load);

/// Prints the table of bits per byte and the heat map of the experts' load, and writes result.json
/// and the pictures into the folder of the run.
void report(std::ostream& out, const dsr1::terminal& where, const dsr1::data_manifest& manifest,
            const outcome& o, const std::filesystem::path& run);

}  // namespace seed
