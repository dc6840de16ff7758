// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Training on four ranks as threads, each with a quarter of the batch, their gradients in int8.

#include <cmath>
#include <cstdio>
#include <vector>

#include <dsr1/dsr1.hpp>

#include "tiny.hpp"

namespace {

constexpr int ranks = 4, steps = 60;
constexpr dsr1::index_t length = 32;  // of a sequence; each rank has one of them

// [train]
/// Trains on this rank's part of every batch; all ranks return the loss of the whole one.
double train(dsr1::rank_group& group, const dsr1::sync_options& sync) {
  const int rank = group.rank(), size = group.size();
  dsr1::context<dsr1::cpu, dsr1::rank_group> ctx({.threads = 1, .seed = 1}, group.duplicate());
  tiny::model model;
  dsr1::initialize(ctx, model);  // the same numbers on every rank
  dsr1::trainer trainer(ctx, model, dsr1::adamw{}, {.sync = sync});
  double loss = 0;
  while (trainer.steps() < steps) {
    std::vector<dsr1::sequence> rows;
    for (dsr1::index_t t = 0; t < ranks / size; ++t)
      rows.push_back({.begin = t * length, .length = length});
    const auto count = length * static_cast<dsr1::index_t>(rows.size());
    const auto ids = tiny::bytes(static_cast<std::size_t>(trainer.steps() * 97 + rank * count),
                                 static_cast<std::size_t>(count + 1));
    const dsr1::training_batch part[] = {
        {{tiny::view_of(ids, 0, count), std::span<const dsr1::sequence>(rows)},
         tiny::view_of(ids, 1, count)}};
    loss = trainer.step(part, 3e-3).loss;
  }
  if (rank == 0 && size > 1)
    std::printf("%.2f MB of gradients sent by a rank, ",
                1e-6 * static_cast<double>(trainer.counted().total(dsr1::purpose::gradient).sent));
  return loss;
}
// [/train]

double train_on(int count, const dsr1::sync_options& sync) {
  double loss = 0;
  dsr1::run_ranks(count, [&](dsr1::rank_group& group) {
    const double mine = train(group, sync);
    if (group.rank() == 0) loss = mine;
  });
  std::printf("loss %.6f on %d rank%s\n", loss, count, count == 1 ? "" : "s");
  return loss;
}

}  // namespace

int main() {
  const double alone = train_on(1, {});
  const double together = train_on(ranks, {});
  const double sharded = train_on(ranks, {.shard_optimizer = true});
  const double coded =
      train_on(ranks, {.gradients = {.code = dsr1::wire_code::int8}, .error_feedback = true});
  const bool ok = std::abs(together - alone) < 1e-4 && sharded == together &&
                  std::abs(coded - alone) < 0.1 * alone;
  std::puts(ok ? "ok: the training of one process" : "WRONG");
  return ok ? 0 : 1;
}
