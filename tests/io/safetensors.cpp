// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reading safetensors files: what good ones hold, and that no bad one does harm.

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/io/safetensors.hpp>

using namespace dsr1;

namespace {

/// A file from its header and data; the length in front can be a lie.
std::string file_of(std::string_view header, std::string_view data, std::int64_t length = -1) {
  std::string out;
  const auto n =
      static_cast<std::uint64_t>(length < 0 ? static_cast<std::int64_t>(header.size()) : length);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(n >> (8 * i));
  return out.append(header).append(data);
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string out;
  for (const T& v : values) out.append(reinterpret_cast<const char*>(&v), sizeof v);
  return out;
}

const std::string small_header =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"none":{"dtype":"I64","shape":[0,5],"data_offsets":[32,32]},)"
    R"("one":{"dtype":"F64","shape":[],"data_offsets":[32,40]}})";

std::string small_file() {
  return file_of(small_header, bytes_of<float>({1, 2, 3, 4, 5, 6}) +
                                   bytes_of<bf16>({bf16(1.5f), bf16(-2), bf16(0), bf16(1e30f)}) +
                                   bytes_of<double>({0.1}));
}

/// The error of a file with this header (padded with spaces to a multiple of 8) and so much data.
std::string refused(const temporary_folder& folder, std::string_view header, std::size_t data) {
  const auto path =
      put(folder / "bad.safetensors", file_of(header, std::string(data, '\0'))).string();
  const std::string message = message_of([&] { safetensors file(path); });
  CHECK(mentions(message, path));
  return message;
}

/// Reads everything that a file offers; the sanitizers watch.
double touch(const safetensors& file) {
  double sum = 0;
  for (const auto& [name, t] : file.tensors()) {
    for (const std::byte b : t.bytes) sum += std::to_integer<int>(b);
    if (is_floating(t.type)) {
      std::vector<double> values(static_cast<std::size_t>(t.size()));
      t.copy_to(values.data());
    }
    index_t count = 1;
    for (const index_t e : t.shape) count *= e;
    CHECK(count == t.size());
  }
  return sum;
}

}  // namespace

TEST_CASE("safetensors: what a good file holds") {
  const temporary_folder folder;
  const safetensors file(put(folder / "a.safetensors", small_file()).string());
  REQUIRE(file.tensors().size() == 4);
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(file.at("a").text() == "F32 [2, 3]");
  CHECK(file.at("a").size() == 6);
  CHECK(file.at("none").text() == "I64 [0, 5]");
  CHECK(file.at("none").size() == 0);
  CHECK(file.at("one").text() == "F64 []");
  CHECK(file.at("one").size() == 1);
  CHECK(file.find("c") == nullptr);
  CHECK(file.find("b") == &file.at("b"));
  CHECK(mentions(message_of([&] { file.at("nono"); }),
                 "a.safetensors has no tensor \"nono\", did you mean \"none\"?"));
}

TEST_CASE("safetensors: a file that is in memory already") {
  const std::string whole = small_file();
  const auto bytes = std::as_bytes(std::span(whole.data(), whole.size()));
  safetensors file(bytes, "mine");
  const safetensors moved(std::move(file));
  CHECK(moved.path() == "mine");
  CHECK(moved.size() == whole.size());
  CHECK(moved.at("b").bytes.data() == bytes.data() + (whole.size() - 16));
  CHECK(
      mentions(message_of([&] { safetensors(bytes.first(20), "mine"); }), "mine: the header says"));
  CHECK(mentions(message_of([&] { safetensors({}, "mine"); }), "mine has 0 bytes, too few"));
}

TEST_CASE(
    "safetensors: a header of other writers: spaces at its end, members that we do not know") {
  const temporary_folder folder;
  const safetensors file(
      put(folder / "a",
          file_of(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3],"note":[1]}}     )",
                  "xyz"))
          .string());
  CHECK(file.at("a").size() == 3);
  const safetensors nothing(put(folder / "b", file_of("{}", "")).string());
  CHECK(nothing.tensors().empty());
}

