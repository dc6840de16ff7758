// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The policy: gradients of all its terms through the whole model, scores, errors.

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/model/actor_critic.hpp>
#include <dsr1/testing/grad_check.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

/// Two answers: rows 0 to 8 (actions from row 2 on, ended) and rows 9 to 15 (cut, so the last row
/// has no action).
template <class T>
struct sampled {
  context<cpu> ctx{{.threads = 2, .seed = 3}};
  small_lm<T, false> model, reference;
  std::vector<std::int32_t> tokens = ids(16, 13, 1), targets = ids(16, 13, 2);
  std::vector<sequence> parts = {{.begin = 0, .length = 9}, {.begin = 9, .length = 7}};
  std::vector<answer_range> answers = {{0, 7}, {7, 5}};
  std::vector<double> before, other, advantage, weight, value, returns;
  buffer<T> states;

  sampled() {
    for (const std::size_t row : {0, 1, 9, 15}) targets[row] = -1;
    initialize(ctx, model);
    enlarge(model);
    initialize(ctx, reference, false);
    const random_stream r(8, 1);
    reference.for_each_parameter([&](const parameter_name& name, auto& p) {
      for (index_t i = 0; i < p.size(); ++i)
        p.values()[i] = static_cast<T>(
            0.3 * random_stream(8, stream_of(name.str())).normal(static_cast<std::uint64_t>(i)));
    });
    for (std::uint64_t i = 0; i < 12; ++i) {
      before.push_back(-2.5 + 0.3 * r.normal(6 * i));
      other.push_back(-2.4 + 0.3 * r.normal(6 * i + 1));
      advantage.push_back(r.normal(6 * i + 2));
      weight.push_back(0.5 + r.uniform(6 * i + 3));
      value.push_back(r.normal(6 * i + 4));
      returns.push_back(r.normal(6 * i + 5));
    }
    ctx.inference(true);
    typename small_lm<T, false>::saved s;
    const auto h = reference.hidden(ctx, batch().tokens, s);
    states = buffer<T>(h.rows() * h.columns(), ctx.memory());
    cpu::copy(ctx, view<const T, 2>(h), states.as(h.rows(), h.columns()));
    ctx.inference(false);
  }

  policy_batch<T> batch() {
    return {.tokens = {view<const std::int32_t, 1>(tokens.data(), 16),
                       sequence_layout(std::span<const sequence>(parts))},
            .targets = view<const std::int32_t, 1>(targets.data(), 16),
            .answers = answers,
            .before = before,
            .reference = other,
            .advantage = advantage,
            .weight = weight,
            .values_before = value,
            .returns = returns,
            .reference_states =
                states.size() > 0 ? view<const T, 2>(states.as(16, 8)) : view<const T, 2>()};
  }
};

/// The loss from scores alone: what the derivative has to be of.
template <class T, class Actor>
double loss_of(sampled<T>& d, Actor& actor, const clipped_objective& objective,
               const actor_options& o) {
  d.ctx.workspace().reset();
  typename Actor::saved s;
  const policy_scores p = actor.score(d.ctx, d.batch(), s);
  std::vector<double> slope(12);
  policy_statistics ignored;
  double loss = objective({.answers = d.answers,
                           .log_probability = p.log_probability,
                           .before = d.before,
                           .reference = d.other,
                           .advantage = d.advantage,
                           .weight = d.weight},
                          slope, ignored);
  value_statistics counted;
  loss +=
      o.value * clipped_value_loss{o.value_clip}(
                    {.value = p.value, .before = d.value, .returns = d.returns, .weight = d.weight},
                    slope, counted);
  for (std::size_t i = 0; i < 12; ++i)
    loss += d.weight[i] * (o.divergence * p.divergence[i] - o.entropy * p.entropy[i]);
  return loss;
}

}  // namespace

TEST_CASE("actor_critic: gradients of objective, entropy, exact KL and values") {
  const bool apart = GENERATE(false, true);  // the critic has a model of its own
  sampled<double> d;
  small_lm<double, false> critic;
  const clipped_objective objective{.low = 0.4, .high = 0.6, .penalty = {.coefficient = 0.2}};
  const actor_options options{
      .temperature = 1.3, .entropy = 0.05, .divergence = 0.3, .value = 0.7, .value_clip = 0.9};
  actor_critic actor(d.model, true, objective, options, &d.reference, apart ? &critic : nullptr);
  initialize(d.ctx, actor);
  enlarge(d.model);
  if (apart) enlarge(critic);
  actor.for_each_parameter([&](const parameter_name& name, auto& p) {
    if (name.str().starts_with("value"))
      for (index_t i = 0; i < p.size(); ++i) p.values()[i] = 0.3 - 0.1 * static_cast<double>(i);
  });
  decltype(actor)::saved s;
  const double scale = 0.4;
  const auto r = testing::check_gradients(
      actor, view<double, 1>(), [&] { return scale * loss_of(d, actor, objective, options); },
      [&]() -> const double* {
        d.ctx.workspace().reset();
        const token_loss l = actor.train(d.ctx, d.batch(), scale, s);
        CHECK(l.tokens == 12);
        CHECK(l.sum == Approx(loss_of(d, actor, objective, options)));
        return nullptr;
      });
  INFO(r.str());
  CHECK(r.checked > (apart ? 1000 : 500));
  CHECK(r.error < 1e-6);
  CHECK(actor.statistics().tokens > 0);
}

