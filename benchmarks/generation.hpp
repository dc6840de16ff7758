// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What bench_generate measures: a checkpoint, opened packed, fed with random tokens.
#pragma once

#include <time.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/cpu.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/moe/expert_store.hpp>

#include "machine.hpp"

namespace bench {

using dsr1::index_t;

/// What products with coded weights read. A group is an expert; it is read once a call.
struct reading {
  double bytes = 0;          ///< of weights, each call's matrices once
  double expert_bytes = 0;   ///< of those, of experts
  index_t grouped = 0;       ///< calls with several matrices: two per layer with experts
  index_t experts = 0;       ///< matrices that these read
  index_t expert_rows = 0;   ///< rows that these computed
  double alone_bytes = 0;    ///< of experts, if every row read its own
  double first_product = 0;  ///< when the first product began
};

/// The CPU backend, with a look at what its products read.
struct counting_cpu : dsr1::cpu {
  static inline reading total;

  template <class Ctx, class T>
  static void coded_matmul(Ctx& ctx, dsr1::view<const T, 2> x, const dsr1::row_groups& groups,
                           const dsr1::coded_tensor& w, dsr1::view<T, 2> y,
                           dsr1::view<const T, 2> bias = {}) {
    if (total.first_product == 0) total.first_product = machine::seconds();
    const double matrix = static_cast<double>(
        w.rows * w.row_bytes() +
        dsr1::ceil_div(w.rows, dsr1::info_of(w.type).block_rows) * w.scale_row_bytes());
    index_t active = 0;
    for (index_t g = 0; g < groups.count(); ++g) active += groups.length(g) > 0;
    total.bytes += matrix * static_cast<double>(active);
    if (w.matrices > 1) {
      ++total.grouped;
      total.experts += active;
      total.expert_rows += groups.rows();
      total.expert_bytes += matrix * static_cast<double>(active);
      total.alone_bytes += matrix * static_cast<double>(groups.rows());
    }
    dsr1::cpu::coded_matmul(ctx, x, groups, w, y, bias);
  }

  /// Weights that are no codes (a router, say, in a model of floats).
  template <class Ctx, class T>
  static void m_grouped_matmul(Ctx& ctx, dsr1::view<const T, 2> x, const dsr1::row_groups& groups,
                               dsr1::view<const T, 3> w, bool transposed, dsr1::view<T, 2> y,
                               dsr1::view<const T, 2> bias) {
    if (total.first_product == 0) total.first_product = machine::seconds();
    for (index_t g = 0; g < groups.count(); ++g)
      if (groups.length(g) > 0)
        total.bytes += static_cast<double>(w.size() / groups.count()) * sizeof(T);
    dsr1::cpu::m_grouped_matmul(ctx, x, groups, w, transposed, y, bias);
  }
};

struct duration {
  double wall = 0, cpu = 0;
};

/// Time between two looks.
class stopwatch {
 public:
  duration elapsed() const { return {machine::seconds() - wall_, machine::cpu_seconds() - cpu_}; }

 private:
  double wall_ = machine::seconds(), cpu_ = machine::cpu_seconds();
};

/// MiB of resident memory by kind, from /proc; empty elsewhere.
inline std::map<std::string, double> resident_memory() {
  std::map<std::string, double> out;
  std::ifstream file("/proc/self/status");
  for (std::string key, line; file >> key; std::getline(file, line))
    if (key == "VmRSS:" || key == "RssAnon:" || key == "RssFile:" || key == "VmHWM:") {
      double kib = 0;
      if (file >> kib) out[key.substr(0, key.size() - 1)] = kib / 1024;
    }
  return out;
}

/// The id at a position of a sequence: the same in every run, and in the peer's script.
inline std::int32_t random_token(std::uint64_t seed, index_t slot, index_t position,
                                 index_t vocab) {
  std::uint64_t z = seed * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(slot) * 1'000'003u +
                    static_cast<std::uint64_t>(position) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::int32_t>((z >> 33) % static_cast<std::uint64_t>(vocab));
}

struct session_options {
  int threads = 0;
  bool int8_activations = false;
  dsr1::residence experts = dsr1::residence::device;
  index_t expert_memory = 0;  ///< bytes for copies of experts; 0: no store
  index_t chunk = 512;
  index_t capacity = 4096;        ///< of one sequence
  index_t batch_capacity = 1024;  ///< of each of several side by side
  std::uint64_t seed = 1;
};

/// A model and its caches. The text of a slot never changes, so taking back tokens is enough to
/// measure the same work again.
class session {
 public:
  virtual ~session() = default;
  virtual const dsr1::model_config& config() const = 0;
  virtual int threads() = 0;
  virtual std::string instructions() = 0;
  /// Since the last call; all zero without a store of experts.
  virtual dsr1::expert_store_counts expert_counts() = 0;
  /// Reads a sequence of so many tokens from its start; logits for the last.
  virtual duration prefill(index_t tokens) = 0;
  /// So many steps with one token of each of `batch` sequences, of which `depth` tokens were read.
  virtual duration decode(index_t depth, index_t batch, index_t steps) = 0;
  /// Logits after each of the first tokens, [tokens, vocab].
  virtual std::vector<float> logits(index_t tokens) = 0;
};

template <class Published>
class session_of final : public session {
  using context = dsr1::context<counting_cpu>;
  using decoder = dsr1::decoder<context, typename Published::model>;

