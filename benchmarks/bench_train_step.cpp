// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Training steps of a gpt-oss-shaped model: tokens/s, GFLOP/s, fraction of the multiply-add peak.
//
// The model, the token stream, the optimizer and the count of FLOP are those of the PyTorch peer
// (benchmarks/compare_train.py runs both), so the losses agree step for step when both start from
// the same weights (--weights, a transformers checkpoint). FLOP per token: 6 x active weights +
// 3 x attention over the visible keys; nothing for recomputation, norms or the optimizer.

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <dsr1/cpu.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/train/trainer.hpp>

#include "machine.hpp"

using namespace dsr1;

namespace {

struct bench_shape {
  index_t dim, layers, experts, top_k, hidden, heads, kv, head_dim, window, vocab, length, batch;
  std::string pattern;  // per layer, repeated: 's' has the window, 'f' sees everything

  bool windowed(index_t layer) const {
    return pattern[static_cast<std::size_t>(layer) % pattern.size()] == 's';
  }
  double flop_per_token() const {
    const auto d = [](index_t x) { return static_cast<double>(x); };
    const double attention = d(dim) * d(heads * head_dim) * 2 + 2 * d(dim) * d(kv * head_dim);
    const double active =
        d(layers) * (attention + d(dim * experts) + d(top_k) * 3 * d(dim * hidden)) +
        d(dim * vocab);
    double score = 0;
    for (index_t l = 0; l < layers; ++l) {
      double keys = 0;
      for (index_t i = 0; i < length; ++i) keys += d(windowed(l) ? std::min(i + 1, window) : i + 1);
      score += 4 * keys / d(length) * d(heads * head_dim);
    }
    return 6 * active + 3 * score;
  }
};

const std::vector<std::pair<std::string, bench_shape>> shapes = {
    {"demo", {128, 4, 32, 4, 64, 4, 2, 32, 128, 1024, 256, 8, "s"}},
    {"seed", {256, 6, 128, 4, 128, 8, 2, 32, 128, 4096, 512, 4, "fs"}}};

using decoder_types = published<attention<>, top_k_softmax_gate>;

model_config config_of(const bench_shape& s) {
  model_config c;
  c.model_type = "gpt_oss";
  c.vocab = s.vocab;
  c.dim = s.dim;
  c.layers = s.layers;
  c.heads = s.heads;
  c.kv_heads = s.kv;
  c.head_dim = s.head_dim;
  c.attention_bias = c.sinks = c.router_bias = c.expert_bias = true;
  for (index_t i = 0; i < s.layers; ++i) c.window.push_back(s.windowed(i) ? s.window : 0);
  c.sparse.assign(static_cast<std::size_t>(s.layers), true);
  c.experts = s.experts;
  c.top_k = s.top_k;
  c.expert_hidden = s.hidden;
  c.router = router_rule::top_k_softmax;
  c.glu_alpha = 1.702;
  c.glu_limit = 7;
  c.glu_offset = 1;
  return c;
}

/// The peer's stream: with 3/4 the next token is 5 cur + 17, else uniform.
struct token_stream {
  std::uint64_t state;
  std::uint64_t current = 0;
  std::int32_t next(index_t vocab) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t r = state >> 33, v = static_cast<std::uint64_t>(vocab);
    current = (r & 3) ? (5 * current + 17) % v : (r >> 2) % v;
    return static_cast<std::int32_t>(current);
  }
};

}  // namespace

