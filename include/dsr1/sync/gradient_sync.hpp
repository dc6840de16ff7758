// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums gradients over the ranks while the backward pass still runs.
#pragma once

#include <chrono>
#include <memory>
#include <unordered_map>
#include <vector>

#include <dsr1/backend/context.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/comm/async.hpp>
#include <dsr1/sync/partition.hpp>
#include <dsr1/sync/run_reducer.hpp>

namespace dsr1 {

struct sync_options {
  wire_format gradients = {};    ///< how they travel
  bool error_feedback = false;   ///< what rounding loses is added to the next step's gradient
  bool overlap = true;           ///< sends while the backward pass runs; changes no bit
  bool shard_optimizer = false;  ///< only the owner of a number keeps its optimizer state
  index_t bucket_bytes = index_t{4} << 20;
};

/// Sums the gradients of all ranks, bucket by bucket, on a communicator and a thread of its own.
/// For one step: `begin` before the last backward pass, which then tells what is complete (it is
/// the context's listener meanwhile); `finish` after it. Then every rank's gradients are the sums;
/// with `shard_optimizer` only what it owns is, and `spread_weights` must follow the update.
/// A parameter without a gradient on this rank (an expert without tokens) counts as zeros.
/// Bytes: those of `reduce_bytes` and `spread_bytes`, for every bucket.
/// Throws `error` as the communicator does, and naming rank and parameter when a contribution is
/// not finite. Context, model and list must outlive it.
template <class Ctx, class T>
class gradient_sync final : public gradient_listener {
 public:
  /// Collective; `unit` as for `partition`.
  template <class Unit>
  gradient_sync(Ctx& ctx, const parameter_list<T>& parameters, const sync_options& options,
                Unit&& unit)
      : ctx_(ctx),
        parameters_(parameters),
        options_(options),
        parts_(ctx.comm(), parameters, {options.bucket_bytes, options.gradients.block}, unit),
        written_(parameters.size()),
        bucket_of_(parameters.size()),
        missing_(buckets().size()),
        gradients_(options.gradients, place()),
        exact_({}, place()) {
    ctx.comm().agree("the format of gradients", fingerprint(options));
    index_t largest = 0;
    for (std::size_t i = 0; i < buckets().size(); ++i) {
      const bucket& b = buckets()[i];
      largest = std::max(largest, b.size);
      for (const std::size_t p : b.parameters) {
        expects(parameters[p].p->trainable(), "parameter ", parameters[p].name,
                " has no gradient; initialise the model for training");
        bucket_of_[p] = i;
        numbers_[parameters[p].p] = p;
      }
      residuals_.emplace_back(options.error_feedback && !b.exact ? b.size : 0, ctx.memory());
      Ctx::backend::fill(ctx, residuals_.back().as(residuals_.back().size()), T(0));
    }
    flat_ = buffer<T>(largest, ctx.memory());
    side_ = std::make_unique<async<side>>(side{std::make_unique<side_context>(
        context_options{.threads = 1, .seed = ctx.options().seed}, ctx.comm().duplicate())});
  }
  ~gradient_sync() override {
    if (ctx_.listener() == this) ctx_.listener(nullptr);
  }

  const sync_options& options() const { return options_; }
  const partition& parts() const { return parts_; }

  /// From now on what the backward pass completes is sent. `step` keys the rounding.
  void begin(index_t step) {
    step_ = step;
    next_ = 0;
    handles_.clear();
    std::fill(written_.begin(), written_.end(), false);
    for (std::size_t i = 0; i < missing_.size(); ++i) missing_[i] = buckets()[i].parameters.size();
    if (options_.overlap) ctx_.listener(this);
  }

  void ready(const void* p) override {
    const auto found = numbers_.find(p);
    if (found == numbers_.end() || written_[found->second]) return;
    written_[found->second] = true;
    --missing_[bucket_of_[found->second]];
    while (next_ < missing_.size() && missing_[next_] == 0) launch(next_++);
  }

  /// Sends the rest and returns when all sums are there.
  void finish() {
    ctx_.listener(nullptr);
    while (next_ < missing_.size()) launch(next_++);
    wait();
    for (const bucket& b : buckets())
      for (const std::size_t p : b.parameters) parameters_[p].p->next_gradient();
  }

  /// The weights of every owner to those who hold them.
  void spread_weights() {
    handles_.clear();
    for (std::size_t i = 0; i < buckets().size(); ++i)
      if (!buckets()[i].exact)
        handles_.push_back(side_->start([this, i](side& s) {
          s.context->comm().count_as(purpose::weights);
          move(buckets()[i], values(), flat_of(buckets()[i]), true);
          weights_.spread(*s.context, s.context->comm(), buckets()[i].runs, flat_of(buckets()[i]),
                          {}, random_stream(0));
          move(buckets()[i], values(), flat_of(buckets()[i]), false);
        }));
    wait();
  }

  /// Seconds that the operations took, and how much of it the step waited for.
  double seconds() const { return side_->seconds(); }
  double exposed() const { return exposed_; }
  /// Between steps.
  const traffic& counted() { return side_->comm().context->comm().counted(); }