 public:
  session_of(const std::string& folder, dsr1::model_config config, const session_options& options)
      : options_(options),
        config_(std::move(config)),
        source_(folder),
        ctx_({.threads = options.threads,
              .activations = options.int8_activations ? dsr1::activation_type::int8
                                                      : dsr1::activation_type::exact}),
        model_(Published::make(config_)) {
    load_checkpoint(ctx_, model_, config_, dsr1::family_of(config_.model_type), source_,
                    {.packed = true, .experts = options.experts, .gradients = false});
    Published::use_form(model_, dsr1::latent_form::absorbed);
    if (options.expert_memory > 0)
      experts_.emplace(ctx_, model_, dsr1::expert_store_options{.bytes = options.expert_memory});
    of(1);
  }

  const dsr1::model_config& config() const override { return config_; }
  int threads() override { return ctx_.device().pool().size(); }
  std::string instructions() override {
    return std::string(dsr1::name_of(ctx_.device().instructions()));
  }
  dsr1::expert_store_counts expert_counts() override {
    if (!experts_) return {};
    const auto counts = experts_->counts();
    experts_->clear_counts();
    return counts;
  }

  duration prefill(index_t tokens) override {
    decoder& d = of(1);
    d.restart(0);
    const std::vector<std::int32_t> text = text_of(0, 0, tokens);
    const stopwatch watch;
    d.feed(0, text);
    return watch.elapsed();
  }

  duration decode(index_t depth, index_t batch, index_t steps) override {
    decoder& d = of(batch);
    for (index_t slot = 0; slot < batch; ++slot) go_to(d, slot, depth);
    std::vector<std::int32_t> next(static_cast<std::size_t>(batch));
    std::vector<dsr1::decode_input> inputs;
    for (index_t slot = 0; slot < batch; ++slot)
      inputs.push_back({slot, {&next[static_cast<std::size_t>(slot)], 1}});
    const stopwatch watch;
    for (index_t i = 0; i < steps; ++i) {
      for (index_t slot = 0; slot < batch; ++slot)
        next[static_cast<std::size_t>(slot)] = token(slot, depth + i);
      d.feed(inputs);
    }
    return watch.elapsed();
  }

  std::vector<float> logits(index_t tokens) override {
    decoder& d = of(1);
    d.restart(0);
    const std::vector<std::int32_t> text = text_of(0, 0, tokens);
    const dsr1::decode_input all{.slot = 0, .tokens = text, .rows = tokens};
    const auto y = d.feed({&all, 1});
    std::vector<float> out;
    for (index_t r = 0; r < y.rows(); ++r) out.insert(out.end(), y.row(r), y.row(r) + y.columns());
    return out;
  }

 private:
  /// The decoder with so many slots, opened when it is first wanted.
  decoder& of(index_t slots) {
    auto& d = decoders_[slots];
    if (!d)
      d = std::make_unique<decoder>(
          ctx_, model_,
          dsr1::cache_options{.slots = slots,
                              .capacity = slots == 1 ? options_.capacity : options_.batch_capacity,
                              .chunk = options_.chunk});
    return *d;
  }

  std::int32_t token(index_t slot, index_t position) const {
    return random_token(options_.seed, slot, position, config_.vocab);
  }
  std::vector<std::int32_t> text_of(index_t slot, index_t first, index_t last) const {
    std::vector<std::int32_t> out;
    for (index_t i = first; i < last; ++i) out.push_back(token(slot, i));
    return out;
  }

  void go_to(decoder& d, index_t slot, index_t depth) {
    if (d.length(slot) > depth)
      depth >= d.shortest(slot) && depth > 0 ? d.rewind(slot, depth) : d.restart(slot);
    if (d.length(slot) < depth) d.feed(slot, text_of(slot, d.length(slot), depth));
  }

  session_options options_;
  dsr1::model_config config_;
  dsr1::checkpoint_folder source_;
  context ctx_;
  typename Published::model model_;
  std::optional<dsr1::expert_store<context>> experts_;
  std::map<index_t, std::unique_ptr<decoder>> decoders_;
};

inline std::unique_ptr<session> open_session(const std::string& folder,
                                             const session_options& options) {
  const dsr1::model_config c = dsr1::read_model_config(folder);
  return dsr1::with_published<float>(c, [&]<class Published>(Published) {
    return std::unique_ptr<session>(std::make_unique<session_of<Published>>(folder, c, options));
  });
}

}  // namespace bench