int main(int argc, char** argv) try {
  std::string name = "demo", weights;
  int threads = 0, steps = 12, warmup = 3;
  bool as_json = false;
  CLI::App app("Training steps of a gpt-oss-shaped model");
  app.add_option("--shape", name, "demo or seed")->check(CLI::IsMember({"demo", "seed"}));
  app.add_option("--threads", threads, "0: all")->check(CLI::NonNegativeNumber);
  app.add_option("--steps", steps, "in all")->check(CLI::PositiveNumber);
  app.add_option("--warmup", warmup, "not counted")->check(CLI::NonNegativeNumber);
  app.add_option("--weights", weights,
                 "model.safetensors of a transformers checkpoint of this shape");
  app.add_flag("--json", as_json, "print one line of JSON");
  CLI11_PARSE(app, argc, argv);

  const double start = machine::seconds();
  const bench_shape s = std::find_if(shapes.begin(), shapes.end(), [&](const auto& e) {
                          return e.first == name;
                        })->second;
  context<cpu> ctx({.threads = threads});
  threads = ctx.device().pool().size();
  const model_config config = config_of(s);
  auto model = decoder_types::make(config);
  if (weights.empty())
    initialize(ctx, model);
  else
    load_checkpoint(ctx, model, config, gpt_oss_rule, checkpoint_folder(weights));
  trainer train(ctx, model, adamw{.weight_decay = {.value = 0.1, .vectors = true}});
  token_stream stream{.state = 1};
  std::vector<double> times, cpu_times, losses, norms;
  std::vector<std::int32_t> in, out;
  std::vector<sequence> rows;
  double first_step = 0;
  for (int step = 0; step < steps; ++step) {
    in.clear();
    out.clear();
    rows.clear();
    for (index_t b = 0; b < s.batch; ++b) {
      rows.push_back({.begin = b * s.length, .length = s.length});
      std::int32_t token = stream.next(s.vocab);
      for (index_t t = 0; t < s.length; ++t) {
        in.push_back(token);
        out.push_back(token = stream.next(s.vocab));
      }
    }
    const double before = machine::seconds(), cpu_before = machine::cpu_seconds();
    const training_batch batch[] = {
        {{view<const std::int32_t, 1>(in.data(), in.size()), sequence_layout(rows)},
         view<const std::int32_t, 1>(out.data(), out.size())}};
    const step_report r = train.step(batch, 1e-3);
    times.push_back(machine::seconds() - before);
    cpu_times.push_back(machine::cpu_seconds() - cpu_before);
    losses.push_back(r.loss);
    norms.push_back(r.gradient_norm);
    if (step == 0) first_step = machine::seconds() - start;
  }
  const double tokens = static_cast<double>(s.batch * s.length);
  const auto typical = [&](const std::vector<double>& v) {
    return machine::median({v.begin() + std::min<std::ptrdiff_t>(warmup, steps - 1), v.end()});
  };
  // One thread is timed by its CPU time, so that time given to other programs does not count.
  const double cpu_step = typical(cpu_times), step = threads == 1 ? cpu_step : typical(times);
  const double gflops = s.flop_per_token() * tokens / step * 1e-9;
  const double peak = machine::peak_fma_gflops(threads);
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const double mib = static_cast<double>(usage.ru_maxrss) / 1024;
  if (as_json) {
    const json line = {{"shape", name},
                       {"threads", threads},
                       {"instructions", name_of(ctx.device().instructions())},
                       {"tokens_per_s", tokens / step},
                       {"tokens_per_cpu_s", tokens / cpu_step},
                       {"gflops", gflops},
                       {"peak_gflops", peak},
                       {"fraction_of_peak", gflops / peak},
                       {"peak_rss_mib", mib},
                       {"step_s", times},
                       {"loss", losses},
                       {"grad_norm", norms},
                       {"start_to_first_step_s", first_step},
                       {"parameters", count_parameters(model, s.top_k).total}};
    std::printf("%s\n", line.dump().c_str());
  } else {
    std::printf(
        "%s, %d threads, %s: %.0f tokens/s, %.1f GFLOP/s = %.0f %% of the multiply-add peak "
        "(%.0f), "
        "%.0f MiB, first step done after %.2f s\nloss",
        name.c_str(), threads, std::string(name_of(ctx.device().instructions())).c_str(),
        tokens / step, gflops, 100 * gflops / peak, peak, mib, first_step);
    for (const double l : losses) std::printf(" %.5f", l);
    std::printf("\n");
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_train_step: %s\n", e.what());
  return 1;
}
