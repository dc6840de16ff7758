// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// bench_generate DIR: opening, prefill and decoding of a checkpoint whose weights stay as they are
// stored, beside what the machine's memory can do.
//
// Token ids are random and the same in every run. A step of decoding reads the weights that the
// program's own products asked for, counted call by call; `of_read_best` is the share of the best
// read bandwidth that their bytes and those of the caches need. --serve takes commands from the
// standard input, so that a peer can be measured alternately (compare_llama.py); --logits writes
// logits for comparing.

#include <cstdio>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>

#include <dsr1/io/json.hpp>

#include "generation.hpp"

using namespace dsr1;
using bench::duration;
using machine::median;

namespace {

struct options : bench::session_options {
  std::string folder, logits_file;
  std::vector<index_t> depths = {0, 2048}, batches = {1, 16};
  index_t prefill = 512, decode = 64, logits = 0;
  int repeats = 5, warmup = 1;
  bool as_json = false, serve = false, only_open = false;
};

/// Bytes of keys and values that a step reads for one sequence, `depth` tokens before it.
double cache_bytes(const model_config& c, index_t depth) {
  const index_t wide =
      c.latent.kv_rank > 0 ? c.latent.kv_rank + c.latent.rope_dim : 2 * c.kv_heads * c.head_dim;
  double keys = 0;
  for (const index_t window : c.window)
    keys += static_cast<double>(window > 0 ? std::min(window, depth + 1) : depth + 1);
  return keys * static_cast<double>(wide) * sizeof(float);
}

index_t sparse_layers(const model_config& c) {
  return static_cast<index_t>(std::count(c.sparse.begin(), c.sparse.end(), true));
}

json prefill_row(bench::session& s, const options& o) {
  std::vector<double> wall, cpu;
  for (int i = -o.warmup; i < o.repeats; ++i) {
    bench::counting_cpu::total = {};
    const duration d = s.prefill(o.prefill);
    if (i < 0) continue;
    wall.push_back(d.wall);
    cpu.push_back(d.cpu);
  }
  const auto tokens = static_cast<double>(o.prefill);
  return {{"work", text("prefill ", o.prefill)},
          {"tokens_per_s", tokens / median(wall)},
          {"tokens_per_cpu_s", tokens / median(cpu)},
          {"seconds", wall},
          {"weight_bytes_per_token", bench::counting_cpu::total.bytes / tokens}};
}

json decode_row(bench::session& s, const options& o, index_t depth, index_t batch,
                const machine::bandwidth& memory) {
  std::vector<double> wall, cpu;
  s.decode(depth, batch, 1);  // reads what comes before, outside of what is counted
  bench::reading sum;
  s.expert_counts();
  for (int i = -o.warmup; i < o.repeats; ++i) {
    bench::counting_cpu::total = {};
    const duration d = s.decode(depth, batch, o.decode);
    sum = bench::counting_cpu::total;
    if (i < 0) continue;
    wall.push_back(d.wall);
    cpu.push_back(d.cpu);
  }
  const model_config& c = s.config();
  const auto steps = static_cast<double>(o.decode), tokens = steps * static_cast<double>(batch);
  const auto calls = static_cast<double>(std::max<index_t>(sum.grouped, 1));
  // Each of the two products of a layer reads every expert that it needs once.
  const index_t expected = 2 * sparse_layers(c) * o.decode;
  expects(c.experts == 0 || sum.grouped == expected, "decoding made ", sum.grouped,
          " products with experts in ", o.decode, " steps, expected ", expected,
          ": weights were read more than once a step");
  double cache = 0;
  for (index_t i = 0; i < o.decode; ++i)
    cache += cache_bytes(c, depth + i) / steps * static_cast<double>(batch);
  const double bytes = sum.bytes / steps, rate = (bytes + cache) * steps / median(wall) * 1e-9;
  json row = {{"work", text("decode ", o.decode, ", depth ", depth, ", batch ", batch)},
              {"tokens_per_s", tokens / median(wall)},
              {"tokens_per_cpu_s", tokens / median(cpu)},
              {"seconds", wall},
              {"weight_bytes_per_step", bytes},
              {"weight_bytes_per_token", sum.bytes / tokens},
              {"cache_bytes_per_step", cache},
              {"read_GB_per_s", rate},
              {"of_read_best", rate / memory.read},
              {"of_read_median", rate / memory.read_median}};
  if (const auto n = s.expert_counts(); n.uses > 0) {
    row["expert_hits"] = static_cast<double>(n.hits) / static_cast<double>(n.uses);
    row["experts_copied_per_step"] = static_cast<double>(n.copied) / steps / (o.repeats + o.warmup);
  }
  if (sum.grouped > 0) {
    row["experts_chosen_per_layer"] = static_cast<double>(sum.expert_rows) / calls;
    row["experts_read_per_layer"] = static_cast<double>(sum.experts) / calls;
    row["expert_bytes_per_step"] = sum.expert_bytes / steps;
    row["expert_bytes_if_read_per_sequence"] = sum.alone_bytes / steps;
  }
  return row;
}

void print(const json& all) {
  std::printf("%s, %d threads, %s\n", all["model"].get<std::string>().c_str(),
              all["threads"].get<int>(), all["instructions"].get<std::string>().c_str());
  const json& open = all["opening"];
  std::printf(
      "opened after %.3f s, first layer after %.3f s, first token after %.3f s; resident %.0f MiB "
      "opened, %.0f after a token",
      open["opened_s"].get<double>(), open["first_layer_s"].get<double>(),
      open["first_token_s"].get<double>(), open["memory_opened"].value("VmRSS", 0.0),
      open["memory_first_token"].value("VmRSS", 0.0));
  if (!all.contains("memory_end")) return void(std::printf("\n"));
  std::printf(", %.0f at the end (%.0f of them the file's)\n",
              all["memory_end"].value("VmRSS", 0.0), all["memory_end"].value("RssFile", 0.0));
  std::printf("memory read: best %.1f, median %.1f GB/s\n", all["read_best"].get<double>(),
              all["read_median"].get<double>());
  for (const json& r : all["rows"]) {
    std::printf("%-34s %8.1f tokens/s (%.1f per CPU s)", r["work"].get<std::string>().c_str(),
                r["tokens_per_s"].get<double>(), r["tokens_per_cpu_s"].get<double>());
    if (r.contains("of_read_best"))
      std::printf(
          "  %6.1f MB of weights a token, %.1f GB/s = %.0f %% of best read, %.0f %% of median",
          r["weight_bytes_per_token"].get<double>() * 1e-6, r["read_GB_per_s"].get<double>(),
          100 * r["of_read_best"].get<double>(), 100 * r["of_read_median"].get<double>());
    if (r.contains("experts_read_per_layer"))
      std::printf("; %.1f experts chosen, %.1f read per layer and step",
                  r["experts_chosen_per_layer"].get<double>(),
                  r["experts_read_per_layer"].get<double>());
    if (r.contains("expert_hits"))
      std::printf("; %.0f %% of them have a copy, %.2f are copied a step",
                  100 * r["expert_hits"].get<double>(), r["experts_copied_per_step"].get<double>());
    std::printf("\n");
  }
}

/// "prefill N" and "decode DEPTH BATCH N", one a line; each is answered with its seconds.
void serve(bench::session& s) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    index_t a = 0, b = 0, c = 0;
    words >> what >> a >> b >> c;
    duration d;
    if (what == "prefill")
      d = s.prefill(a);
    else if (what == "decode")
      d = s.decode(a, b, c);
    else
      throw error(
          text("unknown command \"", line, "\", expected prefill N or decode DEPTH BATCH N"));
    std::cout << json{{"seconds", d.wall}, {"cpu_seconds", d.cpu}}.dump() << std::endl;
  }
}

