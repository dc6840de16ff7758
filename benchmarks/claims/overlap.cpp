// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Claim: the exchange of gradients hides behind the backward pass.
//
//     claim_overlap [--svg FILE]
//
// Two ranks as threads, one processor each, on a link that sleeps as a slower one would. A rank is
// busy for the processor time of its computing thread over the wall time of the step.

#include <ctime>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <vector>

#include <dsr1/attention/attention.hpp>
#include <dsr1/comm/threads.hpp>
#include <dsr1/comm/throttled.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/model/causal_lm.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/monitor/curve.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>
#include <dsr1/train/trainer.hpp>

namespace {

using dsr1::index_t;

constexpr int ranks = 2, layers = 16, steps = 12, warm = 3;
constexpr index_t tokens = 1024, length = 256;  // of a rank
constexpr dsr1::attention_shape look{
    .dim = 128, .heads = 4, .kv_heads = 2, .head_dim = 32, .window = 128};
constexpr dsr1::moe_shape think{.dim = 128, .hidden = 64, .experts = 32, .top_k = 4};
template <class L>
using add = dsr1::residual<dsr1::pre_norm<L>>;
using block = dsr1::sequential<add<dsr1::attention<look>>, add<dsr1::moe<think>>>;
using model_type = dsr1::causal_lm<dsr1::repeat<block, layers>, dsr1::lm_shape{512, 128}>;

struct arm {
  double bits_per_second = std::numeric_limits<double>::infinity();
  dsr1::wire_code code = dsr1::wire_code::f32;
  bool overlap = true;
};
struct outcome {
  double wall = 0, busy = 0, forward = 0;  ///< seconds of a step, share, seconds of a forward pass
  double sent_for = 0, exposed = 0;        ///< seconds of a step
  double bytes = 0;                        ///< sent by a rank in a step, for gradients
  std::vector<double> losses;
};

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}
double wall_time() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double thread_time() {
  std::timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

outcome measure(const arm& a) {
  outcome result;
  std::mutex mutex;
  dsr1::run_ranks(ranks, [&](dsr1::rank_group& group) {
    const int rank = group.rank();
    dsr1::context<dsr1::cpu, dsr1::rank_group> ctx(
        {.threads = 1, .seed = 1},
        dsr1::throttle(group.duplicate(), {.bits_per_second = a.bits_per_second}));
    model_type model;
    dsr1::initialize(ctx, model);
    dsr1::trainer trainer(ctx, model, dsr1::adamw{},
                          {.sync = {.gradients = {.code = a.code},
                                    .overlap = a.overlap,
                                    .bucket_bytes = index_t{1} << 18}});
    std::vector<std::int32_t> ids(tokens + 1);
    for (std::size_t i = 0; i < ids.size(); ++i)
      ids[i] = static_cast<std::int32_t>(
          dsr1::random_stream(static_cast<std::uint64_t>(rank)).below(i, 512));
    std::vector<dsr1::sequence> rows;
    for (index_t t = 0; t < tokens; t += length) rows.push_back({.begin = t, .length = length});
    const dsr1::training_batch batch[] = {
        {{dsr1::view<const std::int32_t, 1>(ids.data(), tokens),
          std::span<const dsr1::sequence>(rows)},
         dsr1::view<const std::int32_t, 1>(ids.data() + 1, tokens)}};
    std::vector<double> wall, busy, sent, exposed, forward;
    outcome o;
    for (int i = 0; i < steps; ++i) {
      const double w = wall_time(), c = thread_time();
      const auto before = trainer.counted().total(dsr1::purpose::gradient).sent;
      const dsr1::step_report r = trainer.step(batch, 1e-3);
      o.losses.push_back(r.loss);
      if (i < warm) continue;
      wall.push_back(wall_time() - w);
      busy.push_back((thread_time() - c) / wall.back());
      sent.push_back(r.sent_for);
      exposed.push_back(r.waited_for);
      o.bytes = static_cast<double>(trainer.counted().total(dsr1::purpose::gradient).sent - before);
      const double f = wall_time();
      trainer.evaluate(batch[0]);
      forward.push_back(wall_time() - f);
    }
    if (rank != 0) return;
    const std::lock_guard lock(mutex);
    result = {median(wall),    median(busy), median(forward), median(sent),
              median(exposed), o.bytes,      o.losses};
  });
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  const char* svg = argc == 3 && std::strcmp(argv[1], "--svg") == 0 ? argv[2] : nullptr;
  std::puts(
      "Hypothesis: where communication takes 0.8 of the backward pass, at most 5 % of it is "
      "exposed,\nranks are busy for at least 92 % of the step, and overlap changes no bit.\n");
  const outcome free = measure({.overlap = false});
  const double backward = free.wall - free.sent_for - free.forward;  // with the optimizer's step
  const double bottleneck = 8 * free.bytes / (0.8 * backward);
  std::printf(
      "%d layers, %lld tokens per rank; without a limit a step takes %.1f ms, forward %.1f ms; "
      "%.1f MB sent.\nCommunication takes 0.8 of the rest at %.0f Mbit/s.\n\n",
      layers, static_cast<long long>(tokens), 1e3 * free.wall, 1e3 * free.forward,
      1e-6 * free.bytes, 1e-6 * bottleneck);
  std::puts("Mbit/s   code  overlap   step ms   busy   communication ms   exposed ms  (share)");

  std::vector<dsr1::curve_series> curves;
  outcome judged, judged_off;
  for (const dsr1::wire_code code : {dsr1::wire_code::f32, dsr1::wire_code::int8})
    for (const bool overlap : {false, true}) {
      curves.push_back({dsr1::text(name_of(code), overlap ? ", overlapped" : ", in turn")});
      for (const double factor : {0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0}) {
        const outcome o = measure({factor * bottleneck, code, overlap});
        std::printf("%6.0f %6s  %7s %9.1f %6.3f %18.1f %12.1f  (%5.1f %%)\n",
                    1e-6 * factor * bottleneck, std::string(name_of(code)).c_str(),
                    overlap ? "yes" : "no", 1e3 * o.wall, o.busy, 1e3 * o.sent_for, 1e3 * o.exposed,
                    100 * o.exposed / o.sent_for);
        curves.back().points.emplace_back(std::log2(1e-6 * factor * bottleneck), o.busy);
        if (factor == 1.0 && code == dsr1::wire_code::f32) (overlap ? judged : judged_off) = o;
      }
    }
  if (svg != nullptr)
    std::ofstream(svg) << dsr1::curve_svg(curves,
                                          {.title = "Share of the step in which a rank computes",
                                           .x = "log2 of Mbit/s",
                                           .y = "busy"});
  const double share = judged.exposed / judged.sent_for;
  const bool same = judged.losses == judged_off.losses;
  const bool hidden = share <= 0.05, busy = judged.busy >= 0.92;
  std::printf("\n%s: %.1f %% of the communication is exposed, ranks are busy for %.1f %%, %s\n",
              hidden && busy && same     ? "confirmed"
              : same && (hidden || busy) ? "conditional"
                                         : "not confirmed",
              100 * share, 100 * judged.busy,
              same ? "the losses have the same bits" : "THE LOSSES DIFFER");
  return same ? 0 : 1;
}
