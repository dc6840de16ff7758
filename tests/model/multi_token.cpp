// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Multi-token prediction: names, shapes, the gradient of both losses through shared embedding and
// head. What it computes is held to the reference by check_checkpoint.

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/multi_token.hpp>
#include <dsr1/testing/grad_check.hpp>

using namespace small_model;

namespace {

template <class T>
using draft_block = block<full, T>;
template <class T>
using lm = multi_token_lm<small_lm<T, false>, draft_block<T>>;

template <class T>
lm<T> make() {
  return lm<T>(small_lm<T, false>(), multi_token_layer<draft_block<T>>(8, draft_block<T>()));
}

struct data {
  std::vector<std::int32_t> tokens = ids(14, 13, 3);
  std::vector<std::int32_t> targets;
  std::vector<sequence> sequences{
      {.begin = 0, .length = 8}, {.begin = 8, .length = 1}, {.begin = 9, .length = 5}};
  data() {
    for (std::size_t t = 0; t < tokens.size(); ++t)
      targets.push_back(t == 7 || t == 8 || t == 13 ? -1 : tokens[t + 1]);
  }
  token_batch batch() const {
    return {view<const std::int32_t, 1>(tokens.data(), tokens.size()), sequence_layout(sequences)};
  }
  view<const std::int32_t, 1> wanted() const {
    return view<const std::int32_t, 1>(targets.data(), targets.size());
  }
};

}  // namespace

TEST_CASE("multi_token: rows, losses and names") {
  context<cpu> ctx({.threads = 2});
  auto model = make<double>();
  initialize(ctx, model);
  enlarge(model);
  const data d;
  lm<double>::saved s;
  const auto losses = model.train(ctx, d.batch(), d.wanted(), 1, 1, s);
  CHECK(losses.model.tokens == 11);
  CHECK(losses.draft.tokens == 9);  // 7 and 4 rows, the last of each without a target
  CHECK(s.rows == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12});
  bool found = false;
  model.for_each_parameter([&](const parameter_name& name, auto&) {
    found = found || name.str() == "drafts.0.attention.qkv.weight";
  });
  CHECK(found);
}

TEST_CASE("multi_token: gradients of both losses by finite differences") {
  context<cpu> ctx({.threads = 2});
  auto model = make<double>();
  initialize(ctx, model);
  enlarge(model);
  const data d;
  const double scale = 0.1, draft_scale = 0.07;
  const auto loss = [&] {
    ctx.workspace().reset();
    lm<double>::saved s;
    const auto l = model.train(ctx, d.batch(), d.wanted(), scale, draft_scale, s);
    return scale * l.model.sum + draft_scale * l.draft.sum;
  };
  clear_gradients(model);
  loss();
  // Every parameter at a few places; the loss runs `train` again, whose gradients are ignored.
  std::vector<std::pair<std::string, std::vector<double>>> kept;
  model.for_each_parameter([&](const parameter_name& name, auto& p) {
    kept.push_back({name.str(), {p.gradients().begin(), p.gradients().end()}});
  });
  std::size_t i = 0;
  model.for_each_parameter([&](const parameter_name& name, auto& p) {
    const auto& [known, gradient] = kept[i++];
    if (p.traits().update != update_rule::optimizer) return;
    INFO(known);
    REQUIRE(known == name.str());
    for (index_t at = 0; at < p.size(); at += std::max<index_t>(1, p.size() / 3)) {
      const double x = p.values()[at], h = 1e-5;
      p.values()[at] = x + h;
      const double above = loss();
      p.values()[at] = x - h;
      const double below = loss();
      p.values()[at] = x;
      CHECK(gradient[static_cast<std::size_t>(at)] ==
            Approx((above - below) / (2 * h)).margin(2e-7).epsilon(1e-5));
    }
  });
}
