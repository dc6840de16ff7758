// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tables and pictures of a finished run.

#include "report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/monitor.hpp>

namespace seed {
namespace {

namespace fs = std::filesystem;

/// 1234567 as 1,234,567.
std::string grouped(dsr1::index_t n) {
  std::string s = std::to_string(n);
  for (std::size_t i = s.size(); i > 3; i -= 3) s.insert(i - 3, ",");
  return s;
}

void print_table(std::ostream& out, const dsr1::terminal& where,
                 const dsr1::data_manifest& manifest, const outcome& o) {
  struct row {
    std::string name, how;
    double bits;
  };
  std::vector<row> rows;
  const auto baseline = [&](const char* key, const char* name, const char* how) {
    if (manifest.baselines.contains(key) && manifest.baselines[key].is_number())
      rows.push_back({name, how, manifest.baselines[key].get<double>()});
    else
      rows.push_back({name, "not measured: the program is missing", std::nan("")});
  };
  baseline("unigram", "unigram model", "token frequencies of the training text");
  baseline("gzip_9", "gzip -9", "all held-out documents as one stream");
  baseline("xz_9", "xz -9", "all held-out documents as one stream");
  rows.push_back({"this model", "each held-out document by itself", o.bits_per_byte});
  double most = 0;
  for (const row& r : rows)
    if (std::isfinite(r.bits)) most = std::max(most, r.bits);
  out << fmt::format(
      "\nBits per byte of held-out text ({} documents, {} bytes, none of them trained on)\n\n",
      grouped(manifest.held_out.documents), grouped(manifest.held_out.bytes));
  for (const row& r : rows) {
    std::string bar;
    if (std::isfinite(r.bits))
      for (int i = 0; i < std::lround(24 * r.bits / most); ++i)
        bar += where.unicode ? "\u2587" : "=";
    bar += std::string(static_cast<std::size_t>(24 - dsr1::display_width(bar)), ' ');
    out << fmt::format("  {:<14} {:>6}  {}  {}\n", r.name,
                       std::isfinite(r.bits) ? fmt::format("{:.3f}", r.bits) : "-", bar, r.how);
  }
  out << "\n";
  for (const row& r : rows)
    if (r.name != "this model" && std::isfinite(r.bits))
      out << fmt::format("  {} % {} bits than {}\n",
                         dsr1::fixed_text(100 * std::abs(1 - o.bits_per_byte / r.bits), 1),
                         o.bits_per_byte < r.bits ? "fewer" : "MORE", r.name);
}

}  // namespace

void draw(const fs::path& run, const dsr1::load_matrix& load, const loss_picture& what) {
  dsr1::curve_series loss{.name = "training", .points = {}, .smoothing = 0.95},
      evaluated{.name = what.evaluated, .points = {}};
  for (const auto& r : dsr1::read_metrics((run / "metrics.jsonl").string())) {
    if (const double v = r.get("loss"); std::isfinite(v))
      loss.points.emplace_back(r.get("tokens"), v);
    if (const double v = r.get(what.key); std::isfinite(v))
      evaluated.points.emplace_back(r.get("tokens"), v);
  }
  const dsr1::curve_series all[] = {loss, evaluated};
  dsr1::write_file(
      run / "loss.svg",
      dsr1::curve_svg(all, {.title = what.title, .x = "tokens", .y = "nats per token"}));
  dsr1::write_file(run / "experts.svg", dsr1::heat_map_svg(load));
}

void print_load(std::ostream& out, const dsr1::terminal& where, const dsr1::load_matrix& load) {
  out << "\nLoad of the experts over the last steps\n\n"
      << dsr1::heat_map_text(load, where) << std::flush;
}

void report(std::ostream& out, const dsr1::terminal& where, const dsr1::data_manifest& manifest,
            const outcome& o, const fs::path& run) {
  const dsr1::json result = {
      {"bits_per_byte", o.bits_per_byte},
      {"baselines", manifest.baselines},
      {"held_out",
       {{"documents", manifest.held_out.documents}, {"bytes", manifest.held_out.bytes}}},
      {"steps", o.steps},
      {"tokens", o.tokens},
      {"parameters", o.parameters},
      {"max_violation", o.load->max_violation()}};
  dsr1::write_file(run / "result.json", result.dump(2) + "\n");
  draw(run, *o.load,
       {.title = "Pre-training: loss", .evaluated = "held-out", .key = "held_out_loss"});
  print_table(out, where, manifest, o);
  print_load(out, where, *o.load);
}

}  // namespace seed
