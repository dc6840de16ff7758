// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a training run: whole or absent, verified when read.
#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <dsr1/io/mapped_file.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/train/trainer.hpp>

namespace dsr1 {

/// A checkpoint is a folder "step-<number>" with
///     model.safetensors      all parameters, also those that no optimizer changes (balance biases)
///     optimizer.safetensors  the states, "<parameter>.0" and "<parameter>.1"
///     state.json             format, step, optimizer, hashes of both files, and what the
///                            program adds: the position in the data, random keys, options
/// It is filled under a temporary name, synced and renamed, so a kill or a full disk at any moment
/// leaves the earlier checkpoints as they were and no folder of this name.
namespace checkpoint {

inline constexpr int format = 1;

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

/// Writes the checkpoint of the trainer's current step; then keeps the newest `keep` of the folder.
/// Throws `error` (disk full, no permission) with everything older still there.
template <class Ctx, class Trainer>
std::filesystem::path save(Ctx& ctx, const std::filesystem::path& folder, Trainer& trainer,
                           const json& user, std::size_t keep = 2) {
  using T = typename Trainer::T;
  expects(keep >= 1, "checkpoint: keep is ", keep, ", expected at least 1");
  std::filesystem::path path = path_of(folder, trainer.steps());
  if (std::filesystem::exists(path)) return path;  // the same step again: the same bytes
  atomic_folder out(path);
  json state = {{"format", format},
                {"step", trainer.steps()},
                {"optimizer", std::string(Trainer::policy_type::name)},
                {"user", user}};
  state["hashes"]["model.safetensors"] =
      hash_text(save_parameters(ctx, out.temporary() / "model.safetensors", trainer.model()));
  {
    safetensors_writer file(out.temporary() / "optimizer.safetensors");
    trainer.optimizer().for_each_state([&](const std::string& name, const buffer<T>& b) {
      file.declare(name, dtype_for<T>(), {b.size()});
    });
    std::vector<T> host;
    trainer.optimizer().for_each_state([&](const std::string&, const buffer<T>& b) {
      host.resize(static_cast<std::size_t>(b.size()));
      Ctx::backend::download(ctx, b.as(b.size()), host.data());
      file.write(host.data(), b.size() * static_cast<index_t>(sizeof(T)));
    });
    state["hashes"]["optimizer.safetensors"] = hash_text(file.hash());
    file.commit();
  }
  atomic_file text(out.temporary() / "state.json");
  text.write(state.dump(2) + "\n");
  text.commit();
  out.commit();
  std::vector<index_t> all = steps(folder);
  for (std::size_t i = 0; i + keep < all.size(); ++i)
    std::filesystem::remove_all(path_of(folder, all[i]));
  return path;
}

/// The state.json of a checkpoint whose files are as they were written.
/// Throws `error` naming the file that is missing, truncated or edited.
inline json_object verify(const std::filesystem::path& path) {
  json_object state = json_object::read((path / "state.json").string());
  expects(state.get<int>("format") == format, state.source(), ": format ", state.get<int>("format"),
          ", this program reads ", format);
  const json_object hashes = state.object("hashes");
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    const std::string found = hash_text(hash_of_file((path / name).string())),
                      wanted = hashes.get<std::string>(name);
    expects(found == wanted, (path / name).string(), " was truncated or edited: its hash is ",
            found, ", the checkpoint says ", wanted);
  }
  return state;
}

/// Reads a checkpoint into the trainer; returns what the program had added.
/// Throws `error` as `verify` does, and when model or optimizer have another shape.
template <class Ctx, class Trainer>
json load(Ctx& ctx, const std::filesystem::path& path, Trainer& trainer) {
  using T = typename Trainer::T;
  const json_object state = verify(path);
  const std::string rule = state.get<std::string>("optimizer");
  expects(rule == Trainer::policy_type::name, state.source(), ": the optimizer was ", rule,
          ", this trainer's is ", Trainer::policy_type::name);
  const safetensors file((path / "optimizer.safetensors").string());
  std::size_t states = 0;
  trainer.optimizer().for_each_state([&](const std::string& name, const buffer<T>& b) {
    ++states;
    const stored_tensor& t = file.at(name);
    expects(t.size() == b.size(), file.path(), ": \"", name, "\" is ", t.text(),
            ", the optimizer has ", b.size(), " numbers");
  });
  expects(states == file.tensors().size(), file.path(), " holds ", file.tensors().size(),
          " tensors, the optimizer has ", states,
          "; was it another model, or the rule with other numbers?");
  load_parameters(ctx, (path / "model.safetensors").string(), trainer.model());
  std::vector<T> host;
  trainer.optimizer().for_each_state([&](const std::string& name, buffer<T>& b) {
    host.resize(static_cast<std::size_t>(b.size()));
    file.at(name).copy_to(host.data());
    Ctx::backend::upload(ctx, host.data(), b.as(b.size()));
  });
  trainer.optimizer().steps(state.get<index_t>("step"));
  return state.get<json>("user");
}

}  // namespace checkpoint
}  // namespace dsr1
