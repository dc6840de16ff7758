// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where the heads of latent attention lie: their parts tile the tensors; counts of numbers.

#include <vector>

#include "catch.hpp"

#include <dsr1/attention/latent_heads.hpp>

using namespace dsr1;

namespace {

constexpr latent_shape small{.dim = 10,
                             .heads = 3,
                             .q_rank = 7,
                             .kv_rank = 5,
                             .plain_dim = 4,
                             .rope_dim = 2,
                             .value_dim = 3};
constexpr latent_shape deepseek_v3{.dim = 7168,
                                   .heads = 128,
                                   .q_rank = 1536,
                                   .kv_rank = 512,
                                   .plain_dim = 128,
                                   .rope_dim = 64,
                                   .value_dim = 128};
static_assert(deepseek_v3.head_dim() == 192);
static_assert(deepseek_v3.parameters() == 187'107'328);
static_assert(2 * deepseek_v3.cached(latent_form::absorbed, 1) == 1152);  // bytes in bf16
static_assert(deepseek_v3.cached(latent_form::naive, 10) == 10 * 128 * (192 + 128));

/// How often each element is part of a head.
std::vector<int> touched(index_t columns, std::vector<head_columns<int>> parts,
                         std::vector<int>& memory) {
  for (const auto& part : parts)
    for (index_t h = 0; h < small.heads; ++h) {
      const auto one = part[h];
      for (index_t r = 0; r < one.rows(); ++r)
        for (index_t c = 0; c < one.columns(); ++c) ++one(r, c);
    }
  CHECK(static_cast<index_t>(memory.size()) == 2 * columns);
  return memory;
}

}  // namespace

TEST_CASE("latent_heads: the parts of all heads tile their tensors") {
  const latent_heads at{small};
  const auto check = [](index_t columns, auto parts_of) {
    std::vector<int> memory(static_cast<std::size_t>(2 * columns));
    const view<int, 2> all(memory.data(), 2, columns);
    CHECK(touched(columns, parts_of(all), memory) ==
          std::vector<int>(static_cast<std::size_t>(2 * columns), 1));
  };
  using parts = std::vector<head_columns<int>>;
  check(18, [&](const auto& q) { return parts{at.plain(q), at.turned(q)}; });
  check(9, [&](const auto& v) { return parts{at.values(v)}; });
  check(21, [&](const auto& q) { return parts{at.latent(q), at.latent_turned(q)}; });
  check(15, [&](const auto& o) { return parts{at.results(o)}; });
}

TEST_CASE("latent_heads: the heads of a row, one below the other, are the heads of its columns") {
  std::vector<int> memory(18);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<int>(i);
  const auto turned = latent_heads{small}.turned(view<int, 2>(memory.data(), 1, 18));
  const auto rows = turned.of_first_row(3);
  for (index_t h = 0; h < 3; ++h)
    for (index_t c = 0; c < 2; ++c) {
      CHECK(rows(h, c) == turned[h](0, c));
      CHECK(rows(h, c) == static_cast<int>(h * 6 + 4 + c));
    }
}

TEST_CASE("latent_heads: the rows of k and of v alternate by head") {
  std::vector<int> memory(21 * 5);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<int>(i / 5);
  const view<int, 2> w(memory.data(), 21, 5);
  const latent_heads at{small};
  CHECK(at.key_rows(w)[0](0, 0) == 0);
  CHECK(at.key_rows(w)[0](3, 4) == 3);
  CHECK(at.value_rows(w)[0](0, 0) == 4);
  CHECK(at.key_rows(w)[2](0, 0) == 14);
  CHECK(at.value_rows(w)[2](2, 4) == 20);
}