TEST_CASE("safetensors: elements where they are") {
  const temporary_folder folder;
  std::string header =
      R"({"f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"odd":{"dtype":"U8","shape":[1],"data_offsets":[8,9]},)"
      R"("g":{"dtype":"F32","shape":[1],"data_offsets":[9,13]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const safetensors file(
      put(folder / "a", file_of(header, bytes_of<float>({1, 2}) + "x" + bytes_of<float>({3})))
          .string());
  const auto f = file.at("f").elements<float>();
  CHECK(static_cast<const void*>(f.data()) == file.at("f").bytes.data());
  CHECK(f[1] == 2);
  CHECK(file.at("odd").elements<std::uint8_t>()[0] == 'x');
  CHECK_FALSE(file.at("g").holds<float>());
  CHECK(mentions(message_of([&] { file.at("g").elements<float>(); }), "F32 [1]", "multiple of 4"));
  CHECK(mentions(message_of([&] { file.at("f").elements<double>(); }), "F32 [2]", "read as F64"));
  float g = 0;
  file.at("g").copy_to(&g);
  CHECK(g == 3);
}

TEST_CASE("safetensors: conversion to float and double") {
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const auto convert = [](dtype type, const std::string& bytes) {
    const stored_tensor t{type,
                          {static_cast<index_t>(bytes.size()) / info_of(type).bytes},
                          std::as_bytes(std::span(bytes.data(), bytes.size()))};
    std::vector<double> d(static_cast<std::size_t>(t.size()));
    std::vector<float> f(d.size());
    t.copy_to(d.data());
    t.copy_to(f.data());
    for (std::size_t i = 0; i < d.size(); ++i)
      CHECK((f[i] == static_cast<float>(d[i]) || std::isnan(d[i])));
    return d;
  };
  CHECK(convert(dtype::f64, bytes_of<double>({0.1, -1e300})) == std::vector<double>{0.1, -1e300});
  CHECK(convert(dtype::f32, bytes_of<float>({0.1f, 1e-40f, inf})) ==
        std::vector<double>{0.1f, 1e-40f, inf});
  CHECK(convert(dtype::f16, bytes_of<half>({half(0.1f), half(6e-8f), half(-inf), half(65504)})) ==
        std::vector<double>{static_cast<float>(half(0.1f)), 0x1p-24, -inf, 65504});
  CHECK(convert(dtype::bf16, bytes_of<bf16>({bf16(0.1f), bf16(1e38f)})) ==
        std::vector<double>{static_cast<float>(bf16(0.1f)), static_cast<float>(bf16(1e38f))});
  CHECK(std::isnan(convert(dtype::f16, bytes_of<half>({half(nan)}))[0]));
  CHECK(std::isnan(convert(dtype::bf16, bytes_of<bf16>({bf16(nan)}))[0]));
  CHECK(convert(dtype::i64, bytes_of<std::int64_t>({-5, std::int64_t{1} << 40})) ==
        std::vector<double>{-5, 0x1p40});
  CHECK(convert(dtype::i32, bytes_of<std::int32_t>({-5})) == std::vector<double>{-5});
  CHECK(convert(dtype::i16, bytes_of<std::int16_t>({-5})) == std::vector<double>{-5});
  CHECK(convert(dtype::i8, bytes_of<std::int8_t>({-5})) == std::vector<double>{-5});
  CHECK(convert(dtype::u8, bytes_of<std::uint8_t>({250})) == std::vector<double>{250});
  CHECK(convert(dtype::boolean, bytes_of<bool>({true, false})) == std::vector<double>{1, 0});
  CHECK(convert(dtype::u64, bytes_of<std::uint64_t>({std::uint64_t{1} << 63})) ==
        std::vector<double>{0x1p63});
  CHECK(convert(dtype::u32, bytes_of<std::uint32_t>({~0u})) == std::vector<double>{0x1p32 - 1});
  CHECK(convert(dtype::u16, bytes_of<std::uint16_t>({65'535})) == std::vector<double>{65'535});
  CHECK(convert(dtype::f32, "").empty());
  float none = 0;
  CHECK(mentions(message_of([&] {
                   stored_tensor{dtype::c64, {0}, {}}.copy_to(&none);
                 }),
                 "cannot convert C64 [0] to real numbers"));
  for (const dtype type : {dtype::f8_e4m3, dtype::f8_e5m2, dtype::f8_e8m0}) {
    const stored_tensor t{type, {1}, std::as_bytes(std::span("x", 1))};
    float to;
    CHECK(mentions(message_of([&] { t.copy_to(&to); }), "cannot convert F8_E",
                   "[1] without its scales"));
  }
}

TEST_CASE("safetensors: opening reads no data, however much there is") {
  const temporary_folder folder;
  const auto path = put(
      folder / "huge",
      file_of(R"({"a":{"dtype":"U8","shape":[68719476736],"data_offsets":[0,68719476736]}})", ""));
  std::error_code failure;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) + (std::uint64_t{1} << 36),
                               failure);
  if (failure) {
    WARN("skipped: no sparse file of 64 GiB here");
    return;
  }
  const safetensors file(path.string());
  CHECK(file.at("a").size() == index_t{1} << 36);
  CHECK(file.at("a").bytes.back() == std::byte{0});
}

