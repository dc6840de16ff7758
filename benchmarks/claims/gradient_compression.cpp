// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The claim: int8 gradients save 75 % of the traffic and cost nothing in the loss.
//
// Stated before anything is measured:
//   traffic       the counted bytes of int8 (blocks of 256, scales included) are at least 74 %
//   below
//                 those of fp32
//   loss          the difference of the final validation loss to fp32, of int8 to the nearest, int8
//                 stochastic, int8 and int4 with error feedback, is within 2 standard deviations of
//                 the seeds and within 0.5 %, on 2 and on 4 ranks: its 90 % confidence interval
//                 over the seeds (the same data and first weights in all arms) lies inside both
// "confirmed": both hold for all arms; "conditional": traffic holds and the loss for some arms;
// "not confirmed" otherwise. What is measured is a small mixture of experts on a synthetic
// language, ranks as threads.
//   gradient_compression [--seeds 12] [--steps 200] [--json]

#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <dsr1/comm/threads.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/dsr1.hpp>

using namespace dsr1;

namespace {

struct arm {
  std::string name;
  wire_format format;
  bool feedback = false;
  bool judged = true;  // whether the hypothesis speaks of it
};
const std::vector<arm> arms = {{"fp32", {}},
                               {"bf16", {.code = wire_code::bf16}},
                               {"int8 nearest", {.code = wire_code::int8}},
                               {"int8 stochastic", {.code = wire_code::int8, .stochastic = true}},
                               {"int8 + feedback", {.code = wire_code::int8}, true},
                               {"int4 + feedback", {.code = wire_code::int4}, true},
                               {"int4 nearest", {.code = wire_code::int4}, false, false}};

// --- traffic ---

struct saving {
  double fp32, bf16;  // parts saved
};

/// Counted by the communicator, not computed.
saving measured_saving(const wire_format& f, int ranks) {
  constexpr index_t count = index_t{1} << 20;
  const auto sent = [&](const wire_format& format) {
    double bytes = 0;
    run_ranks(ranks, [&](rank_group& group) {
      context<cpu> ctx({.threads = 1});
      compressed_all_reduce<float> all_reduce(group, count,
                                              {.format = format, .error_feedback = false});
      std::vector<float> v(static_cast<std::size_t>(count), 1);
      const auto before = group.counted().total().sent;
      all_reduce(ctx, group, view<float, 1>(v.data(), count));
      if (group.rank() == 0) bytes = static_cast<double>(group.counted().total().sent - before);
    });
    return bytes;
  };
  const double own = sent(f);
  return {1 - own / sent({}), 1 - own / sent({.code = wire_code::bf16})};
}

// --- accuracy ---

/// Gradients of one rank: normal, Student's t with 3 degrees of freedom, rows of lognormal scale.
std::vector<float> gradient(int kind, index_t count, int rank) {
  const random_stream random(11, static_cast<std::uint64_t>(rank));
  std::vector<float> g(static_cast<std::size_t>(count));
  for (index_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(8 * i);
    double x = random.normal(at);
    if (kind == 1) {
      double chi = 0;
      for (std::uint64_t k = 1; k <= 3; ++k) chi += std::pow(random.normal(at + k), 2);
      x /= std::sqrt(chi / 3);
    } else if (kind == 2) {
      x *= std::exp(2 * random_stream(12).normal(static_cast<std::uint64_t>(i / 1024)));
    }
    g[static_cast<std::size_t>(i)] = static_cast<float>(x);
  }
  return g;
}

struct accuracy {
  double error = 0, zeroed = 0;  // relative L2; part of the numbers that became zero
};

accuracy measured_accuracy(const wire_format& f, int kind) {
  constexpr index_t count = index_t{1} << 20;
  std::vector<double> exact(static_cast<std::size_t>(count));
  for (int r = 0; r < 2; ++r) {
    const auto g = gradient(kind, count, r);
    for (std::size_t i = 0; i < exact.size(); ++i) exact[i] += static_cast<double>(g[i]);
  }
  accuracy a;
  run_ranks(2, [&](rank_group& group) {
    context<cpu> ctx({.threads = 1});
    compressed_all_reduce<float> all_reduce(group, count, {.format = f, .error_feedback = false});
    auto v = gradient(kind, count, group.rank());
    all_reduce(ctx, group, view<float, 1>(v.data(), count));
    if (group.rank() != 0) return;
    double wrong = 0, all = 0;
    index_t zeros = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      wrong += std::pow(static_cast<double>(v[i]) - exact[i], 2);
      all += exact[i] * exact[i];
      zeros += v[i] == 0 && exact[i] != 0;
    }
    a = {std::sqrt(wrong / all), static_cast<double>(zeros) / static_cast<double>(count)};
  });
  return a;
}

// --- loss ---

