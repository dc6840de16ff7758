// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where the codes of weights lie, on a CPU: all memory is read alike.
#pragma once

#include <algorithm>
#include <cstring>

#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace dsr1 {

/// The group `residence_ops` of the backend contract (see backend/residence_ops.hpp). Copies are
/// complete when `copy_aside` returns.
struct cpu_residence {
  struct copies {
    bool done() const { return true; }
  };

  /// `host`: a copy, in one block; it lies on huge pages, which a mapped file does not. Otherwise
  /// w itself.
  template <class Ctx>
  static coded_tensor resident(Ctx& ctx, const coded_tensor& w,
                               residence where = residence::device) {
    if (where != residence::host) return w;
    w.check();
    const auto block =
        std::make_shared<buffer<std::byte>>(laid_out_bytes(w, w.parts), ctx.memory());
    coded_tensor out = w;
    lay_out(w, out.parts, block->data(), copy_codes);
    out.owners.assign(1, block);
    return out;
  }

  template <class Ctx>
  static copies copy_aside(Ctx&, std::span<const code_copy> list) {
    for (const code_copy& c : list) copy_codes(c);
    return {};
  }

  template <class Ctx>
  static void read_at(Ctx&, coded_tensor& w, index_t matrix, std::span<const coded_part> parts) {
    const auto old = parts_to_replace(w, matrix, parts);
    std::copy(parts.begin(), parts.end(), old.begin());
  }

 private:
  static void copy_codes(const code_copy& c) {
    std::memcpy(c.to, c.from, static_cast<std::size_t>(c.bytes));
  }
};

}  // namespace dsr1