void run(const options& o, double start) {
  auto& total = bench::counting_cpu::total;
  total = {};
  const auto s = bench::open_session(o.folder, o);
  json all = {{"model", s->config().model_type},
              {"threads", s->threads()},
              {"instructions", s->instructions()}};
  json& open = all["opening"];
  open["opened_s"] = machine::seconds() - start;
  open["memory_opened"] = bench::resident_memory();
  s->prefill(1);
  open["first_layer_s"] = total.first_product - start;
  open["first_token_s"] = machine::seconds() - start;
  open["memory_first_token"] = bench::resident_memory();
  open["first_token_weight_MiB"] = total.bytes / (1 << 20);
  if (o.logits > 0) {
    const std::vector<float> y = s->logits(o.logits);
    std::ofstream(o.logits_file, std::ios::binary)
        .write(reinterpret_cast<const char*>(y.data()),
               static_cast<std::streamsize>(y.size() * sizeof(float)));
    return;
  }
  if (o.serve) return serve(*s);
  if (!o.only_open) {
    const machine::bandwidth memory = machine::memory_bandwidth(s->threads());
    all["read_best"] = memory.read;
    all["read_median"] = memory.read_median;
    json rows = json::array();
    if (o.prefill > 0) rows.push_back(prefill_row(*s, o));
    for (const index_t batch : o.batches)
      for (const index_t depth : o.depths)
        if (batch == 1 || depth == o.depths.front())
          rows.push_back(decode_row(*s, o, depth, batch, memory));
    all["rows"] = rows;
    all["memory_end"] = bench::resident_memory();
  }
  if (o.as_json)
    std::printf("%s\n", all.dump().c_str());
  else
    print(all);
}

}  // namespace

