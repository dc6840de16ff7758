// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The answers of the golden files of reinforcement learning, without their padding, and the way
// from the slope of a loss by log-probabilities to its gradient by logits.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "battery/device.hpp"
#include "golden.hpp"

#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/loss/token_weights.hpp>

namespace golden {

using battery::at;
using dsr1::index_t;
using dsr1::view;

/// Files of [answers, tokens] with a mask; numbers are those of real tokens, side by side.
class answers_file {
 public:
  explicit answers_file(const std::string& path) : file_(path) {
    mask_ = numbers(file_, "mask");
    const auto& shape = file_.at("mask").shape;
    for (index_t a = 0; a < shape[0]; ++a) {
      const index_t begin = tokens_;
      for (index_t t = 0; t < shape[1]; ++t) tokens_ += mask_[at(a * shape[1] + t)] != 0;
      answers_.push_back({begin, tokens_ - begin});
    }
  }

  index_t tokens() const { return tokens_; }
  std::span<const dsr1::answer_range> answers() const { return answers_; }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  double number(const std::string& name) const { return numbers(file_, name).at(0); }
  std::vector<double> all(const std::string& name) const { return numbers(file_, name); }

  /// [answers, tokens, ...] of the file as [real tokens, ...].
  std::vector<double> real(const std::string& name) const { return real(numbers(file_, name)); }
  std::vector<double> real(const std::vector<double>& x) const {
    const std::size_t each = x.size() / mask_.size();
    std::vector<double> out;
    for (std::size_t t = 0; t < mask_.size(); ++t)
      if (mask_[t] != 0)
        out.insert(out.end(), x.begin() + static_cast<std::ptrdiff_t>(t * each),
                   x.begin() + static_cast<std::ptrdiff_t>((t + 1) * each));
    return out;
  }
  /// [answers] of the file, as one number per real token.
  std::vector<double> spread(const std::string& name) const {
    const auto x = numbers(file_, name);
    std::vector<double> out;
    for (std::size_t a = 0; a < answers_.size(); ++a)
      out.insert(out.end(), at(answers_[a].size), x.at(a));
    return out;
  }
  std::vector<double> weights(const dsr1::token_weight_options& options) const {
    std::vector<double> w(at(tokens_));
    dsr1::token_weights(answers_, dsr1::counts_of(answers_), options, w);
    return w;
  }
  double mean(const std::vector<double>& x) const {
    double sum = 0;
    for (const double v : x) sum += v;
    return sum / static_cast<double>(tokens_);
  }

 private:
  dsr1::safetensors file_;
  std::vector<double> mask_;
  std::vector<dsr1::answer_range> answers_;
  index_t tokens_ = 0;
};

/// The policy's logits of the real tokens, what they say, and the gradient of a loss by them.
struct policy {
  dsr1::context<dsr1::cpu> ctx;
  index_t rows, vocab;
  std::vector<double> logits, reference;
  std::vector<std::int32_t> actions;
  std::vector<double> log_probability, entropy, divergence;

  policy(std::vector<double> logits_, const std::vector<double>& actions_,
         std::vector<double> reference_ = {})
      : rows(static_cast<index_t>(actions_.size())),
        vocab(static_cast<index_t>(logits_.size()) / rows),
        logits(std::move(logits_)),
        reference(std::move(reference_)),
        log_probability(at(rows)),
        entropy(at(rows)),
        divergence(at(rows)) {
    for (const double a : actions_) actions.push_back(static_cast<std::int32_t>(a));
    dsr1::cpu::policy_rows(ctx, battery::cmatrix_of(logits, rows, vocab), other(), chosen(), 1.0,
                           out(log_probability), out(entropy), out(divergence));
  }

  /// Slopes that are empty are zero.
  std::vector<double> gradient(std::vector<double> dl, std::vector<double> dh = {},
                               std::vector<double> dd = {}) {
    std::vector<double> g = logits;
    for (auto* d : {&dl, &dh, &dd}) d->resize(at(rows));
    dsr1::cpu::policy_gradient_rows(ctx, battery::matrix_of(g, rows, vocab), other(), chosen(), 1.0,
                                    in(dl), in(dh), in(dd));
    return g;
  }

 private:
  view<const double, 2> other() const {
    return battery::cmatrix_of(reference, reference.empty() ? 0 : rows, vocab);
  }
  view<const std::int32_t, 1> chosen() const {
    return view<const std::int32_t, 1>(actions.data(), rows);
  }
  static view<double, 1> out(std::vector<double>& x) { return view<double, 1>(x.data(), x.size()); }
  static view<const double, 1> in(const std::vector<double>& x) {
    return view<const double, 1>(x.data(), x.size());
  }
};

inline std::vector<double> scaled(std::vector<double> x, double a) {
  for (double& v : x) v *= a;
  return x;
}

}  // namespace golden