  /// What rounding has lost so far and is still to be sent: visitor(piece, view of its numbers),
  /// for the pieces of this rank's buckets. Over all ranks they add up to what is owed.
  template <class Visitor>
  void for_each_residual(Visitor&& visitor) {
    for (std::size_t i = 0; i < residuals_.size(); ++i) {
      if (residuals_[i].size() == 0) continue;
      index_t at = 0;
      for (const piece& p : buckets()[i].pieces) {
        visitor(p, residuals_[i].as(residuals_[i].size()).slice_rows(at, p.size));
        at += p.size;
      }
    }
  }

 private:
  using side_context = context<typename Ctx::backend, typename Ctx::comm_type>;
  /// What the other thread works with.
  struct side {
    std::unique_ptr<side_context> context;
    int rank() const { return context->comm().rank(); }
    void abandon(const std::string& why) { context->comm().abandon(why); }
  };

  static std::uint64_t fingerprint(const sync_options& o) {
    const std::string all = text(o.gradients.fingerprint(), ' ', o.error_feedback, ' ',
                                 o.shard_optimizer, ' ', o.bucket_bytes);
    return stream_of(all);
  }

  const std::vector<bucket>& buckets() const { return parts_.buckets(); }
  view<T, 1> flat_of(const bucket& b) { return flat_.as(b.size); }

  static auto values() {
    return [](parameter<T>& p) { return p.values().data(); };
  }

  void launch(std::size_t i) {
    handles_.push_back(side_->start([this, i](side& s) { sum(*s.context, i); }));
  }

  void sum(side_context& ctx, std::size_t i) {
    const bucket& b = buckets()[i];
    const auto gradients = [](parameter<T>& p) {
      return p.gradient_written() ? p.gradients().data() : nullptr;
    };
    const view<T, 1> flat = flat_of(b);
    auto& comm = ctx.comm();
    comm.count_as(purpose::gradient);
    move(b, gradients, flat, true);
    run_reducer<T>& reducer = b.exact ? exact_ : gradients_;
    current_ = i;
    const view<T, 1> residual = residuals_[i].size() > 0 ? residuals_[i].as(b.size) : view<T, 1>();
    const auto random = [&](int half) {
      return wire_stream(ctx.options().seed ^ (0x9e3779b97f4a7c15u * (i + 1)),
                         static_cast<std::uint64_t>(step_), comm.rank(), half);
    };
    reducer.reduce(ctx, comm, b.runs, flat, residual, random(0));
    if (b.exact || !options_.shard_optimizer)
      reducer.spread(ctx, comm, b.runs, flat, residual, random(1));
    for (const std::size_t p : b.parameters) {
      parameter<T>& one = *parameters_[p].p;  // what is not in the vector has no gradient either
      if (!one.gradient_written()) Ctx::backend::fill(ctx, one.gradients().as(one.size()), T(0));
    }
    move(
        b, [](parameter<T>& p) { return p.gradients().data(); }, flat, false);
  }

  /// Copies the pieces of a bucket together (zeros for what has no data) or apart.
  template <class Data>
  void move(const bucket& b, Data&& data, view<T, 1> flat, bool together) {
    side_context& ctx = *side_->comm().context;
    index_t at = 0;
    for (const piece& p : b.pieces) {
      T* there = data(*parameters_[p.parameter].p);
      const view<T, 1> here = flat.slice_rows(at, p.size);
      at += p.size;
      if (there == nullptr) {
        Ctx::backend::fill(ctx, here, T(0));
        continue;
      }
      const view<T, 2> a(there + p.begin, index_t{1}, p.size), f(here.data, index_t{1}, p.size);
      Ctx::backend::copy(ctx, view<const T, 2>(together ? a : f), together ? f : a);
    }
  }

  /// Names the parameter at a place of a run of the bucket in work.
  typename run_reducer<T>::place place() {
    return [this](index_t run, index_t at) {
      const bucket& b = buckets()[current_];
      return name_at(b, b.runs[static_cast<std::size_t>(run)].at + at);
    };
  }
  std::string name_at(const bucket& b, index_t at) const {
    for (const piece& p : b.pieces) {
      if (at < p.size) return text(parameters_[p.parameter].name, ", element ", p.whole_begin + at);
      at -= p.size;
    }
    return "no parameter";
  }

  void wait() {
    const auto start = std::chrono::steady_clock::now();
    for (const handle& h : handles_) h.wait();
    exposed_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  Ctx& ctx_;
  const parameter_list<T>& parameters_;
  sync_options options_;
  partition parts_;
  std::vector<bool> written_;  // announced in this step
  std::vector<std::size_t> bucket_of_;
  std::vector<std::size_t> missing_;
  std::unordered_map<const void*, std::size_t> numbers_;
  run_reducer<T> gradients_, exact_, weights_;
  std::vector<buffer<T>> residuals_;  // by bucket; empty without error feedback
  std::size_t current_ = 0;           // bucket in work on the other thread
  buffer<T> flat_;
  std::vector<handle> handles_;
  std::size_t next_ = 0;
  index_t step_ = 0;
  double exposed_ = 0;
  std::unique_ptr<async<side>> side_;  // last: it uses all the others
};

}  // namespace dsr1
