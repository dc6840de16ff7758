// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints of one file and of several, and those that are refused.

#include <functional>

#include "catch.hpp"
#include "golden.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/io/stored_weight.hpp>

using namespace dsr1;
namespace fs = std::filesystem;

namespace {

/// A file of F32 tensors [3], each filled with its number.
void put_shard(const fs::path& path, const std::vector<std::pair<std::string, float>>& tensors) {
  safetensors_writer out(path);
  for (const auto& [name, value] : tensors) out.declare(name, dtype::f32, {3});
  for (const auto& [name, value] : tensors) {
    const std::vector<float> row(3, value);
    out.write(std::span<const float>(row));
  }
  out.commit();
}

fs::path put_index(const fs::path& folder, const json& map, const json& metadata = nullptr) {
  json index = {{"weight_map", map}};
  if (!metadata.is_null()) index["metadata"] = metadata;
  return put(folder / "model.safetensors.index.json", index.dump());
}

const json two = {{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "two.safetensors"}};

void put_two(const fs::path& folder) {
  fs::create_directories(folder);
  put_shard(folder / "one.safetensors", {{"a", 1.f}, {"b", 2.f}});
  put_shard(folder / "two.safetensors", {{"c", 3.f}});
  put_index(folder, two, {{"total_size", 36}});
}

std::string refused(const fs::path& path) {
  return message_of([&] { checkpoint_folder opened(path); });
}

}  // namespace

TEST_CASE("checkpoint_folder: one file, by the folder's name or its own") {
  const temporary_folder folder;
  put_shard(folder / "model.safetensors", {{"a", 1.f}, {"b", 2.f}});
  for (const auto& path : {folder.path(), folder / "model.safetensors"}) {
    const checkpoint_folder all(path);
    CHECK(all.path() == path.string());
    CHECK(all.tensors().size() == 2);
    CHECK(all.files().size() == 1);
    CHECK(all.at("b").elements<float>()[2] == 2);
    CHECK(all.find("c") == nullptr);
    CHECK(mentions(message_of([&] { all.at("c"); }), path.string(), "has no tensor \"c\""));
    CHECK(mentions(message_of([&] { all.owner("c"); }), "has no tensor \"c\""));
  }
}

TEST_CASE("checkpoint_folder: shards, without a copy, alive as long as an owner is") {
  const temporary_folder folder;
  put_two(folder.path());
  std::shared_ptr<const void> owner;
  std::span<const float> c;
  {
    const checkpoint_folder all(folder.path());
    CHECK(all.tensors().size() == 3);
    CHECK(all.files().size() == 2);
    CHECK(all.at("a").elements<float>()[0] == 1);
    CHECK(all.owner("a") == all.owner("b"));
    CHECK(all.owner("a") != all.owner("c"));
    c = all.at("c").elements<float>();
    CHECK(static_cast<const void*>(c.data()) == all.files()[1]->at("c").bytes.data());
    owner = all.owner("c");
  }
  fs::remove_all(folder / "two.safetensors");
  CHECK(c[2] == 3);
  put_two(folder.path());
  CHECK(checkpoint_folder(folder / "model.safetensors.index.json").tensors().size() == 3);
}

TEST_CASE("checkpoint_folder: the published small models", "[golden]") {
  const auto path = golden::path("models/qwen3_moe");
  if (path.empty()) return;
  // [open]
  const checkpoint_folder all(path);  // model.safetensors, or an index and its shards
  CHECK(all.at("model.embed_tokens.weight").text() == "BF16 [160, 48]");
  const coded_tensor q = stored_weight(all, "model.layers.0.self_attn.q_proj.weight");
  CHECK(q.text() == "bf16 [64, 48]");
  CHECK(q.parts[0].codes == all.at("model.layers.0.self_attn.q_proj.weight").bytes.data());
  // [/open]
  CHECK(all.files().size() == 2);
  CHECK(all.find("model.layers.2.mlp.experts.15.up_proj.weight") != nullptr);
}

