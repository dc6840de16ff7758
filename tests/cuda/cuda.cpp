// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole models on a CUDA device beside the same models on the CPU.

#include <dsr1/cuda/cuda.cuh>

#include "battery/expert_store.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/decoder.hpp>
#include <dsr1/optim/muon.hpp>
#include <dsr1/train/trainer.hpp>

using namespace dsr1;
using namespace small_model;

static_assert(tensor_ops<context<cuda>, float> && linear_ops<context<cuda>, float> &&
              quant_ops<context<cuda>, float> && norm_ops<context<cuda>, float> &&
              row_ops<context<cuda>, float> && glu_ops<context<cuda>, float> &&
              routing_ops<context<cuda>, float> && attention_ops<context<cuda>, float> &&
              loss_ops<context<cuda>, float> && policy_ops<context<cuda>, float> &&
              optimizer_ops<context<cuda>, float> && wire_ops<context<cuda>, float> &&
              residence_ops<context<cuda>>);

namespace {

/// A text that can be learnt, in two sequences.
struct lesson {
  std::vector<std::int32_t> in, out;
  std::vector<sequence> parts = {{.begin = 0, .length = 32}, {.begin = 32, .length = 32}};

  lesson() {
    for (std::int32_t i = 0; i < 64; ++i) {
      in.push_back(i == 0 ? 1 : (5 * in.back() + 1) % 13);
      out.push_back((5 * in.back() + 1) % 13);
    }
  }
  training_batch batch() const {
    return {{view<const std::int32_t, 1>(in.data(), 64), sequence_layout(parts)},
            view<const std::int32_t, 1>(out.data(), 64)};
  }
};

/// The same model on both, with the same weights.
template <class T>
struct pair_of_models {
  context<cpu> here{{.threads = 1, .seed = 3}};
  context<cuda> there{{.seed = 3}};
  small_lm<T, false> expected, model;

  pair_of_models() {
    initialize(here, expected);
    initialize(there, model);
  }

  template <class F>
  void for_each(F&& f) {
    std::vector<parameter<T>*> of_cpu;
    expected.for_each_parameter([&](const parameter_name&, auto& p) { of_cpu.push_back(&p); });
    std::size_t i = 0;
    model.for_each_parameter(
        [&](const parameter_name& name, auto& p) { f(name.str(), *of_cpu[i++], p); });
  }
  std::vector<T> host(buffer<T>& b) {
    std::vector<T> out(static_cast<std::size_t>(b.size()));
    cuda::download(there, view<const T, 1>(b.as(b.size())), out.data());
    return out;
  }
  static std::vector<double> doubles(const buffer<T>& b) { return {b.begin(), b.end()}; }

  void check_weights(double slack) {
    for_each([&](const std::string& name, parameter<T>& e, parameter<T>& p) {
      battery::check_close(host(p.values()), doubles(e.values()), name, slack);
    });
  }
};

}  // namespace

TEMPLATE_TEST_CASE("cuda: the same initial weights, loss and gradients as on the CPU", "[cuda]",
                   float, double) {
  using T = TestType;
  pair_of_models<T> m;
  m.for_each([&](const std::string& name, parameter<T>& e, parameter<T>& p) {
    battery::check_same(m.host(p.values()), std::vector<T>(e.values().begin(), e.values().end()),
                        name);
  });
  const lesson text;
  const training_batch b = text.batch();
  typename small_lm<T, false>::saved s, s2;
  const auto loss = m.expected.train(m.here, b.tokens, b.targets, 1. / 64, s);
  const auto on_device = m.model.train(m.there, b.tokens, b.targets, 1. / 64, s2);
  CHECK(on_device.tokens == loss.tokens);
  CHECK(on_device.sum == Approx(loss.sum).epsilon(battery::tolerance<T>()));
  m.for_each([&](const std::string& name, parameter<T>& e, parameter<T>& p) {
    if (!e.gradient_written()) return;
    CHECK(p.gradient_written());
    battery::check_close(m.host(p.gradients()), m.doubles(e.gradients()), name, 10);
  });
}

