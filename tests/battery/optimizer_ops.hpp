// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of optimizer steps; see backend/optimizer_ops.hpp.
#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "battery/device.hpp"

#include <dsr1/backend/optimizer_ops.hpp>

namespace battery {

using dsr1::optimizer_tensor;

/// A few tensors of all sizes (none, around vectors, around a CPU chunk), each with a rate and a
/// decay of its own, the third without a gradient; on the device, and as doubles for a loop.
template <class Ctx, class T>
class optimizer_case {
 public:
  struct numbers {
    std::vector<double> p, g, m, v;
    double rate, decay;
  };

  explicit optimizer_case(Ctx& ctx) {
    ctx.workspace().reset();
    std::uint64_t stream = 50;
    for (const index_t n : {0, 1, 15, 16, 17, 33, 1000, 32'768, 70'001}) {
      const auto p = normals<T>(n, ++stream), g = normals<T>(n, ++stream),
                 m = normals<T>(n, ++stream);
      auto v = normals<T>(n, ++stream);
      for (T& x : v) x = T(0.1) + x * x;
      p_.emplace_back(ctx, p);
      g_.emplace_back(ctx, g);
      m_.emplace_back(ctx, m);
      v_.emplace_back(ctx, v);
      const bool gradient = n != 15;
      host.push_back({doubles(p), gradient ? doubles(g) : std::vector<double>(p.size()), doubles(m),
                      doubles(v), 0.01 * static_cast<double>(stream % 7 + 1),
                      0.1 * static_cast<double>(stream % 3)});
      tensors.push_back({.value = p_.back().out().data,
                         .gradient = gradient ? g_.back().in().data : nullptr,
                         .state = {m_.back().out().data, v_.back().out().data},
                         .size = n,
                         .rate = host.back().rate,
                         .decay = host.back().decay});
    }
  }

  std::span<const optimizer_tensor<T>> all() const { return tensors; }

  /// step(p, g, m, v, rate, decay) on every element of the host's doubles.
  template <class F>
  void on_host(F&& step) {
    for (numbers& t : host)
      for (std::size_t i = 0; i < t.p.size(); ++i)
        step(t.p[i], t.g[i], t.m[i], t.v[i], t.rate, t.decay);
  }
  void check(const std::string& what) const {
    for (std::size_t i = 0; i < host.size(); ++i) {
      const std::string which = dsr1::text(what, ", ", host[i].p.size(), " elements, ");
      check_close(p_[i].host(), host[i].p, which + "the value");
      check_close(m_[i].host(), host[i].m, which + "the first state");
      check_close(v_[i].host(), host[i].v, which + "the second state");
      if (host[i].p.size() != 15)
        check_close(g_[i].host(), host[i].g, which + "the gradient");  // unchanged
    }
  }
  /// Values and states of all tensors.
  std::vector<T> bits() const {
    std::vector<T> out;
    for (const auto* list : {&p_, &m_, &v_})
      for (const auto& x : *list) {
        const auto values = x.host();
        out.insert(out.end(), values.begin(), values.end());
      }
    return out;
  }

  std::vector<numbers> host;
  std::vector<optimizer_tensor<T>> tensors;

