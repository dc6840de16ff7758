// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Expert weights apart from where they are computed: the device keeps copies of those in demand.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/backend/context.hpp>
#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/tensor/parameter.hpp>

namespace dsr1 {

struct expert_store_options {
  index_t bytes = 0;           ///< memory of the device for copies
  index_t copies_at_once = 4;  ///< experts that are on their way at a time
  double half_life = 256;      ///< calls of a layer after which a use counts half
  double margin = 0.5;         ///< uses by which an expert must surpass the one it replaces
};

struct expert_store_counts {
  index_t uses = 0;    ///< experts with rows, summed over calls of layers
  index_t hits = 0;    ///< those of them that were read in memory of the device
  index_t copied = 0;  ///< experts
};

/// Lets the coded experts of a model lie in memory of the host (`residence::host` or `file`), and
/// keeps copies of those that are used most in memory of the device. An expert without a copy is
/// read where it lies, by the same kernels, so nothing waits for a copy, and no bit depends on
/// which experts have one. Copies are made aside, for the calls that follow. Use is a sum over
/// calls that had rows for the expert, halved every `half_life` calls; the least used one of all
/// layers gives its place.
/// For inference. At most one store per context; the model outlives it.
template <class Ctx>
  requires residence_ops<Ctx>
class expert_store final : public expert_listener {
 public:
  /// Throws `error` when the model has no coded experts, the memory is below one expert, or the
  /// context has a store.
  template <class Model>
  expert_store(Ctx& ctx, Model& model, const expert_store_options& options)
      : ctx_(ctx), options_(options) {
    expects(ctx.experts() == nullptr, "expert_store: the context has one already");
    expects(options.copies_at_once > 0 && options.half_life > 0 && options.margin >= 0,
            "expert_store: copies_at_once ", options.copies_at_once, ", half_life ",
            options.half_life, ", margin ", options.margin,
            ", expected above 0, above 0, 0 or more");
    std::map<std::string, std::size_t> layer_of;  // by the name of the layer of experts
    model.for_each_parameter([&]<class T>(const parameter_name& chain, parameter<T>& p) {
      if (!p.traits().per_expert || p.coded() == nullptr) return;
      const std::string name = chain.str();
      const auto [at, fresh] = layer_of.emplace(name.substr(0, name.rfind('.')), layers_.size());
      if (fresh) {
        layers_.push_back({.first = static_cast<index_t>(experts_.size())});
        experts_.resize(experts_.size() + static_cast<std::size_t>(p.coded()->matrices),
                        {.layer = at->second});
      }
      add(layers_[at->second], p.shared_codes());
      by_parameter_.emplace(&p, at->second);
    });
    expects(!layers_.empty(),
            "expert_store: the model has no experts that stay as they are stored (load it with "
            "packed)");
    for (const layer& l : layers_)
      for (index_t m = 0; m < l.tensors[0]->matrices; ++m)
        slot_bytes_ = std::max(slot_bytes_, bytes_of(l, m));
    const index_t wanted = options.bytes / std::max<index_t>(slot_bytes_, 1);
    expects(wanted > 0, "expert_store: ", options.bytes, " bytes, expected at least ", slot_bytes_,
            " for one expert of ", experts_.size());
    slots_.assign(std::min(static_cast<std::size_t>(wanted), experts_.size()), nobody);
    memory_ = buffer<std::byte>(slots() * slot_bytes_, ctx.memory());
    ctx.experts(this);
  }
  /// Afterwards the model reads all experts where they lie.
  ~expert_store() override {
    if (ctx_.experts() == this) ctx_.experts(nullptr);
    under_way_.clear();  // waits
    try {
      for (const index_t e : slots_)
        if (e != nobody && at(e).ready) leave(e);
    } catch (const error&) {  // the context has failed, and tells whoever uses it
    }
  }
  expert_store(const expert_store&) = delete;
  expert_store& operator=(const expert_store&) = delete;

  /// How many experts the device can have copies of, and how many there are, in all layers.
  index_t slots() const { return static_cast<index_t>(slots_.size()); }
  index_t experts() const { return static_cast<index_t>(experts_.size()); }
  const expert_store_counts& counts() const { return counts_; }
  void clear_counts() { counts_ = {}; }

  void about_to_use(const void* parameter, const row_groups& rows) override {
    const auto found = by_parameter_.find(parameter);
    if (found == by_parameter_.end()) return;  // another model of the context
    layer& l = layers_[found->second];
    expects(rows.count() == l.tensors[0]->matrices, "expert_store: rows for ", rows.count(),
            " experts, expected ", l.tensors[0]->matrices);
    arrive();
    age(l);
    wanted_.clear();
    for (index_t i = 0; i < rows.count(); ++i) {
      if (rows.length(i) == 0) continue;
      expert& e = at(l.first + i);
      e.use += l.unit;
      ++counts_.uses;
      counts_.hits += e.ready;
      if (e.slot == nobody) wanted_.push_back(l.first + i);
    }
    while (!wanted_.empty() && static_cast<index_t>(under_way_.size()) < options_.copies_at_once) {
      const auto most = std::max_element(wanted_.begin(), wanted_.end(), [&](index_t a, index_t b) {
        return at(a).use < at(b).use;
      });
      const index_t slot = slot_for(*most);
      if (slot == nobody) break;
      fetch(*most, slot);
      wanted_.erase(most);
    }
  }

