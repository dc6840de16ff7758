// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Several writers of one file.

#include <filesystem>

#include "catch.hpp"
#include "data/folder.hpp"

#include <dsr1/io/safetensors.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/io/shared_safetensors.hpp>

using namespace dsr1;
using data_test::folder;
using data_test::read;
namespace fs = std::filesystem;

namespace {

const std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {7, 8, 9};

shared_safetensors declared(const fs::path& path) {
  shared_safetensors f(path);
  f.declare("a", dtype::f32, {2, 3});
  f.declare("b", dtype::f32, {3});
  return f;
}

}  // namespace

TEST_CASE("shared_safetensors: the file of one writer, whoever writes what, in verified ranges") {
  const folder f;
  {
    safetensors_writer one(f.path / "one");
    one.declare("a", dtype::f32, {2, 3});
    one.declare("b", dtype::f32, {3});
    one.write(std::span<const float>(a));
    one.write(std::span<const float>(b));
    one.commit();
  }
  shared_safetensors x = declared(f.path / "two"), y = declared(f.path / "two");
  x.create();
  y.open();
  y.write("a", 4, std::span<const float>(a).subspan(4));
  y.write("b", 0, std::span<const float>(b).first(1));
  x.write("a", 0, std::span<const float>(a).first(4));
  x.write("b", 1, std::span<const float>(b).subspan(1));
  x.write("b", 3, std::span<const float>());
  const auto of_x = x.close(), of_y = y.close();
  CHECK(read(f.path / "two") == read(f.path / "one"));
  CHECK(safetensors((f.path / "two").string()).at("b").elements<float>()[2] == 9);

  REQUIRE(of_y.size() == 1);  // the end of a and the beginning of b lie together
  CHECK(of_y[0].end - of_y[0].begin == 12);
  REQUIRE(of_x.size() == 2);
  CHECK(of_x[0].begin == 0);
  const mapped_file whole((f.path / "two").string());
  for (const auto& list : {of_x, of_y})
    for (const hashed_range& r : list) verify_range(whole, r.begin, r.end, hash_text(r.hash));
  CHECK(mentions(message_of([&] { verify_range(whole, of_x[0].begin, of_x[0].end, "0"); }),
                 "truncated or edited", "the checkpoint says 0"));
  CHECK(mentions(message_of([&] { verify_range(whole, 0, whole.size() + 1, ""); }),
                 "truncated or edited", "written were at least"));
}

TEST_CASE("shared_safetensors: errors") {
  const folder f;
  shared_safetensors x = declared(f.path / "two");
  CHECK(mentions(message_of([&] { x.open(); }), "cannot open", "No such file"));
  x.create();
  CHECK(mentions(message_of([&] { x.declare("c", dtype::f32, {1}); }), "after the opening"));
  CHECK(mentions(message_of([&] { x.write("c", 0, std::span<const float>(b)); }),
                 "has no tensor \"c\""));
  CHECK(mentions(message_of([&] { x.write("b", 1, std::span<const float>(b)); }),
                 "elements 1 to 4 of tensor \"b\", which has 3"));
  shared_safetensors again = declared(f.path / "two");
  CHECK(mentions(message_of([&] { again.create(); }), "cannot create", "File exists"));
}
