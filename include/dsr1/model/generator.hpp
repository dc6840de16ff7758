// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Many requests at a time: continuous admission to a fixed number of slots.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/attention/cache.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/sampler.hpp>

namespace dsr1 {

/// What is to be continued, and until when.
struct generation_request {
  std::vector<std::int32_t> prompt;
  index_t max_tokens = 256;
  sampler_options sampling = {};
  std::vector<std::int32_t> stop_tokens = {};  ///< each of them ends the text
};

/// Names a request of one generator; they count from 1.
using request_id = std::uint64_t;

/// Why a token is the last of its request.
enum class finish { running, stop_token, length };

/// A token that was just chosen. The logits are those that it was drawn from; they are gone after
/// the callback.
template <class T>
struct generated_token {
  request_id request = 0;
  index_t index = 0;  ///< 0 is the first after the prompt
  std::int32_t token = 0;
  finish why = finish::running;  ///< other than running: the last; a stop token belongs to no text
  std::span<const T> logits;
};

struct generator_options {
  cache_options cache = {.slots = 8, .capacity = 4096, .chunk = 256};
  /// Most tokens of one step. Running requests take one each; prompts share what is left, in the
  /// order of their coming. Smaller: the running ones wait less while a long prompt is read.
  index_t step_tokens = 256;
};

/// Runs requests on `slots` cache slots; the others wait in a queue. A step is one call of the
/// model with the next token of every running request and pieces of the prompts of new ones; a
/// request that ends frees its slot for the next. The tokens and logits of a request depend on the
/// request and the model alone, to the bit, whatever runs beside it, comes before it, or how the
/// steps are cut. A warm step without arrivals takes nothing from the heap; `submit` allocates what
/// a request needs.
template <class Ctx, class Model>
class generator {
 public:
  using T = typename Model::number;

  generator(Ctx& ctx, Model& model, const generator_options& options)
      : decode_(ctx, model, options.cache),
        step_tokens_(options.step_tokens),
        slots_(static_cast<std::size_t>(options.cache.slots)) {
    expects(options.step_tokens >= options.cache.slots, "generator: ", options.step_tokens,
            " tokens a step for ", options.cache.slots, " slots, expected one per slot or more");
    inputs_.reserve(slots_.size());
    drawn_.reserve(slots_.size());
  }

  /// Puts a request at the end of the queue. Throws `error` on an empty prompt, an id outside the
  /// vocabulary, options out of range, and when prompt and max_tokens are beyond the capacity.
  request_id submit(generation_request request) {
    const auto prompt = static_cast<index_t>(request.prompt.size());
    expects(prompt > 0, "generator: the prompt is empty, expected one token or more");
    expects(request.max_tokens > 0, "generator: max_tokens is ", request.max_tokens,
            ", expected 1 or more");
    expects(request.max_tokens <= decode_.capacity() &&
                prompt <= decode_.capacity() - request.max_tokens,
            "generator: a prompt of ", prompt, " tokens and ", request.max_tokens,
            " more, the cache holds ", decode_.capacity());
    for (const auto* ids : {&request.prompt, &request.stop_tokens})
      for (const std::int32_t id : *ids)
        expects(id >= 0 && id < decode_.vocab(), "generator: token ", id, " in the ",
                ids == &request.prompt ? "prompt" : "stop tokens", ", expected 0 to ",
                decode_.vocab() - 1);
    expect_valid(request.sampling);
    request.prompt.reserve(static_cast<std::size_t>(prompt + request.max_tokens));
    waiting_.push_back({.id = last_id_ + 1, .prompt = prompt, .request = std::move(request)});
    return ++last_id_;
  }

  /// Ends a request, waiting or running, and returns true; nothing more comes of it. False when it
  /// has ended already. May be called from the callback of a step (for stop strings, or a reader
  /// who left). Throws `error` on a request that was never submitted.
  bool cancel(request_id id) {
    expects(id > 0 && id <= last_id_, "generator: unknown request ", id, ", ", last_id_,
            " were submitted");
    bool known = false;
    for (generated_token<T>& token : drawn_)
      if (token.request == id) known = true, token.request = 0;  // not handed on any more
    for (auto& slot : slots_)
      if (slot && slot->id == id) known = true, slot.reset();
    return known || std::erase_if(waiting_, [&](const job& j) { return j.id == id; }) > 0;
  }

  index_t running() const {
    return std::count_if(slots_.begin(), slots_.end(), [](const auto& s) { return s.has_value(); });
  }
  index_t waiting() const { return static_cast<index_t>(waiting_.size()); }