TEST_CASE("safetensors: bad headers name the file, the tensor and what is wrong") {
  const temporary_folder folder;
  struct bad {
    std::string_view header;
    std::size_t data;
    std::string_view message, more = "";
  };
  const bad all[] = {
      {"{", 0, "is not valid JSON"},
      {"", 0, "is not valid JSON"},
      {"[]", 0, "is array, expected an object"},
      {"{} {}", 0, "is not valid JSON"},
      {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
       "is not valid JSON"},
      {R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1, "unknown dtype \"F4\""},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "tensor \"a\"",
       "unknown dtype \"F31\""},
      {R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", 4, "tensor \"a\": \"dtype\" is 3",
       "expected text"},
      {R"({"a":[]})", 0, "tensor \"a\" is array, expected an object"},
      {R"({"a":null})", 0, "tensor \"a\" is null, expected an object"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "tensor \"a\": \"dtype\" is missing"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "tensor \"a\": \"shape\" is missing"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "tensor \"a\": \"data_offsets\" is missing"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4,
       "\"shape\" is 1, expected a list"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "\"shape\"[0] is -1"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4,
       "\"shape\"[0] is 1.0, expected a whole number"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4, "\"shape\"[0] is \"1\""},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "tensor \"a\": the shape [4294967296,4294967296] is too large"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,0]}})", 0,
       "is too large"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4,
       "is too large"},
      {R"({"a":{"dtype":"F32","shape":[0,18446744073709551615,3],"data_offsets":[0,0]}})", 0,
       "is too large"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4,
       "data_offsets are [0], expected two"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "expected two"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       "tensor \"a\": data_offsets 4 to 0 are outside the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4,
       "tensor \"a\": data_offsets 0 to 8 are outside the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4,
       "\"data_offsets\"[0] is -4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]}})",
       4, "are outside"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "tensor \"a\": 4 bytes for F32 [2], expected 8"},
      {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,8]}})", 8,
       "tensor \"a\": 8 bytes for F32 [], expected 4"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "tensor \"b\": its bytes overlap those before 4"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
       4, "tensor \"b\": its bytes overlap those of \"a\""},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})",
       6, "no tensor has the 1 bytes before \"b\""},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", 5,
       "no tensor has the 1 bytes before \"a\""},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5,
       "the tensors use 4 bytes of data, the file has 5"},
      {"{}", 3, "the tensors use 0 bytes of data, the file has 3"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "two tensors are called \"a\""},
      {R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1,
       "two members of a tensor are called \"dtype\""},
      {R"({"__metadata__":1})", 0, "__metadata__ is number, expected an object"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__ \"a\" is 1, expected text"},
  };
  for (const bad& b : all) {
    INFO(b.header);
    CHECK(mentions(refused(folder, b.header, b.data), b.message, b.more));
  }
  const std::string deep = "{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}";
  CHECK(mentions(refused(folder, deep, 0), "nested deeper than 200"));
}

