// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every operation of a backend once, on sizes that make it use all its paths; the results as one
// list. Two runs that should give the same bits are compared by their traces.
#pragma once

#include "battery/attention_ops.hpp"
#include "battery/linear_ops.hpp"
#include "battery/routing_ops.hpp"

#include <dsr1/backend/glu_ops.hpp>
#include <dsr1/backend/loss_ops.hpp>
#include <dsr1/backend/norm_ops.hpp>

namespace battery {

template <class T>
using trace = std::vector<std::pair<std::string, std::vector<T>>>;

/// Fails on the first operation whose results differ in any bit.
template <class T>
void check_same(const trace<T>& a, const trace<T>& b, const std::string& what) {
  INFO(what);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].first == b[i].first);
    check_same(a[i].second, b[i].second, a[i].first);
  }
}

template <class T, class Ctx>
class tracer {
 public:
  tracer(Ctx& ctx, margin around) : ctx_(ctx), around_(around) {
    ctx.workspace().reset();
    tensors();
    products();
    groups();
    norms();
    rows();
    routing();
    attention();
    losses();
  }
  trace<T> take() { return std::move(out_); }

 private:
  using backend = typename Ctx::backend;
  using tensor = device_matrix<Ctx, T>;

  tensor normal(index_t m, index_t n, std::uint64_t stream) {
    return tensor(ctx_, m, n, normals<T>(m * n, stream), around_);
  }
  tensor empty(index_t m, index_t n) { return tensor(ctx_, m, n, around_); }
  void keep(const std::string& name, const tensor& t) { out_.emplace_back(name, t.host()); }
  void keep(const std::string& name, const device_vector<Ctx, T>& t) {
    out_.emplace_back(name, t.host());
  }
  void keep(const std::string& name, const device_vector<Ctx, std::int32_t>& t) {
    const auto v = t.host();
    out_.emplace_back(name, std::vector<T>(v.begin(), v.end()));
  }

  void tensors() {
    const device_vector<Ctx, T> x(ctx_, 50'001);
    backend::fill_normal(ctx_, x.out(), dsr1::random_stream(1, 2), 0.5);
    backend::scale(ctx_, x.out(), T(0.3));
    keep("fill_normal, scale", x);
    out_.emplace_back("dot", std::vector<T>{static_cast<T>(backend::dot(ctx_, x.in(), x.in()))});
    const tensor a = normal(700, 61, 1), b = normal(700, 61, 2);
    backend::add(ctx_, a.in(), b.out());
    keep("add", b);
  }

  void products() {
    for (const product_size& s :
         {product_size{1, 500, 300}, {70, 130, 600}, {300, 40, 65}, {530, 300, 17}})
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          const tensor a = ta ? normal(s.k, s.m, 1) : normal(s.m, s.k, 1),
                       b = tb ? normal(s.n, s.k, 2) : normal(s.k, s.n, 2);
          const tensor c = empty(s.m, s.n);
          const device_vector<Ctx, T> bias(ctx_, normals<T>(s.n, 3));
          const matrix<const T> x = ta ? a.transposed() : a.mat(),
                                y = tb ? b.transposed() : b.mat();
          backend::matmul(ctx_, x, y, c.out(), accumulate::no, bias.in());
          backend::matmul(ctx_, x, y, c.out(), accumulate::yes, view<const T, 1>());
          keep(dsr1::text("matmul ", s.m, " ", s.n, " ", s.k, " ", ta, tb), c);
        }
  }

  void groups() {
    const std::vector<index_t> ends = {0, 40, 40, 41, 300, 310};
    const row_groups g(ends);
    const tensor x = normal(310, 70, 1), dy = normal(310, 45, 2), y = empty(310, 45),
                 dx = empty(310, 70), sums = empty(6, 45);
    const device_matrix<Ctx, T> w(ctx_, 6, 45 * 70, normals<T>(6 * 45 * 70, 3)),
        dw(ctx_, 6, 45 * 70), bias(ctx_, 6, 45, normals<T>(6 * 45, 4));
    const auto w3 = w.in().reshaped(6, 45, 70);
    backend::m_grouped_matmul(ctx_, x.in(), g, w3, true, y.out(), bias.in());
    backend::m_grouped_matmul(ctx_, dy.in(), g, w3, false, dx.out(), view<const T, 2>());
    backend::k_grouped_matmul(ctx_, dy.in(), x.in(), g, dw.out().reshaped(6, 45, 70),
                              accumulate::no);
    backend::k_grouped_matmul(ctx_, dy.in(), x.in(), g, dw.out().reshaped(6, 45, 70),
                              accumulate::yes);
    backend::grouped_column_sum(ctx_, dy.in(), g, sums.out(), accumulate::no);
    const device_vector<Ctx, T> sum(ctx_, 70);
    backend::column_sum(ctx_, x.in(), sum.out(), accumulate::no);
    keep("m_grouped_matmul, transposed", y);
    keep("m_grouped_matmul", dx);
    keep("k_grouped_matmul", dw);
    keep("grouped_column_sum", sums);
    keep("column_sum", sum);
  }

