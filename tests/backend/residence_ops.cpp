// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of where codes lie: each operation is asked for, and what read_at refuses.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <algorithm>
#include <vector>

#include <dsr1/backend/residence_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  struct copies {
    bool done() const { return true; }
  };
  template <class... A>
  static coded_tensor resident(A&&...) {
    return {};
  }
  template <class... A>
  static copies copy_aside(A&&...) {
    return {};
  }
  template <class... A>
  static void read_at(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_resident : complete {
  static coded_tensor resident() { return {}; }
};
struct without_copy_aside : complete {
  static copies copy_aside() { return {}; }
};
struct without_read_at : complete {
  static void read_at() {}
};

template <class Backend>
constexpr bool fits = residence_ops<context<Backend>>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_resident>);
static_assert(!fits<without_copy_aside>);
static_assert(!fits<without_read_at>);

}  // namespace

TEST_CASE("residence_ops: the parts that read_at replaces, and what it refuses") {
  const std::byte codes[4] = {}, others[4] = {};
  coded_tensor w{.type = coding::f16, .matrices = 2, .rows = 1, .columns = 1};
  w.parts = {{codes, nullptr, 1}, {codes + 2, nullptr, 1}};
  const coded_part good[] = {{others, nullptr, 1}};
  CHECK(parts_to_replace(w, 1, good).data() == w.parts.data() + 1);
  const auto message = [&](index_t matrix, std::vector<coded_part> parts) {
    return message_of([&] { parts_to_replace(w, matrix, parts); });
  };
  CHECK(mentions(message(2, {good[0]}), "matrix 2 of f16 [2, 1, 1]"));
  CHECK(mentions(message(-1, {good[0]}), "matrix -1"));
  CHECK(mentions(message(0, {good[0], good[0]}), "2 parts", "expected 1"));
  CHECK(mentions(message(0, {{others, nullptr, 2}}), "part 0 of matrix 0", "2 rows, expected 1"));
  CHECK(mentions(message(0, {{nullptr, nullptr, 1}}), "with codes and scales as before"));
  CHECK(mentions(message(0, {{others, others, 1}}), "with codes and scales as before"));
  CHECK(text_of(residence::device) == "device");
  CHECK(text_of(residence::host) == "host");
  CHECK(text_of(residence::file) == "file");
}

TEST_CASE("residence_ops: codes and scales of parts in one block") {
  std::vector<std::byte> stored(1000), block(2048);
  for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<std::byte>(i % 251);
  coded_tensor w{.type = coding::int8, .matrices = 1, .rows = 5, .columns = 64};
  w.parts = {{stored.data(), stored.data() + 500, 2},
             {stored.data() + 200, stored.data() + 600, 3}};
  CHECK(laid_out_bytes(w, w.parts) == 1024);
  std::vector<coded_part> parts = w.parts;
  std::vector<index_t> bytes;
  lay_out(w, parts, block.data(), [&](const code_copy& c) {
    bytes.push_back(c.bytes);
    std::copy_n(c.from, c.bytes, c.to);
  });
  CHECK(bytes == std::vector<index_t>{128, 8, 192, 12});
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(parts[i].rows == w.parts[i].rows);
    CHECK(parts[i].codes == block.data() + 512 * i);
    CHECK(parts[i].scales == block.data() + 512 * i + 256);
    CHECK(std::equal(parts[i].codes, parts[i].codes + w.code_bytes(parts[i]), w.parts[i].codes));
    CHECK(
        std::equal(parts[i].scales, parts[i].scales + w.scale_bytes(parts[i]), w.parts[i].scales));
  }

  // Without scales, and a part without rows, nothing of which is copied.
  w.type = coding::f32;
  w.columns = 65;
  parts = {{stored.data(), nullptr, 1}, {stored.data(), nullptr, 0}, {stored.data(), nullptr, 1}};
  CHECK(laid_out_bytes(w, parts) == 1024);
  bytes.clear();
  lay_out(w, parts, block.data(), [&](const code_copy& c) { bytes.push_back(c.bytes); });
  CHECK(bytes == std::vector<index_t>{260, 260});
  CHECK(parts[2].codes == block.data() + 512);
  CHECK(parts[2].scales == nullptr);
}
