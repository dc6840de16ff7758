// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Estimators of a divergence: golden values and gradients, expectations, derivatives, large ratios.

#include <cmath>
#include <vector>

#include "loss/golden_rl.hpp"

#include <dsr1/loss/divergence.hpp>

using namespace dsr1;

namespace {

struct named {
  const char* name;
  kl_estimator which;
};
const named estimators[] = {{"k1", kl_estimator::k1},
                            {"k2", kl_estimator::k2},
                            {"k3", kl_estimator::k3},
                            {"abs", kl_estimator::absolute},
                            {"k3_straight_through", kl_estimator::k3_straight_through}};

}  // namespace

TEST_CASE("divergence: estimators and exact divergences of the reference", "[golden]") {
  const auto path = golden::path("rl/kl.safetensors");
  if (path.empty()) return;
  const golden::answers_file file(path);
  const auto logits = file.real("logits"), other = file.real("ref_logits"),
             actions = file.real("actions");
  golden::policy p(logits, actions, other), q(other, actions, logits);
  const std::vector<double> each(p.log_probability.size(),
                                 1 / static_cast<double>(file.tokens()));  // slope of a mean
  for (const named& e : estimators) {
    const std::string name = e.name;
    std::vector<double> value, slope;
    for (std::size_t t = 0; t < each.size(); ++t) {
      const kl_estimate k =
          estimate_divergence(e.which, p.log_probability[t], q.log_probability[t]);
      value.push_back(k.value);
      slope.push_back(k.slope * each[t]);
    }
    if (file.has(name + "/per_token"))
      battery::check_close(value, file.real(name + "/per_token"), name);
    CHECK(file.mean(value) == Approx(file.number(name + "/mean")).epsilon(1e-12));
    battery::check_close(p.gradient(slope), file.real(name + "/grad_logits"), name + ", gradient");
  }
  battery::check_close(p.divergence, file.real("exact/forward"), "forward");
  battery::check_close(q.divergence, file.real("exact/reverse"), "reverse");
  CHECK(file.mean(p.divergence) == Approx(file.number("exact/forward_mean")).epsilon(1e-12));
  CHECK(file.mean(q.divergence) == Approx(file.number("exact/reverse_mean")).epsilon(1e-12));
  battery::check_close(p.gradient({}, {}, each), file.real("exact/forward_grad_logits"),
                       "forward, gradient");
  // The reverse divergence is a cross-entropy: the slope of log p of every action is -q.
  std::vector<double> sum(logits.size());
  for (index_t a = 0; a < p.vocab; ++a) {
    const std::vector<double> same(each.size(), static_cast<double>(a));
    golden::policy pa(logits, same);
    const golden::policy qa(other, same);
    std::vector<double> slope;
    for (std::size_t t = 0; t < each.size(); ++t)
      slope.push_back(-std::exp(qa.log_probability[t]) * each[t]);
    const auto g = pa.gradient(slope);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += g[i];
  }
  battery::check_close(sum, file.real("exact/reverse_grad_logits"), "reverse, gradient");
}

TEST_CASE("divergence: k1 and k3 have the expectation of the exact KL, k2 has its gradient") {
  const std::vector<double> p = {0.5, 0.3, 0.15, 0.05}, q = {0.2, 0.3, 0.1, 0.4};
  double exact = 0, k1 = 0, k3 = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double lp = std::log(p[i]), lq = std::log(q[i]);
    exact += p[i] * (lp - lq);
    k1 += p[i] * estimate_divergence(kl_estimator::k1, lp, lq).value;
    k3 += p[i] * estimate_divergence(kl_estimator::k3, lp, lq).value;
  }
  CHECK(k1 == Approx(exact));
  CHECK(k3 == Approx(exact));
  for (std::size_t z = 0; z < 4; ++z) {  // by logit z: sum_i p_i slope_i (1[i = z] - p_z)
    double gradient = 0;
    for (std::size_t i = 0; i < 4; ++i)
      gradient += p[i] *
                  estimate_divergence(kl_estimator::k2, std::log(p[i]), std::log(q[i])).slope *
                  ((i == z) - p[z]);
    CHECK(gradient == Approx(p[z] * (std::log(p[z] / q[z]) - exact)).margin(1e-15));
  }
}

TEST_CASE("divergence: slopes by finite differences, small and large") {
  for (const named& e : estimators) {
    if (e.which == kl_estimator::k3_straight_through) continue;
    for (const double lp : {-60.0, -30.0, -23.5, -5.0, -1.0001, -0.3, 3.0, 40.0}) {
      const double step = 1e-5, lq = -1;
      const double above = estimate_divergence(e.which, lp + step, lq).value,
                   below = estimate_divergence(e.which, lp - step, lq).value;
      CAPTURE(e.name, lp);
      if (std::abs(lp - lq) < 1e-3) continue;  // the kink of |x|
      CHECK(estimate_divergence(e.which, lp, lq).slope ==
            Approx((above - below) / (2 * step)).epsilon(1e-6));
    }
  }
  const kl_estimate k2 = estimate_divergence(kl_estimator::k2, -3, -1),
                    k3 = estimate_divergence(kl_estimator::k3, -3, -1),
                    mixed = estimate_divergence(kl_estimator::k3_straight_through, -3, -1);
  CHECK(mixed.value == k3.value);
  CHECK(mixed.slope == k2.slope);
}

TEST_CASE("divergence: never negative, finite at any ratio, zero between equals") {
  for (const double k1 : {-1e6, -700.0, -20.0, -1e-9, 0.0, 1e-9, 20.0, 700.0, 1e6})
    for (const kl_estimator which : {kl_estimator::k2, kl_estimator::k3, kl_estimator::absolute}) {
      const kl_estimate k = estimate_divergence(which, k1, 0);
      CHECK(k.value >= 0);
      CHECK(std::isfinite(k.value));
      CHECK(std::isfinite(k.slope));
      CHECK(k.slope * k1 >= 0);
    }
  for (const named& e : estimators) CHECK(estimate_divergence(e.which, -2, -2).value == 0);
  CHECK(mentions(message_of([] { estimate_divergence(static_cast<kl_estimator>(9), 0, 0); }),
                 "number 9"));
}