TEST_CASE("checkpoint_folder: opening reads no data, however much there is") {
  const temporary_folder folder;
  json map = json::object();
  for (int i = 0; i < 3; ++i) {
    const std::string name = "shard" + std::to_string(i), file = name + ".safetensors";
    std::string header =
        R"({")" + name +
        R"(":{"dtype":"U8","shape":[68719476736],"data_offsets":[0,68719476736]}})";
    std::string length(8, '\0');
    length[0] = static_cast<char>(header.size());
    const auto path = put(folder / file, length + header);
    std::error_code failure;
    fs::resize_file(path, fs::file_size(path) + (std::uint64_t{1} << 36), failure);
    if (failure) {
      WARN("skipped: no sparse file of 64 GiB here");
      return;
    }
    map[name] = file;
  }
  put_index(folder.path(), map, {{"total_size", 3 * (std::uint64_t{1} << 36)}});
  const checkpoint_folder all(folder.path());
  CHECK(all.at("shard2").size() == index_t{1} << 36);
}

TEST_CASE("checkpoint_folder: sizes as different writers have them") {
  const temporary_folder folder;
  put_two(folder.path());
  const auto files =
      fs::file_size(folder / "one.safetensors") + fs::file_size(folder / "two.safetensors");
  for (const json& metadata :
       {json(), json::object(), json{{"total_size", 36.0}}, json{{"total_size", files}},
        json{{"total_size", 36}, {"total_parameters", 9}}}) {
    put_index(folder.path(), two, metadata);
    CHECK_NOTHROW(checkpoint_folder(folder.path()));
  }
}

TEST_CASE("checkpoint_folder: what is refused") {
  const temporary_folder folder;
  const fs::path path = folder / "model";
  const auto index = (path / "model.safetensors.index.json").string();
  CHECK(mentions(refused(path), "there is no " + path.string()));
  fs::create_directories(path);
  CHECK(mentions(refused(path), path.string() + " has no model.safetensors and no model.safe"));
  put_two(path);
  put_shard(path / "model.safetensors", {{"a", 1.f}});
  CHECK(mentions(refused(path), path.string() + " has both model.safetensors and"));
  fs::remove(path / "model.safetensors");
  CHECK_NOTHROW(checkpoint_folder(path));

  const auto with = [&](const json& change, const json& metadata = nullptr) {
    json map = two;
    map.merge_patch(change);
    put_index(path, map, metadata);
    return refused(path);
  };
  CHECK(mentions(with({{"d", "three.safetensors"}}), index, "names the file \"three.safetensors\"",
                 (path / "three.safetensors").string() + " cannot be opened: No such file"));
  CHECK(mentions(with({{"d", "two.safetensors"}}), index, "\"d\" is in \"two.safetensors\"",
                 "two.safetensors has no such tensor"));
  CHECK(mentions(with({{"b", nullptr}}), "one.safetensors has the tensor \"b\"",
                 index + " does not name"));
  CHECK(mentions(with({{"b", "two.safetensors"}}), index, "\"b\" is in \"two.safetensors\"",
                 "but the tensor is in", "one.safetensors"));
  CHECK(mentions(with(json::object(), {{"total_size", 40}}), index,
                 "\"total_size\" is 40, the tensors have 36 bytes, the files "));
  put_shard(path / "two.safetensors", {{"a", 1.f}, {"c", 3.f}});
  CHECK(mentions(with(json::object()), index,
                 "\"a\" is in \"one.safetensors\", but the tensor is also in", "two.safetensors"));
  put(path / "two.safetensors", "damaged");
  CHECK(mentions(with(json::object()), "two.safetensors has 7 bytes"));
}

