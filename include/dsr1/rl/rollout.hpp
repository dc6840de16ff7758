// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sampling answers to many prompts at a time, with caches.
#pragma once

#include <array>
#include <vector>

#include <dsr1/backend/policy_ops.hpp>
#include <dsr1/model/generator.hpp>
#include <dsr1/rl/experience.hpp>
#include <dsr1/rl/text_codec.hpp>

namespace dsr1 {

struct rollout_options {
  index_t max_prompt = 64;    ///< tokens, with the one that begins the text
  index_t max_answer = 64;    ///< tokens, with the one that ends it
  index_t slots = 64;         ///< answers at a time
  index_t step_tokens = 512;  ///< of one call of the model
};

/// Fills `answer`, `ended`, `text`, `log_probability` and `entropy` of experiences whose `prompt`
/// is set, each drawn with a seed of its own. What an answer is depends on prompt, seed,
/// temperature and model alone; its log-probabilities, log softmax(logits / temperature) of every
/// token, are to the bit those that `actor_critic` computes in training. Context, model and codec
/// must outlive it.
template <class Ctx, class Model, text_codec Codec>
class rollout {
 public:
  using T = typename Model::number;

  rollout(Ctx& ctx, Model& model, const Codec& codec, const rollout_options& options = {})
      : ctx_(ctx),
        codec_(codec),
        options_(options),
        generator_(ctx, model,
                   {.cache = {.slots = options.slots,
                              .capacity = options.max_prompt + options.max_answer,
                              .chunk = options.max_prompt},
                    .step_tokens = std::max(options.step_tokens, options.slots)}) {
    expects(codec.vocab() <= model.vocab(), "rollout: the codec has ", codec.vocab(),
            " tokens, the model ", model.vocab());
  }

  const rollout_options& options() const { return options_; }

  /// The tokens of a prompt. Throws `error` when they are more than `max_prompt`.
  std::vector<std::int32_t> tokens_of(std::string_view prompt) const {
    std::vector<std::int32_t> ids = codec_.encode(prompt);
    ids.insert(ids.begin(), codec_.end());
    expects(static_cast<index_t>(ids.size()) <= options_.max_prompt, "rollout: the prompt \"",
            prompt, "\" has ", ids.size(), " tokens, expected at most ", options_.max_prompt);
    return ids;
  }

  /// Experience i is drawn with seed seeds(i); a temperature of 0 takes the most likely token and
  /// notes neither log-probabilities nor entropy. Throws `error` when what the model computes is
  /// not finite.
  template <class F>
  void operator()(std::span<experience> all, double temperature, F&& seeds) {
    first_ = 0;
    std::vector<request_id> ids(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      experience& e = all[i];
      e.answer.clear();
      e.log_probability.clear();
      e.entropy = 0;
      e.ended = false;
      ids[i] = generator_.submit({.prompt = e.prompt,
                                  .max_tokens = options_.max_answer,
                                  .sampling = {.temperature = temperature, .seed = seeds(i)},
                                  .stop_tokens = {codec_.end()}});
      if (i == 0) first_ = ids[0];
    }
    generator_.run([&](const generated_token<T>& t) {
      experience& e = all[static_cast<std::size_t>(t.request - first_)];
      e.answer.push_back(t.token);
      e.ended = t.why == finish::stop_token;
      if (temperature > 0) note_probability(t, temperature, e);
    });
    for (experience& e : all) {
      const std::span<const std::int32_t> ids_of(e.answer);
      e.text = codec_.decode(ids_of.first(e.answer.size() - (e.ended ? 1 : 0)));
    }
  }

  /// Bytes of text up to and with each token of an answer.
  std::vector<index_t> ends_of(const experience& e) const {
    std::vector<index_t> ends;
    ends.reserve(e.answer.size());
    const std::span<const std::int32_t> ids(e.answer);
    for (std::size_t i = 1; i <= ids.size(); ++i) {
      const std::size_t n = i == ids.size() && e.ended ? i - 1 : i;
      ends.push_back(static_cast<index_t>(codec_.decode(ids.first(n)).size()));
    }
    return ends;
  }

 private:
  void note_probability(const generated_token<T>& t, double temperature, experience& e) {
    std::array<T, 3> out{};
    const view<const T, 2> logits(t.logits.data(), index_t{1},
                                  static_cast<index_t>(t.logits.size()));
    const std::int32_t action[] = {t.token};
    Ctx::backend::policy_rows(ctx_, logits, view<const T, 2>(),
                              view<const std::int32_t, 1>(action, index_t{1}), 1 / temperature,
                              view<T, 1>(&out[0], index_t{1}), view<T, 1>(&out[1], index_t{1}),
                              view<T, 1>(&out[2], index_t{1}));
    e.log_probability.push_back(out[0]);
    e.entropy += static_cast<double>(out[1]);
  }

  Ctx& ctx_;
  const Codec& codec_;
  rollout_options options_;
  generator<Ctx, Model> generator_;
  request_id first_ = 0;
};

}  // namespace dsr1