constexpr index_t vocab = 64, length = 32, sequences = 8;
inline constexpr attention_shape look{
    .dim = 32, .heads = 2, .kv_heads = 1, .head_dim = 16, .window = 32};
inline constexpr moe_shape think{.dim = 32, .hidden = 32, .experts = 8, .top_k = 2};
template <class L>
using add = residual<pre_norm<L>>;
using small_model =
    causal_lm<repeat<sequential<add<attention<look>>, add<moe<think, sigmoid_gate>>>, 2>,
              lm_shape{.vocab = vocab, .dim = 32, .tied = true}>;

/// A language of two rules: the next token follows from the last two, with some noise.
std::vector<std::int32_t> text_of(std::uint64_t seed, std::uint64_t number) {
  const random_stream random(seed, number);
  std::vector<std::int32_t> ids = {static_cast<std::int32_t>(random.below(0, vocab)),
                                   static_cast<std::int32_t>(random.below(1, vocab))};
  for (index_t i = 2; i <= length; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const std::int32_t a = ids[ids.size() - 1], b = ids[ids.size() - 2];
    const std::int32_t next = a % 3 == 0 ? 5 * a + 17 : 3 * a + b % 8 + 1;
    ids.push_back(random.below(at, 100) < 85
                      ? next % static_cast<std::int32_t>(vocab)
                      : static_cast<std::int32_t>(random.below(at + 1000, vocab)));
  }
  return ids;
}

/// `count` sequences one after the other, with what follows.
struct rows_of_text {
  std::vector<std::int32_t> in, out;
  std::vector<sequence> rows;
  rows_of_text(std::uint64_t seed, std::uint64_t first, index_t count) {
    for (index_t s = 0; s < count; ++s) {
      const auto ids = text_of(seed, first + static_cast<std::uint64_t>(s));
      rows.push_back({.begin = s * length, .length = length});
      in.insert(in.end(), ids.begin(), ids.end() - 1);
      out.insert(out.end(), ids.begin() + 1, ids.end());
    }
  }
  training_batch batch() const {
    const auto n = static_cast<index_t>(in.size());
    return {{view<const std::int32_t, 1>(in.data(), n), sequence_layout(rows)},
            view<const std::int32_t, 1>(out.data(), n)};
  }
};

/// The validation loss after training, the same on all ranks.
double final_loss(const arm& a, int ranks, std::uint64_t seed, int steps) {
  double result = 0;
  run_ranks(ranks, [&](rank_group& group) {
    const int rank = group.rank();
    context<cpu, rank_group> ctx({.threads = 1, .seed = seed}, group.duplicate());
    small_model model;
    initialize(ctx, model);
    trainer train(ctx, model, adamw{},
                  {.sync = {.gradients = a.format, .error_feedback = a.feedback}});
    const schedule rate{.warmup = 20, .total = steps};
    const index_t own = sequences / ranks;
    for (int step = 0; step < steps; ++step) {
      const rows_of_text rows(seed, static_cast<std::uint64_t>(step * sequences + rank * own), own);
      const training_batch batch[] = {rows.batch()};
      train.step(batch, 5e-3 * rate(step));
    }
    if (rank != 0) return;
    const rows_of_text rows(999'999, 0, 64);
    const training_batch batch = rows.batch();
    ctx.workspace().reset();
    typename small_model::saved saved;
    const token_loss loss = model.evaluate(ctx, batch.tokens, batch.targets, saved);
    result = loss.sum / static_cast<double>(rows.in.size());
  });
  return result;
}

struct spread {
  double mean = 0, sd = 0, half = 0;  // half of the 90 % confidence interval of the mean
};
spread spread_of(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  spread s;
  for (const double v : x) s.mean += v / n;
  for (const double v : x) s.sd += (v - s.mean) * (v - s.mean);
  s.sd = std::sqrt(s.sd / (n - 1));
  const double t[] = {6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812};
  s.half = t[std::min<std::size_t>(x.size() - 2, 9)] * s.sd / std::sqrt(n);
  return s;
}

}  // namespace