TEST_CASE("actor_critic: a critic with a model of its own leaves the policy's gradient alone") {
  sampled<float> d;
  small_lm<float, false> critic;
  const auto gradients = [&](const actor_options& options) {
    actor_critic actor(d.model, true, clipped_objective{}, options, nullptr, &critic);
    initialize(d.ctx, actor);
    enlarge(d.model);
    enlarge(critic);
    policy_batch<float> b = d.batch();
    b.reference = {};
    b.reference_states = {};
    decltype(actor)::saved s;
    d.ctx.workspace().reset();
    actor.train(d.ctx, b, 0.25, s);
    std::vector<float> of_policy, of_critic;
    actor.for_each_parameter([&](const parameter_name& name, auto& p) {
      auto& to = name.str().starts_with("critic") ? of_critic : of_policy;
      if (p.gradient_written() && !name.str().starts_with("value"))
        to.insert(to.end(), p.gradients().begin(), p.gradients().end());
    });
    return std::pair(of_policy, of_critic);
  };
  const auto one = gradients({.value = 0.5}), other = gradients({.value = 5});
  CHECK((one.first == other.first && one.first.size() > 100));
  CHECK(one.second.size() > 100);
}

TEST_CASE("actor_critic: answers in two batches have the gradients of one") {
  sampled<float> d;
  actor_critic actor(d.model, true, clipped_objective{}, {.entropy = 0.1});
  initialize(d.ctx, actor);
  enlarge(d.model);
  const auto gradients = [&](std::initializer_list<std::pair<index_t, index_t>> cuts) {
    clear_gradients(actor);
    double loss = 0;
    for (const auto& [first, last] : cuts) {  // answers
      d.ctx.workspace().reset();
      const index_t row = first == 0 ? 0 : 9, rows = (last == 1 ? 9 : 16) - row;
      const std::size_t a = first == 0 ? 0 : 7, n = (last == 1 ? 7 : 12) - a;
      std::vector<sequence> parts;
      std::vector<answer_range> answers;
      for (index_t i = first; i < last; ++i) {
        parts.push_back(d.parts[static_cast<std::size_t>(i)]);
        parts.back().begin -= row;
        answers.push_back(d.answers[static_cast<std::size_t>(i)]);
        answers.back().begin -= static_cast<index_t>(a);
      }
      policy_batch<float> b = d.batch();
      b.reference = {};
      b.reference_states = {};
      b.tokens = {b.tokens.ids.slice_rows(row, rows),
                  sequence_layout(std::span<const sequence>(parts))};
      b.targets = b.targets.slice_rows(row, rows);
      b.answers = answers;
      for (auto* list : {&b.before, &b.advantage, &b.weight, &b.values_before, &b.returns})
        *list = list->subspan(a, n);
      decltype(actor)::saved s;
      loss += actor.train(d.ctx, b, 0.25, s).sum;
    }
    std::vector<float> all = {static_cast<float>(loss)};
    actor.for_each_parameter([&](const parameter_name&, auto& p) {
      if (p.gradient_written()) all.insert(all.end(), p.gradients().begin(), p.gradients().end());
    });
    return all;
  };
  const auto one = gradients({{0, 2}}), two = gradients({{0, 1}, {1, 2}});
  REQUIRE(one.size() == two.size());
  double worst = 0;
  for (std::size_t i = 0; i < one.size(); ++i)
    worst = std::max(worst, static_cast<double>(std::abs(one[i] - two[i])));
  CHECK(worst < 1e-5);
}

TEST_CASE("actor_critic: scores, and the value where an answer was cut") {
  sampled<float> d;
  actor_critic actor(d.model, true, clipped_objective{}, {}, &d.reference);
  initialize(d.ctx, actor);
  enlarge(d.model);
  decltype(actor)::saved s;
  const policy_scores p = actor.score(d.ctx, d.batch(), s);
  CHECK(p.log_probability.size() == 12);
  CHECK(p.value == std::vector<double>(12, 0.0));  // a new critic has no opinion
  CHECK(p.bootstrap.size() == 1);
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(p.log_probability[i] < 0);
    CHECK(p.entropy[i] > 0);
    CHECK(p.entropy[i] <= std::log(13.0) + 1e-6);
    CHECK(p.divergence[i] > 0);
  }
}

TEST_CASE("actor_critic: what does not fit") {
  sampled<float> d;
  CHECK(mentions(
      message_of([&] { actor_critic(d.model, false, clipped_objective{}, {.divergence = 0.1}); }),
      "divergence of 0.1", "there is none"));
  CHECK(mentions(
      message_of([&] { actor_critic(d.model, false, clipped_objective{}, {.entropy = -1}); }),
      "-1 (entropy)", "none below 0"));
  CHECK(mentions(message_of([&] {
                   actor_critic(d.model, false, clipped_objective{}, {}, nullptr, &d.reference);
                 }),
                 "a model for a critic, but no critic"));
  CHECK(mentions(message_of([&] {
                   actor_critic(d.model, true, clipped_objective{}, {}, &d.reference, &d.reference);
                 }),
                 "also the policy or the reference"));
  actor_critic actor(d.model, false, clipped_objective{});
  policy_batch<float> b = d.batch();
  b.weight = b.weight.first(11);
  decltype(actor)::saved s;
  CHECK(mentions(message_of([&] { actor.train(d.ctx, b, 1, s); }), "12 actions with 11 weights"));
}
