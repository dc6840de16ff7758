// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of a published checkpoint, wherever its files have them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/io/safetensors.hpp>

namespace dsr1 {

/// What a model.safetensors.index.json says.
struct shard_index {
  std::map<std::string, std::string> file_of;  ///< the file's name, by the tensor's
  std::optional<std::uint64_t> total_size;     ///< in bytes
};

/// Throws `error` naming `source` when the text is no index, when it names a tensor twice, and when
/// a file's name is absolute or leads upwards.
inline shard_index parse_shard_index(std::string_view text, const std::string& source) {
  const json_object all(parse_unambiguous_json(text, source), source);
  shard_index index;
  const json_object files = all.object("weight_map");
  for (const auto& [name, value] : files.value().items()) {
    expects(value.is_string(), files.source(), ": \"", name, "\" is ", shown(value),
            ", expected the name of a file");
    const auto file = value.get<std::string>();
    const std::filesystem::path path(file);
    bool upwards = path.is_absolute() || file.find('\0') != std::string::npos;
    for (const auto& part : path) upwards = upwards || part == "..";
    expects(!upwards && path.extension() == ".safetensors", files.source(), ": \"", name,
            "\" is in ", shown(value), ", expected a .safetensors file of the same folder");
    index.file_of.emplace(name, file);
  }
  expects(!index.file_of.empty(), files.source(), " names no tensor");
  if (all.has("metadata") && !all.value()["metadata"].is_null()) {
    const json_object metadata = all.object("metadata");
    // Some writers have a number with a point there.
    if (metadata.has("total_size") && metadata.value()["total_size"].is_number_float()) {
      const auto size = metadata.get_between<double>("total_size", 0, 0x1p62);
      expects(size == std::floor(size), metadata.source(), ": \"total_size\" is ",
              shown(metadata.value()["total_size"]), ", expected a whole number");
      index.total_size = static_cast<std::uint64_t>(size);
    } else if (metadata.has("total_size")) {
      index.total_size = metadata.get<std::uint64_t>("total_size");
    }
  }
  return index;
}

/// A folder with model.safetensors or with model.safetensors.index.json and the shards it names;
/// or one such file by its own name. A `tensor_source`: its tensors are where the mapped files have
/// them. Opening reads headers only. The object must stay where its tensors are used, or `owner`
/// must be kept.
///
/// Throws `error` naming the file and the tensor when the folder has neither file or both, when a
/// shard is missing or lies outside the folder (absolute names, "..", links that lead elsewhere;
/// "../../blobs", where the cache of the published checkpoints keeps its files, is no elsewhere),
/// when index and shards differ in a tensor, when two shards have one tensor, when `total_size` is
/// neither the bytes of the tensors nor those of the files, and as `safetensors` does.
class checkpoint_folder {
 public:
  explicit checkpoint_folder(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code failure;
    expects(std::filesystem::exists(path, failure), "there is no ", path_);
    if (!std::filesystem::is_directory(path, failure)) {
      path.extension() == ".json" ? open_shards(path) : open_single(path);
      return;
    }
    const auto single = path / "model.safetensors", index = path / "model.safetensors.index.json";
    const bool has_single = std::filesystem::exists(single, failure),
               has_index = std::filesystem::exists(index, failure);
    expects(has_single || has_index, path_,
            " has no model.safetensors and no model.safetensors.index.json");
    expects(!has_single || !has_index, path_,
            " has both model.safetensors and model.safetensors.index.json; open one of them by its "
            "own name");
    has_single ? open_single(single) : open_shards(index);
  }

  const std::string& path() const { return path_; }
  const std::map<std::string, stored_tensor>& tensors() const { return tensors_; }

  /// The tensor, or null.
  const stored_tensor* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }
  /// The tensor. Throws `error` naming the nearest name when there is none.
  const stored_tensor& at(const std::string& name) const {
    const stored_tensor* tensor = find(name);
    if (tensor == nullptr)
      throw error(text(path_, " has no tensor \"", name, "\"", suggestion(name, names())));
    return *tensor;
  }