 private:
  static constexpr index_t nobody = -1;

  struct layer {
    index_t first = 0;  ///< the number of its first expert
    double unit = 1;    ///< of the uses of its experts; grows, instead of all uses shrinking
    std::vector<std::shared_ptr<coded_tensor>> tensors = {};
    std::vector<std::vector<coded_part>> home = {};  ///< the parts of each, where the codes lie
  };
  struct expert {
    std::size_t layer = 0;
    double use = 0;
    index_t slot = nobody;
    bool ready = false;  ///< the copy in the slot is read
  };
  using copies =
      decltype(Ctx::backend::copy_aside(std::declval<Ctx&>(), std::span<const code_copy>()));
  struct transfer {
    index_t expert;
    std::vector<std::vector<coded_part>> there;  ///< the parts of each tensor in the slot
    copies copy;
  };

  expert& at(index_t e) { return experts_[static_cast<std::size_t>(e)]; }
  layer& layer_of(index_t e) { return layers_[at(e).layer]; }

  static void add(layer& l, std::shared_ptr<coded_tensor> w) {
    expects(l.tensors.empty() || l.tensors[0]->matrices == w->matrices, "expert_store: ", w->text(),
            " in a layer of ", l.tensors.empty() ? 0 : l.tensors[0]->matrices, " experts");
    l.home.push_back(w->parts);
    l.tensors.push_back(std::move(w));
  }

  /// The parts of one expert's tensor t where its codes lie.
  static std::span<const coded_part> home_of(const layer& l, std::size_t t, index_t matrix) {
    const auto count = static_cast<std::size_t>(l.tensors[t]->parts_per_matrix());
    return std::span(l.home[t]).subspan(static_cast<std::size_t>(matrix) * count, count);
  }
  static index_t bytes_of(const layer& l, index_t matrix) {
    index_t sum = 0;
    for (std::size_t t = 0; t < l.tensors.size(); ++t)
      sum += laid_out_bytes(*l.tensors[t], home_of(l, t, matrix));
    return sum;
  }

  double use_of(index_t e) { return at(e).use / layer_of(e).unit; }

  /// A use before this call counts 2^(-1 / half_life) of what it did.
  void age(layer& l) {
    l.unit *= std::exp2(1 / options_.half_life);
    if (l.unit < 1e100) return;
    for (index_t i = 0; i < l.tensors[0]->matrices; ++i) at(l.first + i).use /= l.unit;
    l.unit = 1;
  }

  /// A free slot, or that of the least used expert; `nobody` when all are used more than this one.
  index_t slot_for(index_t wanted) {
    index_t best = nobody;
    double least = use_of(wanted) - options_.margin;
    for (index_t s = 0; s < slots(); ++s) {
      const index_t e = slots_[static_cast<std::size_t>(s)];
      if (e == nobody) return s;
      if (!at(e).ready) continue;
      if (const double use = use_of(e); use < least) {
        least = use;
        best = s;
      }
    }
    return best;
  }

  void fetch(index_t e, index_t slot) {
    index_t& holder = slots_[static_cast<std::size_t>(slot)];
    if (holder != nobody) leave(std::exchange(holder, nobody));
    const layer& l = layer_of(e);
    std::byte* to = memory_.data() + slot * slot_bytes_;
    std::vector<std::vector<coded_part>> there;
    std::vector<code_copy> list;
    for (std::size_t t = 0; t < l.tensors.size(); ++t) {
      const auto home = home_of(l, t, e - l.first);
      there.emplace_back(home.begin(), home.end());
      lay_out(*l.tensors[t], there.back(), to, [&](const code_copy& c) { list.push_back(c); });
      to += laid_out_bytes(*l.tensors[t], home);
    }
    under_way_.push_back({e, std::move(there), Ctx::backend::copy_aside(ctx_, list)});
    holder = e;
    at(e).slot = slot;
    ++counts_.copied;
  }

  /// From now on the copies that are complete are read.
  void arrive() {
    std::erase_if(under_way_, [&](const transfer& t) {
      if (!t.copy.done()) return false;
      read(t.expert, [&](std::size_t i) { return std::span(t.there[i]); });
      return at(t.expert).ready = true;
    });
  }

  /// From now on the expert is read at home.
  void leave(index_t e) {
    const layer& l = layer_of(e);
    read(e, [&](std::size_t i) { return home_of(l, i, e - l.first); });
    at(e).ready = false;
    at(e).slot = nobody;
  }

  /// From now on the expert's tensor i is read at parts(i).
  template <class F>
  void read(index_t e, F&& parts) {
    const layer& l = layer_of(e);
    for (std::size_t i = 0; i < l.tensors.size(); ++i)
      Ctx::backend::read_at(ctx_, *l.tensors[i], e - l.first, parts(i));
  }

  Ctx& ctx_;
  const expert_store_options options_;
  expert_store_counts counts_;
  std::vector<layer> layers_;
  std::vector<expert> experts_;  ///< those of the first layer, then those of the second, ...
  std::map<const void*, std::size_t> by_parameter_;  ///< the layer
  index_t slot_bytes_ = 0;
  std::vector<index_t> slots_;  ///< whose copy is, or will be, there
  buffer<std::byte> memory_;
  std::vector<transfer> under_way_;
  std::vector<index_t> wanted_;
};

}  // namespace dsr1
