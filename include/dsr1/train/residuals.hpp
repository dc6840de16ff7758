// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What the rounding of gradients still owes, in checkpoints.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <dsr1/io/parameters.hpp>
#include <dsr1/io/shared_safetensors.hpp>
#include <dsr1/tensor/parameter_list.hpp>

namespace dsr1::residuals {

/// Whether this trainer feeds rounding errors back.
template <class Trainer>
bool kept_by(Trainer& trainer) {
  return trainer.sync() != nullptr && trainer.sync()->options().error_feedback;
}

/// "<parameter>" [ranks, size of the whole tensor]: row r is what rank r owes.
template <class Trainer>
void declare(Trainer& trainer, int ranks, shared_safetensors& file) {
  using T = typename Trainer::T;
  for (const auto& [name, p] : trainer.parameters())
    if (p->traits().update == update_rule::optimizer)
      file.declare(name, dtype_for<T>(), {ranks, p->whole_size()});
}

template <class Ctx, class Trainer>
void write(Ctx& ctx, Trainer& trainer, shared_safetensors& file) {
  using T = typename Trainer::T;
  std::vector<T> host;
  trainer.sync()->for_each_residual([&](const piece& p, view<T, 1> owed) {
    const auto& [name, whole] = trainer.parameters()[p.parameter];
    host.resize(static_cast<std::size_t>(p.size));
    Ctx::backend::download(ctx, view<const T, 1>(owed), host.data());
    file.write(name, ctx.comm().rank() * whole->whole_size() + p.whole_begin,
               std::span<const T>(host));
  });
}

/// The same number of ranks gets back what each owed, so that a run goes on bit for bit. On another
/// number the owner of a number takes over what all owed of it: the sum, which is what the training
/// will still see, stays.
template <class Ctx, class Trainer>
void read(Ctx& ctx, Trainer& trainer, const safetensors& file) {
  using T = typename Trainer::T;
  const std::vector<piece> owned = trainer.owned();
  std::vector<T> host, row;
  trainer.sync()->for_each_residual([&](const piece& p, view<T, 1> owed) {
    const auto& [name, whole] = trainer.parameters()[p.parameter];
    const stored_tensor& t = file.at(name);
    const index_t size = whole->whole_size();
    expects(t.shape.size() == 2 && t.shape[1] == size, file.path(), ": \"", name, "\" is ",
            t.text(), ", the parameter has ", size, " numbers");
    host.assign(static_cast<std::size_t>(p.size), T(0));
    if (t.shape[0] == ctx.comm().size()) {
      t.part(ctx.comm().rank() * size + p.whole_begin, p.size).copy_to(host.data());
    } else {
      for (const piece& o : owned) {
        const index_t begin = std::max(o.begin, p.begin),
                      count = std::min(o.begin + o.size, p.begin + p.size) - begin;
        if (o.parameter != p.parameter || count <= 0) continue;
        row.resize(static_cast<std::size_t>(count));
        T* to = host.data() + (begin - p.begin);
        for (index_t r = 0; r < t.shape[0]; ++r) {
          t.part(r * size + p.whole_begin + begin - p.begin, count).copy_to(row.data());
          for (index_t i = 0; i < count; ++i) to[i] += row[static_cast<std::size_t>(i)];
        }
      }
    }
    Ctx::backend::upload(ctx, static_cast<const T*>(host.data()), owed);
  });
}

}  // namespace dsr1::residuals
