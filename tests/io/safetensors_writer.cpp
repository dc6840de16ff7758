// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Writing safetensors files: what is written is read, and half a file never appears.

#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/safetensors.hpp>
#include <dsr1/io/safetensors_writer.hpp>

using namespace dsr1;

namespace {

std::uint64_t hash_of(const std::string& bytes) {
  content_hash hash;
  hash.add(bytes.data(), bytes.size());
  return hash.value();
}

}  // namespace

TEST_CASE("safetensors_writer: what is written is read, for every type") {
  const temporary_folder folder;
  const auto path = folder / "a.safetensors";
  std::uint64_t hash = 0;
  std::string data;
  {
    safetensors_writer out(path, {{"format", "pt"}, {"note", "\"quoted\" ü"}});
    for (const dtype_info& d : dtypes) {
      out.declare("t." + std::string(d.name), d.type, {3, 2});
      for (index_t i = 0; i < 6 * d.bytes; ++i)  // all bytes occur; a bool is 0 or 1
        data += static_cast<char>(d.type == dtype::boolean ? i % 2 : data.size() * 37);
    }
    // In pieces that have nothing to do with the tensors.
    for (std::size_t first = 0; first < data.size(); first += 7) {
      const std::string piece = data.substr(first, 7);
      out.write(piece.data(), static_cast<index_t>(piece.size()));
    }
    hash = out.hash();
    out.commit();
  }
  const std::string bytes = content_of(path);
  CHECK(hash == hash_of(bytes));
  CHECK(static_cast<unsigned char>(bytes[0]) % 8 ==
        0);  // of the header: the data begin on a multiple of 8
  CHECK(bytes[8] == '{');
  const safetensors file(path.string());
  REQUIRE(file.tensors().size() == dtypes.size());
  CHECK(file.metadata().at("note") == "\"quoted\" ü");
  CHECK(file.metadata().at("format") == "pt");
  std::size_t first = 0;
  for (const dtype_info& d : dtypes) {
    const stored_tensor& t = file.at("t." + std::string(d.name));
    CHECK(t.type == d.type);
    CHECK(t.shape == std::vector<index_t>{3, 2});
    const std::string_view read(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    CHECK(read == std::string_view(data).substr(first, read.size()));
    first += read.size();
  }
  CHECK(first == data.size());
  CHECK(reinterpret_cast<std::uintptr_t>(file.at("t.F64").bytes.data()) % 8 == 0);
}

TEST_CASE("safetensors_writer: scalars, empty tensors, no tensors") {
  const temporary_folder folder;
  const auto path = folder / "a";
  {
    safetensors_writer out(path);
    out.declare("scalar", dtype::f32, {});
    out.declare("empty", dtype::f64, {0, 1000});
    const float value[] = {2.5f};
    out.write(std::span<const float>(value));
    out.commit();
  }
  const safetensors file(path.string());
  CHECK(file.at("scalar").elements<float>()[0] == 2.5f);
  CHECK(file.at("empty").size() == 0);
  CHECK(file.at("empty").shape == std::vector<index_t>{0, 1000});
  CHECK(file.metadata().empty());
  safetensors_writer(folder / "b").commit();
  CHECK(safetensors((folder / "b").string()).tensors().empty());
}

TEST_CASE("safetensors_writer: the same tensors give the same bytes") {
  const temporary_folder folder;
  for (const char* name : {"a", "b"}) {
    safetensors_writer out(folder / name, {{"x", "1"}, {"a", "2"}});
    out.declare("z", dtype::u8, {2});
    out.declare("a", dtype::u8, {1});
    out.write("zza", 3);
    out.commit();
  }
  CHECK(content_of(folder / "a") == content_of(folder / "b"));
  CHECK(safetensors((folder / "a").string()).at("a").bytes[0] == std::byte{'a'});
}

TEST_CASE("safetensors_writer: errors name the file and the tensor") {
  const temporary_folder folder;
  const std::string path = (folder / "a").string();
  safetensors_writer out(path);
  out.declare("a", dtype::f32, {2});
  CHECK(mentions(message_of([&] { out.declare("a", dtype::f32, {2}); }), path,
                 "\"a\" declared twice"));
  CHECK(mentions(message_of([&] { out.declare("__metadata__", dtype::f32, {2}); }), path,
                 "__metadata__"));
  CHECK(mentions(message_of([&] { out.declare("b", dtype::f32, {-1}); }), path,
                 "\"b\" has an extent of -1"));
  CHECK(mentions(message_of([&] {
                   out.declare("b", dtype::f64, {index_t{1} << 40, index_t{1} << 40});
                 }),
                 "\"b\"", "too large"));
  out.declare("big", dtype::u8, {index_t{1} << 62});
  CHECK(mentions(message_of([&] { out.declare("b", dtype::u8, {index_t{1} << 62}); }),
                 "too many bytes at tensor \"b\""));
  out.write("xxxx", 4);
  CHECK(mentions(message_of([&] { out.declare("c", dtype::f32, {2}); }),
                 "\"c\" declared after the first data"));
  CHECK(mentions(message_of([&] { out.commit(); }), path,
                 "4 bytes are missing up to the end of tensor \"a\""));

  safetensors_writer other(folder / "b");
  other.declare("b", dtype::u8, {3});
  CHECK(mentions(message_of([&] { other.write("four", 4); }), "4 bytes of data, declared were 3"));
  other.write("abc", 3);
  CHECK(mentions(message_of([&] { other.write("d", 1); }), "4 bytes of data, declared were 3"));
  CHECK_NOTHROW(other.commit());

  safetensors_writer third(folder / "c");
  third.declare("\xff", dtype::u8, {1});
  CHECK(mentions(message_of([&] { third.write("x", 1); }), "no UTF-8"));
}

TEST_CASE(
    "safetensors_writer: a file that was not finished, or for which the disk is too full, never "
    "appears") {
  const temporary_folder folder;
  const auto path = put(folder / "a", "old");
  const std::vector<float> values(5000);
  const auto write = [&] {
    safetensors_writer out(path);
    out.declare("x", dtype::f32, {5000});
    out.write(std::span<const float>(values));
    out.commit();
  };
  {
    safetensors_writer out(path);
    out.declare("x", dtype::f32, {5000});
    out.write(values.data(), 400);
  }
  CHECK(content_of(path) == "old");
  CHECK(folder.entries() == 1);
  std::string message;
  {
    const full_disk full(8192);
    message = message_of(write);
  }
  CHECK(mentions(message, "cannot write", path.string(), "File too large"));
  CHECK(content_of(path) == "old");
  CHECK(folder.entries() == 1);
  write();
  CHECK(safetensors(path.string()).at("x").size() == 5000);
}