TEST_CASE("safetensors: equal names of members are fine in different tensors and deeper down") {
  const temporary_folder folder;
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"k":1}},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2],"y":{"k":1}}})";
  CHECK_NOTHROW(safetensors(put(folder / "a", file_of(header, "xy")).string()));
}

TEST_CASE("safetensors: a header length that is a lie") {
  const temporary_folder folder;
  const auto message = [&](std::int64_t length) {
    const auto path = put(folder / "bad", file_of("{}", "", length)).string();
    return message_of([&] { safetensors file(path); });
  };
  CHECK(mentions(message(3), "the header says 3 bytes, the file has 2"));
  CHECK(mentions(message(std::int64_t{1} << 62), "the header says 4611686018427387904 bytes"));
  CHECK(mentions(message(std::numeric_limits<std::int64_t>::max()), "the header says"));
  CHECK(mentions(message(1), "is not valid JSON"));
  // 100 MB and one byte that are really there
  const auto path = put(folder / "long", file_of("{}", "", 100'000'001));
  std::filesystem::resize_file(path, 200'000'000);
  CHECK(mentions(message_of([&] { safetensors file(path.string()); }), "the header says 100000001",
                 "at most 100000000"));
}

TEST_CASE("safetensors: a file cut anywhere is an error that names it") {
  const temporary_folder folder;
  const std::string whole = small_file();
  const auto path = folder / "cut";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    put(path, std::string_view(whole).substr(0, n));
    INFO("the first " << n << " bytes");
    REQUIRE(message_of([&] { safetensors file(path.string()); }).find(path.string()) !=
            std::string::npos);
  }
  put(path, whole);
  CHECK_NOTHROW(safetensors(path.string()));
}

TEST_CASE("safetensors: random damage never does harm") {
  const temporary_folder folder;
  const std::string whole = small_file();
  const auto path = folder / "damaged";
  int opened = 0;
  double sum = 0;
  for (std::uint64_t round = 0; round < 6000; ++round) {
    const random_stream r(9, round);
    std::string text = whole;
    const std::uint64_t edits = 1 + r.below(0, 4);
    for (std::uint64_t e = 0; e < edits; ++e) {
      // Half of the damage hits what is most read: the digits and brackets of the header.
      std::size_t at = r.below(4 * e + 1, text.size());
      if (e % 2 == 0) at = std::min(text.find_first_of("0123456789[]{},:\"", at), text.size() - 1);
      const char c = r.below(4 * e + 2, 2) ? "0123456789[]{}\",:-eE. \\"[r.below(4 * e + 3, 23)]
                                           : static_cast<char>(r.below(4 * e + 3, 256));
      switch (r.below(4 * e + 4, 4)) {
        case 0:
          text.insert(at, 1, c);
          break;
        case 1:
          text.erase(at, 1);
          break;
        case 2:
          text.append(text.substr(at, 9));
          break;
        default:
          text[at] = c;
      }
    }
    put(path, text);
    try {
      const safetensors file(path.string());
      ++opened;
      sum += touch(file);
    } catch (const error& e) {
      if (std::string(e.what()).find(path.string()) == std::string::npos)
        FAIL("no file name in: " << e.what());
    }
  }
  CHECK(opened > 50);  // damage to the data or to a name is none of the header's
  CHECK(opened < 5000);
  CHECK(sum > 0);
}
