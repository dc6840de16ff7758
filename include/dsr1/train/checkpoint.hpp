// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a training run: whole or absent, verified when read.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <dsr1/comm/together.hpp>
#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/io/shared_safetensors.hpp>
#include <dsr1/train/residuals.hpp>
#include <dsr1/train/trainer.hpp>

namespace dsr1 {

/// A checkpoint is a folder "step-<number>" with
///     model.safetensors      all parameters, also those that no optimizer changes (balance biases)
///     optimizer.safetensors  the states, "<parameter>.0" and "<parameter>.1"
///     residuals.safetensors  only with error feedback: what the rounding of gradients still owes
///     state.json             format, step, optimizer, hashes of the files, and what the program
///                            adds: the position in the data, random keys, options
/// It is filled under a temporary name, synced and renamed, so a kill or a full disk at any moment
/// leaves the earlier checkpoints as they were and no folder of this name.
/// On several ranks, all of which must see the folder, every rank writes what it owns into the
/// same files: a checkpoint does not know how many ranks there were, and any number can go on.
namespace checkpoint {

inline constexpr int format = 2;

inline std::filesystem::path path_of(const std::filesystem::path& folder, index_t step) {
  std::string number = std::to_string(step);
  return folder / ("step-" + std::string(number.size() < 8 ? 8 - number.size() : 0, '0') + number);
}

/// The steps of which `folder` holds complete checkpoints, ascending.
inline std::vector<index_t> steps(const std::filesystem::path& folder) {
  std::vector<index_t> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    index_t step = 0;
    if (!name.starts_with("step-")) continue;
    const auto [end, failure] = std::from_chars(name.data() + 5, name.data() + name.size(), step);
    if (failure == std::errc() && end == name.data() + name.size()) found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

namespace detail {

inline constexpr std::array<const char*, 3> files = {"model.safetensors", "optimizer.safetensors",
                                                     "residuals.safetensors"};

/// The hashes of all ranks' ranges of a file, by place.
template <class Comm>
json gather_ranges(Comm& comm, const std::vector<hashed_range>& mine) {
  std::vector<hashed_range> all = gather_lists(comm, mine);
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
  json list = json::array();
  for (const hashed_range& r : all) list.push_back({r.begin, r.end, hash_text(r.hash)});
  return list;
}

/// Writes the values and states that this rank owns.
template <class Ctx, class Trainer>
void write_owned(Ctx& ctx, Trainer& trainer, shared_safetensors& values,
                 shared_safetensors& states) {
  using T = typename Trainer::T;
  std::vector<T> host;
  const auto write = [&](shared_safetensors& to, const std::string& name, index_t first,
                         view<const T, 1> from) {
    host.resize(static_cast<std::size_t>(from.rows()));
    Ctx::backend::download(ctx, from, host.data());
    to.write(name, first, std::span<const T>(host));
  };
  std::vector<piece> owned = trainer.owned();
  std::sort(owned.begin(), owned.end(), [](const piece& a, const piece& b) {
    return std::pair(a.parameter, a.whole_begin) < std::pair(b.parameter, b.whole_begin);
  });
  const auto& parameters = trainer.parameters();
  for (const piece& o : owned)
    write(values, parameters[o.parameter].name, o.whole_begin,
          parameters[o.parameter]
              .p->values()
              .as(parameters[o.parameter].p->size())
              .slice_rows(o.begin, o.size));
  trainer.optimizer().for_each_state(
      [&](const std::string& name, const buffer<T>& state, const piece& has) {
        for (const piece& o : owned)
          if (o.parameter == has.parameter && o.begin >= has.begin &&
              o.begin + o.size <= has.begin + has.size)
            write(states, name, o.whole_begin,
                  state.as(state.size()).slice_rows(o.begin - has.begin, o.size));
      });
}

template <class Trainer>
void declare(Trainer& trainer, shared_safetensors& values, shared_safetensors& states) {
  using T = typename Trainer::T;
  for (const auto& [name, p] : trainer.parameters()) {
    values.declare(name, dtype_for<T>(), shape_of(*p));
    for (int i = 0; i < trainer.optimizer().states(name, *p); ++i)
      states.declare(text(name, '.', i), dtype_for<T>(), std::vector<index_t>{p->whole_size()});
  }
}

}  // namespace detail

/// Writes the checkpoint of the trainer's current step; then keeps the newest `keep` of the folder.
/// Collective; `user` is rank 0's. Throws `error` on every rank when one cannot write (disk full,
/// no permission), with everything older still there.
template <class Ctx, class Trainer>
std::filesystem::path save(Ctx& ctx, const std::filesystem::path& folder, Trainer& trainer,
                           const json& user, std::size_t keep = 2) {
  expects(keep >= 1, "checkpoint: keep is ", keep, ", expected at least 1");
  auto& comm = ctx.comm();
  const bool first = comm.rank() == 0;
  std::filesystem::path path = path_of(folder, trainer.steps());
  std::int32_t there = first && std::filesystem::exists(path);
  comm.broadcast(view<std::int32_t, 1>(&there, 1), 0);
  if (there != 0) return path;  // the same step again: the same bytes
  const std::string what = text("writing ", path.string());
  const std::filesystem::path temporary = path.string() + ".tmp";
  shared_safetensors values(temporary / detail::files[0]), states(temporary / detail::files[1]),
      owed(temporary / detail::files[2]);
  detail::declare(trainer, values, states);
  const bool feedback = residuals::kept_by(trainer);
  if (feedback) residuals::declare(trainer, comm.size(), owed);
  std::optional<atomic_folder> out;
  on_all_ranks(comm, what, [&] {
    if (!first) return;
    out.emplace(path);
    values.create();
    states.create();
    if (feedback) owed.create();
  });
  std::vector<hashed_range> value_ranges, state_ranges, owed_ranges;
  on_all_ranks(comm, what, [&] {
    if (!first) {
      values.open();
      states.open();
      if (feedback) owed.open();
    }
    detail::write_owned(ctx, trainer, values, states);
    value_ranges = values.close();
    state_ranges = states.close();
    if (!feedback) return;
    residuals::write(ctx, trainer, owed);
    owed_ranges = owed.close();
  });
  json ranges = {{detail::files[0], detail::gather_ranges(comm, value_ranges)},
                 {detail::files[1], detail::gather_ranges(comm, state_ranges)}};
  if (feedback) ranges[detail::files[2]] = detail::gather_ranges(comm, owed_ranges);
  on_all_ranks(comm, what, [&] {
    if (!first) return;
    const json state = {{"format", format},
                        {"step", trainer.steps()},
                        {"optimizer", std::string(Trainer::policy_type::name)},
                        {"hashes", ranges},
                        {"user", user}};
    write_file(out->temporary() / "state.json", state.dump(2) + "\n");
    out->commit();
    std::vector<index_t> all = steps(folder);
    for (std::size_t i = 0; i + keep < all.size(); ++i)
      std::filesystem::remove_all(path_of(folder, all[i]));
  });
  return path;
}

/// The state.json of a checkpoint whose files are as they were written; every rank that calls this
/// looks at a part of them. Throws `error` naming the file that is missing, truncated or edited.
inline json_object verify(const std::filesystem::path& path, int rank = 0, int ranks = 1) {
  json_object state = json_object::read((path / "state.json").string());
  expects(state.get<int>("format") == format, state.source(), ": format ", state.get<int>("format"),
          ", this program reads ", format);
  const json_object hashes = state.object("hashes");
  for (const char* name : detail::files) {
    if (name == detail::files[2] && !hashes.value().contains(name)) continue;
    const mapped_file file((path / name).string());
    const auto list =
        hashes.get<std::vector<std::tuple<std::uint64_t, std::uint64_t, std::string>>>(name);
    for (std::size_t i = 0; i < list.size(); ++i)
      if (static_cast<int>(i % static_cast<std::size_t>(ranks)) == rank) {
        const auto& [begin, end, hash] = list[i];
        verify_range(file, begin, end, hash);
      }
  }
  return state;
}

/// Reads a checkpoint into the trainer; returns what the program had added. Collective.
/// Throws `error` as `verify` does, and when model or optimizer have another shape.
template <class Ctx, class Trainer>
json load(Ctx& ctx, const std::filesystem::path& path, Trainer& trainer) {
  using T = typename Trainer::T;
  std::optional<json_object> state;
  on_all_ranks(ctx.comm(), text("reading ", path.string()), [&] {
    state = verify(path, ctx.comm().rank(), ctx.comm().size());
    const std::string rule = state->get<std::string>("optimizer");
    expects(rule == Trainer::policy_type::name, state->source(), ": the optimizer was ", rule,
            ", this trainer's is ", Trainer::policy_type::name);
    const safetensors file((path / detail::files[1]).string());
    std::size_t count = 0;
    for (const auto& [name, p] : trainer.parameters())
      for (int i = 0; i < trainer.optimizer().states(name, *p); ++i, ++count) {
        const stored_tensor& t = file.at(text(name, '.', i));
        expects(t.size() == p->whole_size(), file.path(), ": \"", name, '.', i, "\" is ", t.text(),
                ", the optimizer has ", p->whole_size(), " numbers");
      }
    expects(count == file.tensors().size(), file.path(), " holds ", file.tensors().size(),
            " tensors, the optimizer has ", count,
            "; was it another model, or the rule with other numbers?");
    load_parameters(ctx, (path / detail::files[0]).string(), trainer.model());
    std::vector<T> host;
    trainer.optimizer().for_each_state(
        [&](const std::string& name, buffer<T>& b, const piece& has) {
          host.resize(static_cast<std::size_t>(b.size()));
          copy_local(file.at(name), *trainer.parameters()[has.parameter].p, has.begin, has.size,
                     host.data());
          Ctx::backend::upload(ctx, host.data(), b.as(b.size()));
        });
  });
  if (residuals::kept_by(trainer) && state->object("hashes").value().contains(detail::files[2]))
    on_all_ranks(ctx.comm(), text("reading ", path.string()), [&] {
      residuals::read(ctx, trainer, safetensors((path / detail::files[2]).string()));
    });
  trainer.optimizer().steps(state->get<index_t>("step"));
  return state->get<json>("user");
}

}  // namespace checkpoint
}  // namespace dsr1