  /// What keeps the memory of this tensor alive: the mapping of its file.
  std::shared_ptr<const void> owner(const std::string& name) const {
    at(name);
    return owners_.at(name);
  }

  /// The files, in the order of their names.
  const std::vector<std::shared_ptr<const safetensors>>& files() const { return files_; }

 private:
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, tensor] : tensors_) all.push_back(name);
    return all;
  }

  void open_single(const std::filesystem::path& path) { add(path); }

  void open_shards(const std::filesystem::path& path) {
    const std::string source = path.string();
    const shard_index index = parse_shard_index(open_file(source, O_RDONLY).read(), source);
    std::map<std::string, std::size_t> shards;  // name to number
    for (const auto& [name, file] : index.file_of) shards.emplace(file, 0);
    const auto folder =
        path.parent_path().empty() ? std::filesystem::path(".") : path.parent_path();
    for (auto& [file, number] : shards) {
      expect_inside(folder, file, source);
      number = files_.size();
      add(folder / file);
    }
    for (const auto& [file, number] : shards)
      for (const auto& [name, tensor] : files_[number]->tensors()) {
        const auto listed = index.file_of.find(name);
        expects(listed != index.file_of.end(), files_[number]->path(), " has the tensor \"", name,
                "\", which ", source, " does not name");
        expects(listed->second == file, source, ": \"", name, "\" is in \"", listed->second,
                "\", but the tensor is ",
                files_[shards.at(listed->second)]->find(name) ? "also in " : "in ",
                files_[number]->path());
      }
    for (const auto& [name, file] : index.file_of)
      expects(find(name) != nullptr, source, ": \"", name, "\" is in \"", file, "\", but ",
              files_[shards.at(file)]->path(), " has no such tensor");
    expect_size(index, source);
  }

  void add(const std::filesystem::path& path) {
    files_.push_back(std::make_shared<const safetensors>(path.string()));
    for (const auto& [name, tensor] : files_.back()->tensors()) {
      tensors_.emplace(name, tensor);
      owners_.emplace(name, files_.back());
    }
  }

  static void expect_inside(const std::filesystem::path& folder, const std::string& file,
                            const std::string& source) {
    std::error_code failure;
    const auto shard = std::filesystem::canonical(folder / file, failure);
    expects(!failure, source, " names the file \"", file, "\", but ", (folder / file).string(),
            " cannot be opened: ", failure.message());
    const auto home = std::filesystem::canonical(folder, failure);
    // The layout of that cache: models--x/snapshots/REVISION/shard links to models--x/blobs/HASH.
    const auto blobs = home.parent_path().filename() == "snapshots"
                           ? home.parent_path().parent_path() / "blobs"
                           : home;
    const auto within = [&](const std::filesystem::path& outer) {
      return std::mismatch(outer.begin(), outer.end(), shard.begin(), shard.end()).first ==
             outer.end();
    };
    expects(within(home) || within(blobs), source, ": \"", file, "\" leads to ", shard.string(),
            ", expected a file in ", home.string());
  }

  void expect_size(const shard_index& index, const std::string& source) const {
    std::uint64_t data = 0, whole = 0;
    for (const auto& file : files_) whole += file->size();
    for (const auto& [name, tensor] : tensors_) data += tensor.bytes.size();
    const std::uint64_t said = index.total_size.value_or(data);
    expects(said == data || said == whole, source, ": \"total_size\" is ", said,
            ", the tensors have ", data, " bytes, the files ", whole);
  }

  std::string path_;
  std::vector<std::shared_ptr<const safetensors>> files_;
  std::map<std::string, stored_tensor> tensors_;
  std::map<std::string, std::shared_ptr<const safetensors>> owners_;
};

static_assert(tensor_source<checkpoint_folder>);

}  // namespace dsr1