  /// One call of the model. on_token(const generated_token<T>&) for every token that was chosen;
  /// it may submit and cancel, but not use the context. Returns whether requests are left.
  /// An `error` of one request (what it computes is not finite) ends that request, names it, and is
  /// thrown after the tokens of the others were handed on; the next step goes on with them.
  template <class F>
  bool step(F&& on_token) {
    std::exception_ptr failed;
    admit();
    choose_inputs();
    if (inputs_.empty()) return false;
    const view<const T, 2> logits = feed(failed);
    // First all is drawn and noted, so that an exception of the callback leaves no half step.
    const forget_at_end tokens(drawn_);
    index_t row = 0;
    for (const decode_input& in : inputs_) {
      if (in.rows == 0) continue;
      const std::span<const T> own(logits.row(row++), static_cast<std::size_t>(decode_.vocab()));
      try {
        drawn_.push_back(draw(*slot_of(in), own));
        if (drawn_.back().why != finish::running) slot_of(in).reset();
      } catch (const error& e) {
        drop(in, e, failed);
      }
    }
    for (std::size_t i = 0; i < drawn_.size(); ++i) {
      const generated_token<T> token = drawn_[i];
      if (std::exchange(drawn_[i].request, 0) != 0) on_token(token);
    }
    if (failed) std::rethrow_exception(failed);
    return !waiting_.empty() || running() > 0;
  }

  /// Steps until no request is left.
  template <class F>
  void run(F&& on_token) {
    while (step(on_token)) {
    }
  }

 private:
  struct job {
    request_id id;
    index_t prompt;              // tokens of it
    generation_request request;  // its prompt grows by what is generated
  };
  struct forget_at_end {
    explicit forget_at_end(std::vector<generated_token<T>>& drawn) : drawn_(drawn) {}
    ~forget_at_end() { drawn_.clear(); }
    forget_at_end(const forget_at_end&) = delete;
    forget_at_end& operator=(const forget_at_end&) = delete;
    std::vector<generated_token<T>>& drawn_;
  };

  void admit() {
    for (std::size_t i = 0; i < slots_.size() && !waiting_.empty(); ++i) {
      if (slots_[i]) continue;
      decode_.restart(static_cast<index_t>(i));
      slots_[i].emplace(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }

  /// What of this slot's tokens is not fed yet.
  std::span<const std::int32_t> fresh(std::size_t slot) const {
    return std::span(slots_[slot]->request.prompt)
        .subspan(static_cast<std::size_t>(decode_.length(static_cast<index_t>(slot))));
  }

  void choose_inputs() {
    inputs_.clear();
    index_t left = step_tokens_;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i] || fresh(i).size() != 1) continue;
      inputs_.push_back({.slot = static_cast<index_t>(i), .tokens = fresh(i)});
      --left;
    }
    // Prompts, the eldest first: one after another is read sooner on average than all alike.
    for (request_id after = 0; left > 0;) {
      std::size_t next = slots_.size();
      for (std::size_t i = 0; i < slots_.size(); ++i)
        if (slots_[i] && slots_[i]->id > after && fresh(i).size() > 1 &&
            (next == slots_.size() || slots_[i]->id < slots_[next]->id))
          next = i;
      if (next == slots_.size()) break;
      after = slots_[next]->id;
      const auto rest = fresh(next);
      const index_t take = std::min({static_cast<index_t>(rest.size()), left, decode_.chunk()});
      left -= take;
      inputs_.push_back({.slot = static_cast<index_t>(next),
                         .tokens = rest.first(static_cast<std::size_t>(take)),
                         .rows = take == static_cast<index_t>(rest.size()) ? 1 : 0});
    }
  }

  std::optional<job>& slot_of(const decode_input& in) {
    return slots_[static_cast<std::size_t>(in.slot)];
  }

  void drop(const decode_input& in, const error& e, std::exception_ptr& failed) {
    if (!failed)
      failed = std::make_exception_ptr(error(text("request ", slot_of(in)->id, ": ", e.what())));
    slot_of(in).reset();
  }

  /// Feeds all inputs. When the model refuses, every input is tried alone, and those that fail are
  /// dropped.
  view<const T, 2> feed(std::exception_ptr& failed) {
    try {
      return decode_.feed(inputs_);
    } catch (const error&) {
      std::erase_if(inputs_, [&](const decode_input& in) {
        const index_t before = decode_.length(in.slot);
        try {
          decode_.feed({&in, 1});
          decode_.rewind(in.slot, before);
          return false;
        } catch (const error& e) {
          drop(in, e, failed);
          return true;
        }
      });
      if (!failed) throw;  // together they fail, alone none does
      return decode_.feed(inputs_);
    }
  }

  generated_token<T> draw(job& j, std::span<const T> logits) {
    auto& all = j.request.prompt;
    const auto index = static_cast<index_t>(all.size()) - j.prompt;
    const double u = sampling_stream(j.request.sampling).uniform(static_cast<std::uint64_t>(index));
    const std::int32_t token =
        process_.draw(j.request.sampling, std::span<const T>(logits), all, u);
    all.push_back(token);
    const auto& stops = j.request.stop_tokens;
    const finish why = std::find(stops.begin(), stops.end(), token) != stops.end()
                           ? finish::stop_token
                       : index + 1 == j.request.max_tokens ? finish::length
                                                           : finish::running;
    return {.request = j.id, .index = index, .token = token, .why = why, .logits = logits};
  }

  decoder<Ctx, Model> decode_;
  index_t step_tokens_;
  std::vector<std::optional<job>> slots_;
  std::deque<job> waiting_;
  request_id last_id_ = 0;
  std::vector<decode_input> inputs_;
  std::vector<generated_token<T>> drawn_;  // of this step, not handed on yet
  logits_processor process_;
};

}  // namespace dsr1