int main(int argc, char** argv) try {
  const double start = machine::seconds();
  options o;
  CLI::App app("Speed of generation with a checkpoint");
  app.add_option("folder", o.folder, "of the checkpoint")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--threads", o.threads, "0: all")->check(CLI::NonNegativeNumber);
  app.add_flag("--int8-activations", o.int8_activations,
               "products with weights of 4 and 8 bits round activations to 8 bits");
  app.add_option("--experts", o.experts, "where their codes lie: device, host or file")
      ->transform(CLI::CheckedTransformer(std::map<std::string, residence>{
          {"device", residence::device}, {"host", residence::host}, {"file", residence::file}}));
  app.add_option("--expert-memory", o.expert_memory, "bytes for copies of experts, as 500M or 4G")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--prefill", o.prefill, "tokens, 0: not")->capture_default_str();
  app.add_option("--chunk", o.chunk, "most tokens of a call")->capture_default_str();
  app.add_option("--decode", o.decode, "tokens")->capture_default_str();
  app.add_option("--depths", o.depths, "tokens before those")->delimiter(',');
  app.add_option("--batches", o.batches, "sequences side by side; several at the first depth only")
      ->delimiter(',');
  app.add_option("--repeats", o.repeats, "of each work")->check(CLI::PositiveNumber);
  app.add_option("--warmup", o.warmup, "more, not counted")->check(CLI::NonNegativeNumber);
  app.add_option("--seed", o.seed, "of the tokens");
  app.add_flag("--only-open", o.only_open, "opens, computes one token, and ends");
  app.add_flag("--serve", o.serve, "measures what the standard input asks for");
  app.add_option("--logits", o.logits, "writes the logits of so many tokens and ends");
  app.add_option("--logits-file", o.logits_file, "floats, [tokens, vocab]");
  app.add_flag("--json", o.as_json, "print one line of JSON");
  CLI11_PARSE(app, argc, argv);
  expects(!o.depths.empty() && !o.batches.empty(), "no depth or no batch");
  o.capacity = std::max(
      {o.prefill, o.logits, *std::max_element(o.depths.begin(), o.depths.end()) + o.decode});
  o.batch_capacity = o.depths.front() + o.decode;
  run(o, start);
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_generate: %s\n", e.what());
  return 1;
}