TEST_CASE("cuda: training steps give the weights of the CPU, and the loss falls", "[cuda]") {
  const lesson text;
  const training_batch b[] = {text.batch()};
  SECTION("adamw") {
    pair_of_models<double> m;
    trainer a(m.here, m.expected, adamw{.eps = 1e-3});
    trainer c(m.there, m.model, adamw{.eps = 1e-3});
    const double before = c.evaluate(b[0]).mean();
    for (int i = 0; i < 5; ++i) {
      const step_report x = a.step(b, 1e-2), y = c.step(b, 1e-2);
      CHECK(y.loss == Approx(x.loss).epsilon(1e-9));
      CHECK(y.gradient_norm == Approx(x.gradient_norm).epsilon(1e-9));
      CHECK(y.max_violation == Approx(x.max_violation));
    }
    m.check_weights(1e4);
    CHECK(c.evaluate(b[0]).mean() < before);
  }
  SECTION("muon") {
    pair_of_models<double> m;
    trainer a(m.here, m.expected, muon{});
    trainer c(m.there, m.model, muon{});
    for (int i = 0; i < 2; ++i) {
      a.step(b, 1e-2);
      c.step(b, 1e-2);
    }
    m.check_weights(1e5);
  }
}

// A router's choice may flip, so losses go apart by more than the rounding: by up to 1.3 % in these
// steps with three seeds, to either side.
TEST_CASE("cuda: training with products of bfloat16 stays close to exact training", "[cuda]") {
  const lesson text;
  const training_batch b[] = {text.batch()};
  context<cuda> exact({.seed = 3});
  small_lm<float, false> expected;
  initialize(exact, expected);
  trainer a(exact, expected, adamw{.eps = 1e-3});
  // [bf16]
  context<cuda> rounding({.seed = 3, .products = product_type::bf16});
  small_lm<float, false> model;  // goes before its context does
  initialize(rounding, model);
  trainer c(rounding, model, adamw{.eps = 1e-3});
  // [/bf16]
  double before = 0, last = 0;
  for (int i = 0; i < 8; ++i) {
    const step_report x = a.step(b, 3e-3), y = c.step(b, 3e-3);
    CHECK(y.loss == Approx(x.loss).epsilon(0.03));
    CHECK(y.loss != x.loss);
    if (i == 0) before = y.loss;
    last = y.loss;
  }
  CHECK(last < before - 1);
}

TEST_CASE("cuda: in pieces, in batches and with caches, decoding gives the same bits", "[cuda]") {
  pair_of_models<float> m;
  const lesson text;
  const cache_options cache{.slots = 2, .capacity = 64, .chunk = 8};
  decoder here(m.here, m.expected, cache);
  decoder whole(m.there, m.model, cache), pieces(m.there, m.model, cache);
  const std::span<const std::int32_t> ids(text.in.data(), 24);
  const auto expected = here.feed(0, ids);
  const std::vector<double> close(expected.begin(), expected.end());
  const auto at_once = whole.feed(0, ids);
  const std::vector<float> bits(at_once.begin(), at_once.end());
  battery::check_close(bits, close, "logits");
  std::vector<float> last;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const decode_input both[] = {{.slot = 1, .tokens = ids.subspan(i, 1)},
                                 {.slot = 0, .tokens = ids.subspan(ids.size() - 1 - i, 1)}};
    const auto y = pieces.feed(both);
    last.assign(y.row(0), y.row(0) + y.columns());
  }
  battery::check_same(last, bits, "one by one, beside another");
}

TEST_CASE("cuda: experts in memory of the host give the same bits, copied or not", "[cuda]") {
  context<cuda> ctx;
  battery::store_changes_no_bit(ctx, 16, false);
  battery::store_follows_demand(ctx);
}

#if defined(DSR1_HOST_CUDA)

TEST_CASE("cuda: copies of experts that come late change no bit") {
  const host_cuda::restored played(host_cuda::facts());
  host_cuda::facts().late = 5;
  context<cuda> ctx;
  battery::store_changes_no_bit(ctx, 16);
}

TEST_CASE("cuda: a warm step allocates nothing on the device") {
  pair_of_models<float> m;
  const lesson text;
  const training_batch b[] = {text.batch()};
  trainer t(m.there, m.model, adamw{});
  for (int i = 0; i < 2; ++i) t.step(b, 1e-2);
  const long long before = host_cuda::facts().allocations;
  t.step(b, 1e-2);
  CHECK(host_cuda::facts().allocations == before);
}

#endif