int main(int argc, char** argv) try {
  int seeds = 12, steps = 200;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--json") json = true;
    if (word == "--seeds" && i + 1 < argc) seeds = std::atoi(argv[++i]);
    if (word == "--steps" && i + 1 < argc) steps = std::atoi(argv[++i]);
  }
  expects(seeds >= 2 && steps > 0, "gradient_compression: ", seeds, " seeds and ", steps,
          " steps, expected at least 2 and 1");
  std::FILE* const out = json ? stderr : stdout;
  std::string rows;
  const auto row = [&](const std::string& work, double value, const std::string& unit) {
    rows += text(rows.empty() ? "" : ",\n", " {\"work\": \"", work, "\", \"ours\": ", value,
                 ", \"unit\": \"", unit, "\"}");
  };
  std::fprintf(out,
               "Hypothesis: int8 sends at least 74 %% less than fp32, and no compressed arm's "
               "final validation loss\ndiffers from fp32 by more than 2 standard deviations "
               "of the seeds or by more than 0.5 %%.\n\n");

  std::fprintf(out, "Traffic, counted, 2 and 4 ranks       below fp32      below bf16\n");
  double int8_saving = 1;
  for (const wire_format& f :
       {wire_format{.code = wire_code::bf16}, wire_format{.code = wire_code::fp8},
        wire_format{.code = wire_code::int8, .block = 64}, wire_format{.code = wire_code::int8},
        wire_format{.code = wire_code::int8, .block = 1024},
        wire_format{.code = wire_code::int4}}) {
    const saving two = measured_saving(f, 2), four = measured_saving(f, 4);
    if (f == wire_format{.code = wire_code::int8}) int8_saving = std::min(two.fp32, four.fp32);
    std::fprintf(out, "  %-32s  %5.2f, %5.2f %%  %5.2f, %5.2f %%\n", f.text().c_str(),
                 100 * two.fp32, 100 * four.fp32, 100 * two.bf16, 100 * four.bf16);
    row(f.text() + ", bytes below fp32", 100 * two.fp32, "%");
    row(f.text() + ", bytes below bf16", 100 * two.bf16, "%");
  }

  std::fprintf(out,
               "\nAccuracy of one sum, 2 ranks, 2^20 numbers: relative L2 error / numbers that "
               "became zero\n  %-28s %18s %18s %18s\n",
               "", "normal", "Student-t(3)", "lognormal rows");
  for (const wire_format& f :
       {wire_format{.code = wire_code::bf16}, wire_format{.code = wire_code::fp8},
        wire_format{.code = wire_code::int8},
        wire_format{.code = wire_code::int8, .stochastic = true},
        wire_format{.code = wire_code::int8, .block = index_t{1} << 24},
        wire_format{.code = wire_code::int4}}) {
    const std::string name = f.block == index_t{1} << 24 ? "int8, one scale per part" : f.text();
    std::fprintf(out, "  %-32s", name.c_str());
    for (int kind = 0; kind < 3; ++kind) {
      const accuracy a = measured_accuracy(f, kind);
      std::fprintf(out, "  %6.2f %% /%6.2f %%", 100 * a.error, 100 * a.zeroed);
      row(text(name, ", error, gradient ", kind), 100 * a.error, "%");
    }
    std::fprintf(out, "\n");
  }

  std::fprintf(out,
               "\nValidation loss after %d steps, %d seeds: mean, difference to fp32 with its "
               "90 %% confidence interval\n",
               steps, seeds);
  int equal = 0, judged = 0;
  for (const int ranks : {2, 4}) {
    std::vector<double> exact;
    spread reference;
    for (const arm& a : arms) {
      std::vector<double> losses, differences;
      for (int seed = 1; seed <= seeds; ++seed) {
        losses.push_back(final_loss(a, ranks, static_cast<std::uint64_t>(seed), steps));
        const auto at = losses.size() - 1;
        if (exact.size() > at) differences.push_back(losses[at] - exact[at]);
      }
      const spread s = spread_of(losses);
      if (exact.empty()) {
        exact = losses;
        reference = s;
        std::fprintf(out, "  %d ranks  %-16s %.4f, standard deviation of the seeds %.4f\n", ranks,
                     a.name.c_str(), s.mean, s.sd);
        row(text(ranks, " ranks, ", a.name, ", loss"), s.mean, "nats");
        continue;
      }
      const spread d = spread_of(differences);
      const double margin = std::min(2 * reference.sd, 0.005 * reference.mean);
      const bool inside = std::abs(d.mean) + d.half <= margin;
      judged += a.judged;
      equal += a.judged && inside;
      std::fprintf(out, "  %d ranks  %-16s %.4f, %+.4f +- %.4f (%+.2f %%), allowed %.4f: %s\n",
                   ranks, a.name.c_str(), s.mean, d.mean, d.half, 100 * d.mean / reference.mean,
                   margin, inside ? "equal" : "not shown to be equal");
      std::fflush(out);
      row(text(ranks, " ranks, ", a.name, ", loss above fp32"), d.mean, "nats");
      row(text(ranks, " ranks, ", a.name, ", half of the interval"), d.half, "nats");
    }
  }
  const bool less = int8_saving >= 0.74;
  const char* verdict = less && equal == judged ? "confirmed"
                        : less && equal > 0     ? "conditional"
                                                : "not confirmed";
  std::fprintf(out,
               "\n%s: int8 sends %.2f %% less than fp32 (75 %% but for the scales); %d of %d "
               "arms are equal to fp32 in loss\n",
               verdict, 100 * int8_saving, equal, judged);
  if (json) std::printf("{\"verdict\": \"%s\", \"rows\": [\n%s\n]}\n", verdict, rows.c_str());
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "gradient_compression: %s\n", e.what());
  return 1;
}
