// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Weights of a checkpoint as coded tensors.

#include <cstring>

#include "catch.hpp"
#include "golden.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/io/stored_weight.hpp>

using namespace dsr1;

namespace {

struct entry {
  std::string name;
  dtype type;
  std::vector<index_t> shape;
};

/// A file whose bytes count up from 0 in every tensor.
checkpoint_folder stored(const temporary_folder& folder, const std::vector<entry>& tensors) {
  const auto path = folder / "w.safetensors";
  safetensors_writer out(path);
  for (const entry& t : tensors) out.declare(t.name, t.type, t.shape);
  for (const entry& t : tensors) {
    index_t bytes = info_of(t.type).bytes;
    for (const index_t e : t.shape) bytes *= e;
    std::vector<std::uint8_t> data(static_cast<std::size_t>(bytes));
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i);
    out.write(std::span<const std::uint8_t>(data));
  }
  out.commit();
  return checkpoint_folder(path);
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("stored_weight: numbers where they are") {
  const temporary_folder folder;
  std::weak_ptr<const void> mapping;
  coded_tensor w;
  {
    const auto file = stored(folder, {{"a", dtype::f32, {2, 3}},
                                      {"b", dtype::bf16, {4, 2, 3}},
                                      {"c", dtype::f16, {6}},
                                      {"a_scale", dtype::f16, {2, 1}}});
    w = stored_weight(file, "a");
    mapping = file.owner("a");
    CHECK(w.text() == "f32 [2, 3]");
    CHECK(w.parts.size() == 1);
    CHECK(w.parts[0].codes == file.at("a").bytes.data());
    CHECK(w.parts[0].scales == nullptr);
    CHECK(stored_names(file, "a") == names{"a"});  // a_scale belongs to nobody
    const coded_tensor b = stored_weight(file, "b");
    CHECK(b.text() == "bf16 [4, 2, 3]");
    CHECK(b.parts.size() == 4);
    CHECK(b.row(3, 1).codes == file.at("b").bytes.data() + 42);
    const coded_tensor c = stored_weight(file, "c");
    CHECK(c.text() == "f16 [1, 6]");
    CHECK(stored_names(file, "none").empty());
    CHECK(mentions(message_of([&] { stored_weight(file, "a_scales"); }), file.path(),
                   "has no tensor \"a_scales\", did you mean \"a_scale\"?"));
  }
  CHECK_FALSE(mapping.expired());
  CHECK(w.row(0, 1).codes[11] == std::byte{23});
  w = {};
  CHECK(mapping.expired());
}

TEST_CASE("stored_weight: codes with their scales") {
  const temporary_folder folder;
  const auto file = stored(folder, {{"fp8_scale_inv", dtype::f32, {2, 3}},
                                    {"fp8", dtype::f8_e4m3, {160, 260}},
                                    {"experts_scale_inv", dtype::f32, {2, 1, 2}},
                                    {"experts", dtype::f8_e4m3, {2, 100, 130}},
                                    {"int8", dtype::i8, {2, 40}},
                                    {"int8_scale", dtype::f16, {2, 2}},
                                    {"int4", dtype::u8, {3, 2, 32}},
                                    {"int4_scale", dtype::f16, {3, 2, 2}},
                                    {"mx_blocks", dtype::u8, {3, 2, 5, 16}},
                                    {"mx_scales", dtype::u8, {3, 2, 5}},
                                    {"one_blocks", dtype::u8, {2, 5, 16}},
                                    {"one_scales", dtype::u8, {2, 5}}});
  const auto bytes = [&](const char* name) { return file.at(name).bytes.data(); };
  const coded_tensor fp8 = stored_weight(file, "fp8");
  CHECK(fp8.text() == "fp8 [160, 260]");
  CHECK(fp8.row(0, 130).codes == bytes("fp8") + 130 * 260);
  CHECK(fp8.row(0, 130).scales == bytes("fp8_scale_inv") + 12);
  CHECK(fp8.owners.size() == 2);
  CHECK(stored_names(file, "fp8") == names{"fp8", "fp8_scale_inv"});
  const coded_tensor experts = stored_weight(file, "experts");
  CHECK(experts.text() == "fp8 [2, 100, 130]");
  CHECK(experts.row(1, 2).scales == bytes("experts_scale_inv") + 8);
  const coded_tensor int8 = stored_weight(file, "int8");
  CHECK(int8.text() == "int8 [2, 40]");
  CHECK(int8.row(0, 1).scales == bytes("int8_scale") + 4);
  CHECK(stored_names(file, "int8") == names{"int8", "int8_scale"});
  const coded_tensor int4 = stored_weight(file, "int4");
  CHECK(int4.text() == "int4 [3, 2, 64]");
  CHECK(int4.row(2, 1).codes == bytes("int4") + 5 * 32);
  CHECK(int4.row(2, 1).scales == bytes("int4_scale") + 5 * 4);
  const coded_tensor mx = stored_weight(file, "mx");
  CHECK(mx.text() == "mxfp4 [3, 2, 160]");
  CHECK(mx.row(2, 1).codes == bytes("mx_blocks") + 5 * 80);
  CHECK(mx.row(2, 1).scales == bytes("mx_scales") + 5 * 5);
  CHECK(stored_names(file, "mx") == names{"mx_blocks", "mx_scales"});
  CHECK(stored_weight(file, "one").text() == "mxfp4 [2, 160]");
}

TEST_CASE("stored_weight: what does not lie at a multiple of its size is copied") {
  const temporary_folder folder;
  const auto file = stored(folder, {{"odd", dtype::u8, {1}},
                                    {"f", dtype::f32, {2, 2}},
                                    {"h", dtype::bf16, {2, 2}},
                                    {"fp8", dtype::f8_e4m3, {2, 2}},
                                    {"fp8_scale_inv", dtype::f32, {1, 1}}});
  for (const char* name : {"f", "h"}) {
    const coded_tensor w = stored_weight(file, name);
    CHECK(w.parts[0].codes != file.at(name).bytes.data());
    CHECK(reinterpret_cast<std::uintptr_t>(w.parts[0].codes) % 4 == 0);
    CHECK(std::memcmp(w.parts[0].codes, file.at(name).bytes.data(), file.at(name).bytes.size()) ==
          0);
    CHECK(w.owners.size() == 1);
  }
  const coded_tensor fp8 = stored_weight(file, "fp8");
  CHECK(fp8.parts[0].codes == file.at("fp8").bytes.data());
  CHECK(reinterpret_cast<std::uintptr_t>(fp8.parts[0].scales) % 4 == 0);
  CHECK(fp8.parts[0].scales[3] == std::byte{3});
}

TEST_CASE("stored_weight: F64 has no coding and is rounded only on demand") {
  const temporary_folder folder;
  const auto path = folder / "d.safetensors";
  safetensors_writer out(path);
  out.declare("d", dtype::f64, {1, 2});
  const std::vector<double> values{0.1, -3};
  out.write(std::span<const double>(values));
  out.commit();
  const safetensors file(path.string());
  CHECK(mentions(message_of([&] { stored_weight(file, "d"); }), path.string(),
                 "tensor \"d\" is F64 [1, 2], and no coding keeps F64", "round_f64"));
  const coded_tensor w = stored_weight(file, "d", {.round_f64 = true});
  CHECK(w.text() == "f32 [1, 2]");
  float first = 0;
  std::memcpy(&first, w.parts[0].codes, 4);
  CHECK(first == 0.1f);
}

TEST_CASE("stored_weight: what is refused") {
  const temporary_folder folder;
  const auto message = [&](const std::vector<entry>& tensors) {
    const auto file = stored(folder, tensors);
    const std::string m = message_of([&] { stored_weight(file, "w"); });
    CHECK(mentions(m, file.path()));
    return m;
  };
  CHECK(mentions(message({{"w", dtype::i64, {2, 2}}}), "tensor \"w\" is I64 [2, 2], expected F32"));
  CHECK(mentions(message({{"w", dtype::f8_e5m2, {2, 2}}}), "is F8_E5M2 [2, 2], expected F32"));
  CHECK(mentions(message({{"w", dtype::f32, {}}}), "is F32 [], expected two extents"));
  CHECK(mentions(message({{"w", dtype::f32, {1, 1, 1, 1}}}), "expected two extents"));
  CHECK(mentions(message({{"w", dtype::f32, {0, 3}}}), "is F32 [0, 3], expected at least one"));
  CHECK(mentions(message({{"w", dtype::f8_e4m3, {3}}}), "is F8_E4M3 [3], expected two extents"));
  CHECK(mentions(message({{"w", dtype::f8_e4m3, {160, 3}}}),
                 "needs its scales \"w_scale_inv\", F32 [2, 1]"));
  CHECK(mentions(message({{"w", dtype::f8_e4m3, {160, 3}}, {"w_scale_inv", dtype::f32, {1, 1}}}),
                 "tensor \"w_scale_inv\" is F32 [1, 1], expected F32 [2, 1]"));
  CHECK(mentions(message({{"w", dtype::f8_e4m3, {9, 3}}, {"w_scale_inv", dtype::bf16, {1, 1}}}),
                 "is BF16 [1, 1], expected F32 [1, 1]"));
  CHECK(mentions(message({{"w", dtype::i8, {9, 33}}}), "needs its scales \"w_scale\", F16 [9, 2]"));
  CHECK(mentions(message({{"w", dtype::i8, {9, 33}}, {"w_scale", dtype::f16, {9, 1}}}),
                 "is F16 [9, 1], expected F16 [9, 2]"));
  CHECK(mentions(message({{"w", dtype::u8, {9, 8}}}),
                 "is U8 [9, 8], expected bytes of two columns, 16 to a scale"));
  CHECK(mentions(message({{"w", dtype::u8, {9, 16}}}), "needs its scales \"w_scale\", F16 [9, 1]"));
  CHECK(mentions(
      message({{"w_blocks", dtype::u8, {9, 2, 16}}}),
      "tensor \"w_blocks\" is U8 [9, 2, 16] and needs its scales \"w_scales\", U8 [9, 2]"));
  CHECK(mentions(message({{"w_blocks", dtype::u8, {9, 2, 8}}}),
                 "is U8 [9, 2, 8], expected U8 [rows, blocks, 16]"));
  CHECK(mentions(message({{"w_blocks", dtype::i8, {9, 2, 16}}}), "expected U8 [rows, blocks, 16]"));
  CHECK(mentions(message({{"w_blocks", dtype::u8, {32, 16}}}), "expected U8 [rows, blocks, 16]"));
  CHECK(mentions(message({{"w_blocks", dtype::u8, {4, 9, 2, 16}}, {"w_scales", dtype::u8, {9, 2}}}),
                 "tensor \"w_scales\" is U8 [9, 2], expected U8 [4, 9, 2]"));
  CHECK(mentions(message({{"w", dtype::f32, {1, 1}}, {"w_blocks", dtype::u8, {9, 2, 16}}}),
                 "has both \"w\" and \"w_blocks\""));
}
