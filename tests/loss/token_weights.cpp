// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Averages over tokens: their definitions, and micro-batches and ranks that change nothing.

#include <vector>

#include "battery/device.hpp"

#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/loss/token_weights.hpp>

using namespace dsr1;
using battery::at;

namespace {

const token_weight_options averages[] = {{},
                                         {.average = token_average::sequence_mean},
                                         {.average = token_average::fixed_length, .length = 16}};

/// Loss and slopes of the answers with lengths [first, last), as a trainer scales them.
struct part {
  std::vector<answer_range> answers;
  std::vector<double> log_probability, before, advantage;

  part(const std::vector<index_t>& lengths, std::size_t first, std::size_t last) {
    index_t skipped = 0, size = 0, total = 0;
    for (std::size_t a = 0; a < lengths.size(); ++a) {
      if (a < first) skipped += lengths[a];
      if (a >= first && a < last) {
        answers.push_back({size, lengths[a]});
        size += lengths[a];
      }
      total += lengths[a];
    }
    const auto cut = [&](std::uint64_t stream) {
      const auto x = battery::normals<double>(total, stream, 0.4);
      return std::vector<double>(x.begin() + skipped, x.begin() + skipped + size);
    };
    log_probability = cut(1);
    before = cut(2);
    advantage = cut(3);
  }

  double loss(const answer_counts& all, const token_weight_options& options,
              std::vector<double>& slopes) const {
    std::vector<double> weight(before.size()), slope(before.size());
    token_weights(answers, all, options, weight);
    policy_statistics statistics;
    const double sum = clipped_objective{.level = ratio_of::sequence}(
        {answers, log_probability, before, {}, advantage, weight}, slope, statistics);
    for (const double s : slope) slopes.push_back(s / all.tokens);
    return sum / all.tokens;
  }
};

}  // namespace

TEST_CASE("token_weights: the averages by their definitions") {
  const std::vector<answer_range> answers = {{0, 3}, {3, 0}, {3, 1}, {6, 2}};
  const std::vector<double> loss = {1, 2, 3, 4, 100, 100, 5, 6};
  const answer_counts all = counts_of(answers);
  CHECK(all.tokens == 6);
  CHECK(all.answers == 4);
  const double expected[] = {21.0 / 6, (2 + 0 + 4 + 5.5) / 4, 21.0 / (4 * 16)};
  for (int i = 0; i < 3; ++i) {
    std::vector<double> w(8, 7);
    token_weights(answers, all, averages[i], w);
    double sum = 0;
    for (std::size_t t = 0; t < 8; ++t) sum += w[t] * loss[t];
    CHECK(sum / all.tokens == Approx(expected[i]));
    CHECK(w[4] == 0);  // between answers
  }
}

TEST_CASE("token_weights: micro-batches and ranks give the loss and the slopes of one batch") {
  const std::vector<index_t> lengths = {5, 1, 8, 3, 0, 7, 2};
  for (const auto& options : averages) {
    const part whole(lengths, 0, 7);
    std::vector<double> slopes;
    const double loss = whole.loss(counts_of(whole.answers), options, slopes);
    for (const std::vector<std::size_t>& cuts :
         {std::vector<std::size_t>{0, 3, 7}, {0, 1, 2, 6, 7}, {0, 0, 5, 7}}) {
      answer_counts all;
      for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
        all += counts_of(part(lengths, cuts[i], cuts[i + 1]).answers);
      double sum = 0;
      std::vector<double> together;
      for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
        sum += part(lengths, cuts[i], cuts[i + 1]).loss(all, options, together);
      CHECK(sum == Approx(loss).epsilon(1e-13));
      REQUIRE(together.size() == slopes.size());
      for (std::size_t t = 0; t < slopes.size(); ++t) CHECK(together[t] == Approx(slopes[t]));
    }
  }
}

TEST_CASE("token_weights: errors") {
  const std::vector<answer_range> answers = {{0, 3}};
  std::vector<double> two(2), three(3);
  const answer_counts all = counts_of(answers);
  CHECK(mentions(message_of([&] { token_weights(answers, all, {}, two); }),
                 "tokens 0 to 3, expected 0 to 2"));
  CHECK(
      mentions(message_of([&] { token_weights(answers, {.tokens = 2, .answers = 1}, {}, three); }),
               "said to have 1 answers of 2 tokens", "1 of 3"));
  CHECK(mentions(message_of([&] {
                   token_weights(answers, all, {.average = token_average::fixed_length}, three);
                 }),
                 "length is 0"));
}