 private:
  std::vector<device_vector<Ctx, T>> p_, g_, m_, v_;
};

inline constexpr dsr1::adamw_numbers adamw_example = {.beta1 = 0.9,
                                                      .beta2 = 0.95,
                                                      .eps = 1e-3,
                                                      .correction1 = 0.19,
                                                      .correction2 = 0.0975,
                                                      .gradient_scale = 0.5};
inline constexpr dsr1::lion_numbers lion_example = {
    .beta1 = 0.9, .beta2 = 0.99, .gradient_scale = 0.5};
inline constexpr dsr1::muon_numbers muon_example = {
    .momentum = 0.95, .nesterov = true, .gradient_scale = 0.5};

/// All sgd_numbers worth a test.
inline std::vector<dsr1::sgd_numbers> sgd_examples() {
  std::vector<dsr1::sgd_numbers> out;
  for (const bool nesterov : {false, true})
    for (const bool first : {false, true})
      for (const double dampening : {0.0, 0.3})
        out.push_back({.momentum = 0.9,
                       .dampening = dampening,
                       .nesterov = nesterov,
                       .first = first,
                       .gradient_scale = 0.5});
  return out;
}

template <class T, class Ctx>
void adamw(Ctx& ctx) {
  optimizer_case<Ctx, T> c(ctx);
  const auto& a = adamw_example;
  Ctx::backend::adamw(ctx, c.all(), a);
  c.on_host([&](double& p, double g, double& m, double& v, double rate, double decay) {
    g *= a.gradient_scale;
    m = a.beta1 * m + (1 - a.beta1) * g;
    v = a.beta2 * v + (1 - a.beta2) * g * g;
    p = p * (1 - rate * decay) -
        rate * (m / a.correction1) / (std::sqrt(v / a.correction2) + a.eps);
  });
  c.check("adamw");
}

template <class T, class Ctx>
void sgd(Ctx& ctx) {
  for (const dsr1::sgd_numbers& a : sgd_examples()) {
    optimizer_case<Ctx, T> c(ctx);
    Ctx::backend::sgd(ctx, c.all(), a);
    c.on_host([&](double& p, double g, double& b, double&, double rate, double decay) {
      g = g * a.gradient_scale + decay * p;
      b = a.first ? g : a.momentum * b + (1 - a.dampening) * g;
      p -= rate * (a.nesterov ? g + a.momentum * b : b);
    });
    c.check(
        dsr1::text("sgd, nesterov ", a.nesterov, ", first ", a.first, ", dampening ", a.dampening));
  }
  optimizer_case<Ctx, T> c(ctx);
  for (auto& t : c.tensors) t.state[0] = t.state[1] = nullptr;
  Ctx::backend::sgd(
      ctx, c.all(),
      dsr1::sgd_numbers{
          .momentum = 0, .dampening = 0, .nesterov = false, .first = true, .gradient_scale = 2});
  c.on_host([&](double& p, double g, double&, double&, double rate, double decay) {
    p -= rate * (2 * g + decay * p);
  });
  c.check("sgd without momentum");
}

template <class T, class Ctx>
void lion(Ctx& ctx) {
  optimizer_case<Ctx, T> c(ctx);
  const auto& a = lion_example;
  Ctx::backend::lion(ctx, c.all(), a);
  c.on_host([&](double& p, double g, double& m, double&, double rate, double decay) {
    g *= a.gradient_scale;
    const double direction = a.beta1 * m + (1 - a.beta1) * g;
    p = p * (1 - rate * decay) - rate * ((direction > 0) - (direction < 0));
    m = a.beta2 * m + (1 - a.beta2) * g;
  });
  c.check("lion");
}

template <class T, class Ctx>
void muon(Ctx& ctx) {
  for (const bool nesterov : {false, true}) {
    optimizer_case<Ctx, T> c(ctx);
    auto a = muon_example;
    a.nesterov = nesterov;
    for (std::size_t i = 0; i < c.tensors.size(); ++i) {
      const device_vector<Ctx, T> u(ctx, c.tensors[i].size);
      Ctx::backend::muon_momentum(ctx, c.tensors[i], a, u.out());
      Ctx::backend::apply_update(ctx, c.tensors[i], u.in(), 0.7);
    }
    c.on_host([&](double& p, double g, double& b, double&, double rate, double decay) {
      g *= a.gradient_scale;
      b = a.momentum * b + (1 - a.momentum) * g;
      const double u = nesterov ? a.momentum * b + (1 - a.momentum) * g : b;
      p = p * (1 - rate * decay) - rate * 0.7 * u;
    });
    c.check(dsr1::text("muon's momentum and update, nesterov ", nesterov));
  }
}

template <class T, class Ctx>
void squared_norms(Ctx& ctx) {
  const optimizer_case<Ctx, T> c(ctx);
  std::vector<double> norms(c.tensors.size(), -1), expected;
  for (const auto& t : c.host) {
    double sum = 0;
    for (const double g : t.g) sum += g * g;
    expected.push_back(sum);
  }
  Ctx::backend::squared_norms(ctx, c.all(), std::span<double>(norms));
  for (std::size_t i = 0; i < norms.size(); ++i)
    CHECK(norms[i] == Approx(expected[i]).epsilon(sizeof(T) == 8 ? 1e-13 : 1e-6));
  Ctx::backend::squared_norms(ctx, std::span<const optimizer_tensor<T>>(), std::span<double>());
  // One element that is not finite is seen, wherever it stands.
  for (const index_t at : {0, 15, 16, 1023, 1024, 32'767, 32'768, 39'999})
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      ctx.workspace().reset();
      std::vector<T> g(40'000, T(1));
      g[static_cast<std::size_t>(at)] = bad;
      const device_vector<Ctx, T> on_device(ctx, g);
      const optimizer_tensor<T> one{.gradient = on_device.in().data, .size = 40'000};
      double norm = 0;
      Ctx::backend::squared_norms(ctx, std::span<const optimizer_tensor<T>>(&one, 1),
                                  std::span<double>(&norm, 1));
      CHECK_FALSE(std::isfinite(norm));
    }
}

/// Everything that an optimizer does to the case, as bits: for comparisons of threads and sets.
template <class T, class Ctx>
std::vector<T> optimizer_bits(Ctx& ctx) {
  std::vector<T> out;
  const auto keep = [&](const optimizer_case<Ctx, T>& c) {
    const auto bits = c.bits();
    out.insert(out.end(), bits.begin(), bits.end());
  };
  {
    optimizer_case<Ctx, T> c(ctx);
    Ctx::backend::adamw(ctx, c.all(), adamw_example);
    keep(c);
  }
  {
    optimizer_case<Ctx, T> c(ctx);
    for (const auto& a : sgd_examples()) Ctx::backend::sgd(ctx, c.all(), a);
    keep(c);
  }
  optimizer_case<Ctx, T> c(ctx);
  Ctx::backend::lion(ctx, c.all(), lion_example);
  for (const auto& t : c.tensors) {
    const device_vector<Ctx, T> u(ctx, t.size);
    Ctx::backend::muon_momentum(ctx, t, muon_example, u.out());
    Ctx::backend::apply_update(ctx, t, u.in(), 0.3);
  }
  keep(c);
  std::vector<double> norms(c.tensors.size());
  Ctx::backend::squared_norms(ctx, c.all(), std::span<double>(norms));
  for (const double n : norms) out.push_back(static_cast<T>(n));
  return out;
}

template <class T, class Ctx>
void optimizer_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_vector<Ctx, T> x(ctx, 4), u(ctx, 5);
  const optimizer_tensor<T> whole{
      .value = x.out().data, .state = {x.out().data, x.out().data}, .size = 4};
  const auto refused = [&](auto change, auto call) {
    std::array<optimizer_tensor<T>, 2> two = {whole, whole};
    change(two[1]);
    return message_of([&] { call(std::span<const optimizer_tensor<T>>(two)); });
  };
  const auto adamw = [&](auto t) { backend::adamw(ctx, t, adamw_example); };
  const auto lion = [&](auto t) { backend::lion(ctx, t, lion_example); };
  const auto sgd = [&](auto t) { backend::sgd(ctx, t, sgd_examples()[0]); };
  CHECK(mentions(refused([](auto& t) { t.state[1] = nullptr; }, adamw),
                 "adamw: tensor 1 lacks state 1, expected 2"));
  CHECK(mentions(refused([](auto& t) { t.state[0] = nullptr; }, lion),
                 "lion: tensor 1 lacks state 0"));
  CHECK(
      mentions(refused([](auto& t) { t.state[0] = nullptr; }, sgd), "sgd: tensor 1 lacks state 0"));
  CHECK(mentions(refused([](auto& t) { t.value = nullptr; }, adamw),
                 "adamw: tensor 1 has no values"));
  CHECK(mentions(refused([](auto& t) { t.size = -3; }, lion), "lion: tensor 1 has -3 elements"));
  CHECK(mentions(message_of([&] { backend::muon_momentum(ctx, whole, muon_example, u.out()); }),
                 "muon_momentum of 4", "into 5"));
  CHECK(mentions(message_of([&] { backend::apply_update(ctx, whole, u.in(), 1); }),
                 "apply_update of 5", "to 4"));
  CHECK(mentions(message_of([&] {
                   backend::squared_norms(ctx, std::span<const optimizer_tensor<T>>(&whole, 1),
                                          std::span<double>());
                 }),
                 "squared_norms of 1", "into 0"));
}

}  // namespace battery