  void norms() {
    using dsr1::norm_rounding;
    const tensor x = normal(500, 75, 1), dy = normal(500, 75, 2), dx = empty(500, 75);
    const device_vector<Ctx, T> w(ctx_, normals<T>(75, 3)), r(ctx_, 500), dw(ctx_, 75);
    for (const norm_rounding rounding :
         {norm_rounding::before_weight, norm_rounding::after_weight, norm_rounding::none}) {
      const tensor y = empty(500, 75);
      backend::rms_norm(ctx_, x.in(), w.in(), 1e-5, rounding, y.out(), r.out());
      keep("rms_norm", y);
    }
    backend::rms_norm_backward(ctx_, dy.in(), x.in(), w.in(), r.in(), dx.out(), dw.out(),
                               accumulate::no);
    keep("rms_norm, inverse", r);
    keep("rms_norm_backward, dx", dx);
    keep("rms_norm_backward, dweight", dw);
    const tensor y = empty(500, 37), gate = normal(500, 74, 4), dgate = empty(500, 74),
                 up = normal(500, 37, 5);
    for (const dsr1::glu& f : {dsr1::glu::swiglu(), dsr1::glu::clamped_swiglu()}) {
      backend::gated_unit(ctx_, f, gate.in(), y.out());
      backend::gated_unit_backward(ctx_, f, up.in(), gate.in(), dgate.out());
      keep("gated_unit", y);
      keep("gated_unit_backward", dgate);
    }
  }

  void rows() {
    const index_t tokens = 400, k = 3, columns = 75;
    const tensor x = normal(tokens * k, columns, 1), y = empty(tokens, columns),
                 dy = normal(tokens, columns, 2), dx = normal(tokens * k, columns, 6);
    std::vector<std::int32_t> table;
    for (index_t i = 0; i < tokens * k; ++i)
      table.push_back(i % 11 == 5 ? -1 : static_cast<std::int32_t>(i * 7 % (tokens * k)));
    const auto slots = device_table(ctx_, table, tokens, k);
    const device_matrix<Ctx, T> w(ctx_, tokens, k, normals<T>(tokens * k, 3)), dw(ctx_, tokens, k);
    backend::combine_rows(ctx_, x.in(), slots, w.in(), y.out());
    backend::combine_rows_backward(ctx_, dy.in(), x.in(), slots, w.in(), dx.out(), dw.out());
    const device_vector<Ctx, std::int32_t> ids(ctx_, row_numbers(2000, tokens, 5));
    const tensor some = empty(2000, columns), sum = normal(tokens, columns, 4);
    backend::gather_rows(ctx_, y.in(), ids.in(), some.out());
    backend::scatter_add_rows(ctx_, some.in(), ids.in(), sum.out());
    keep("combine_rows", y);
    keep("combine_rows_backward, dx", dx);
    keep("combine_rows_backward, dweights", dw);
    keep("gather_rows", some);
    keep("scatter_add_rows", sum);
  }