TEST_CASE("checkpoint_folder: nothing outside of the folder") {
  const temporary_folder folder;
  const fs::path path = folder / "model";
  put_two(path);
  fs::create_directories(folder / "model-other");
  put_shard(folder / "model-other/three.safetensors", {{"d", 4.f}});
  const auto with = [&](const std::string& file) {
    json map = two;
    map["d"] = file;
    put_index(path, map);
    return refused(path);
  };
  const std::string expected = ", expected a .safetensors file of the same folder";
  CHECK(mentions(with("../model-other/three.safetensors"), "\"d\" is in \"../model-other/",
                 expected));
  CHECK(mentions(with("x/../../model-other/three.safetensors"), expected));
  CHECK(mentions(with((folder / "model-other/three.safetensors").string()), expected));
  CHECK(mentions(with("config.json"), expected));
  CHECK(mentions(with(std::string("a\0.safetensors", 14)), expected));
  const auto link = path / "link.safetensors";
  fs::create_symlink("../model-other/three.safetensors", link);
  CHECK(mentions(with("link.safetensors"), "\"link.safetensors\" leads to ",
                 "model-other/three.safetensors, expected a file in "));
  fs::create_directory_symlink("../model-other", path / "sub");
  CHECK(mentions(with("sub/three.safetensors"), "leads to ", "expected a file in "));
  // Inside it links and folders are fine.
  fs::remove(path / "sub");
  fs::create_directories(path / "sub");
  put_shard(path / "sub/three.safetensors", {{"d", 4.f}});
  fs::remove(link);
  fs::create_symlink("sub/three.safetensors", link);
  for (const char* file : {"sub/three.safetensors", "link.safetensors"}) {
    json map = two;
    map["d"] = file;
    put_index(path, map);
    CHECK(checkpoint_folder(path).at("d").elements<float>()[0] == 4);
  }
}

TEST_CASE("checkpoint_folder: the cache of downloads, where every file is a link to ../../blobs") {
  const temporary_folder folder;
  const fs::path blobs = folder / "models--x/blobs", shot = folder / "models--x/snapshots/abc";
  put_two(blobs);
  fs::create_directories(shot);
  for (const auto& entry : fs::directory_iterator(blobs))
    fs::create_symlink(fs::path("../../blobs") / entry.path().filename(),
                       shot / entry.path().filename());
  CHECK(checkpoint_folder(shot).at("c").elements<float>()[0] == 3);
}

TEST_CASE("checkpoint_folder: bad indexes") {
  const auto message = [](std::string_view text) {
    return message_of([&] { parse_shard_index(text, "i.json"); });
  };
  CHECK(mentions(message("{"), "i.json is not valid JSON"));
  CHECK(mentions(message("[]"), "i.json is array, expected an object"));
  CHECK(mentions(message("{}"), "i.json: \"weight_map\" is missing"));
  CHECK(mentions(message(R"({"weight_map": []})"), "\"weight_map\" is array, expected an object"));
  CHECK(mentions(message(R"({"weight_map": {}})"), "names no tensor"));
  CHECK(
      mentions(message(R"({"weight_map": {"a": 1}})"), "\"a\" is 1, expected the name of a file"));
  CHECK(mentions(message(R"({"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}})"),
                 "i.json: two members are called \"a\""));
  CHECK(mentions(message("{\"weight_map\": {\"\xff\": \"x.safetensors\"}}"), "is not valid JSON"));
  CHECK(mentions(message("{\"weight_map\": " + std::string(500, '[')), "nested deeper than 200"));
  const auto sized = [&](const std::string& size) {
    return message(R"({"weight_map": {"a": "x.safetensors"}, "metadata": {"total_size": )" + size +
                   "}}");
  };
  CHECK(mentions(sized("-1"), "i.json: \"metadata\": \"total_size\" is -1"));
  CHECK(mentions(sized("1.5"), "\"total_size\" is 1.5, expected a whole number"));
  CHECK(mentions(sized("1e300"), "\"total_size\" is 1e+300, expected 0 to"));
  CHECK(mentions(sized("\"9\""), "\"total_size\" is \"9\", expected a whole number"));
}