  void routing() {
    const index_t n = 300, experts = 17, k = 3;
    const softmax_top_k gate;
    const view<const T, 1> none;
    const tensor logits = normal(n, experts, 1), weight = empty(n, k), dweight = normal(n, k, 2),
                 d = empty(n, experts), p = empty(n, experts);
    const device_vector<Ctx, std::int32_t> index(ctx_, n * k), kept(ctx_, n * k),
        order(ctx_, n * k), slots(ctx_, n * k);
    const view<const std::int32_t, 2> chosen = index.out().reshaped(n, k);
    backend::route(ctx_, gate, logits.in(), none, index.out().reshaped(n, k), weight.out());
    backend::route_backward(ctx_, gate, logits.in(), none, chosen, weight.in(), dweight.in(),
                            d.out());
    backend::affinities(ctx_, gate, logits.in(), p.out());
    const std::vector<index_t> ends = {100, 300};
    const row_groups groups(ends);
    const device_matrix<Ctx, T> dp(ctx_, 2, experts, normals<T>(2 * experts, 3)),
        counts(ctx_, 2, experts);
    backend::affinities_backward(ctx_, gate, logits.in(), p.in(), dp.in(), groups, T(0.5), d.out());
    const device_vector<Ctx, T> lse(ctx_, n), dlse(ctx_, normals<T>(n, 4));
    backend::log_sum_exp(ctx_, logits.in(), lse.out());
    backend::log_sum_exp_backward(ctx_, logits.in(), lse.in(), dlse.in(), d.out());
    backend::count_experts(ctx_, chosen, groups, counts.out(), accumulate::no);
    backend::limit_capacity(ctx_, chosen, weight.in(), 40, dsr1::drop_rule::by_weight,
                            kept.out().reshaped(n, k));
    std::vector<index_t> expert_ends(at(experts));
    backend::sort_by_expert(ctx_, chosen, std::span<index_t>(expert_ends), order.out(),
                            slots.out().reshaped(n, k));
    keep("route, weights", weight);
    keep("route_backward, affinities_backward, log_sum_exp_backward", d);
    keep("affinities", p);
    keep("log_sum_exp", lse);
    keep("count_experts", counts);
    keep("route, choices", index);
    keep("limit_capacity", kept);
    keep("sort_by_expert, order", order);
    keep("sort_by_expert, slots", slots);
  }

  void attention() {
    const attention_extents e{
        .heads = 4, .kv_heads = 2, .head_dim = 18, .value_dim = 14, .window = 50, .scale = 0.2};
    const auto parts = packed({150, 1, 0, 77, 200});
    const index_t n = 428;
    const tensor q = normal(n, 72, 1), k = normal(n, 36, 2), v = normal(n, 28, 3),
                 dy = normal(n, 56, 4);
    const tensor y = empty(n, 56), lse = empty(n, 4), dq = empty(n, 72), dk = empty(n, 36),
                 dv = empty(n, 28);
    const device_vector<Ctx, T> sinks(ctx_, normals<T>(4, 5)), dsinks(ctx_, 4);
    const device_matrix<Ctx, T> cosine(ctx_, 200, 9, normals<T>(200 * 9, 6)),
        sine(ctx_, 200, 9, normals<T>(200 * 9, 7));
    const sequence_layout layout(parts);
    backend::rotate(ctx_, q.out(), 18, rope_layout::half_split, cosine.in(), sine.in(), layout,
                    false);
    backend::rotate(ctx_, k.out(), 18, rope_layout::interleaved, cosine.in(), sine.in(), layout,
                    true);
    const key_values<T> kv{k.in(), v.in(), 0};
    backend::attention(ctx_, e, q.in(), kv, sinks.in(), layout, y.out(), lse.out());
    backend::attention_backward(ctx_, e, q.in(), kv, sinks.in(), layout, y.in(), lse.in(), dy.in(),
                                dq.out(), dk.out(), dv.out(), dsinks.out(), accumulate::no);
    keep("rotate, halves", q);
    keep("rotate, pairs", k);
    keep("attention", y);
    keep("attention, lse", lse);
    keep("attention_backward, dq", dq);
    keep("attention_backward, dk", dk);
    keep("attention_backward, dv", dv);
    keep("attention_backward, dsinks", dsinks);
  }

  void losses() {
    const index_t n = 90, vocab = 1003;
    const tensor logits = normal(n, vocab, 1);
    std::vector<std::int32_t> wanted;
    for (index_t t = 0; t < n; ++t)
      wanted.push_back(t % 9 == 4 ? -1 : static_cast<std::int32_t>(t * 11));
    const device_vector<Ctx, std::int32_t> targets(ctx_, wanted);
    const device_vector<Ctx, T> loss(ctx_, n);
    backend::cross_entropy_rows(ctx_, logits.out(), targets.in(), 0.3, 0.01,
                                dsr1::logits_become::gradient, loss.out());
    keep("cross_entropy_rows", loss);
    keep("cross_entropy_rows, gradient", logits);
  }

  Ctx& ctx_;
  margin around_;
  trace<T> out_;
};

template <class T, class Ctx>
trace<T> trace_of(Ctx& ctx, margin around = {}) {
  return tracer<T, Ctx>(ctx, around).take();
}

}  // namespace battery
