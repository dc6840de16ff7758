// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: where the codes of weights lie, and moving them while they are in use.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

#include <dsr1/tensor/coded.hpp>

namespace dsr1 {

/// Where the codes of a weight lie when kernels read them.
///     device   in the memory of the device
///     host     in memory of the host that the device reads over its bus (pinned)
///     file     where a mapped file has them
/// For the CPU all three are memory that it reads; `device` and `file` leave codes where they are.
enum class residence : std::uint8_t { device, host, file };

constexpr std::string_view text_of(residence r) {
  return r == residence::device ? "device" : r == residence::host ? "host" : "file";
}

/// Bytes to be copied into memory of the device.
struct code_copy {
  std::byte* to;
  const std::byte* from;
  index_t bytes;
};

/// resident(ctx, w, where)    w with its codes where the operations of `quant_ops` can read them.
///                            Throws `error` when the device cannot read such memory
/// copy_aside(ctx, copies)    begins copies once all is done that the context was asked for so far,
///                            and beside what it is asked for later. The result tells whether they
///                            are complete: `done()` does not wait, its destructor does
/// read_at(ctx, w, m, parts)  what the context is asked for from now on reads matrix m of w, which
///                            `resident` returned, there; the parts are as long as those before
template <class Ctx>
concept residence_ops =
    requires(Ctx& ctx, const coded_tensor& w, coded_tensor& moved,
             std::span<const code_copy> copies, std::span<const coded_part> parts) {
      { Ctx::backend::resident(ctx, w, residence::device) } -> std::same_as<coded_tensor>;
      { Ctx::backend::copy_aside(ctx, copies).done() } -> std::same_as<bool>;
      Ctx::backend::read_at(ctx, moved, index_t{}, parts);
    };

/// How codes and scales lie that are copied into one block: part after part, the codes of one
/// before its scales, each on a boundary.
inline constexpr index_t code_alignment = 256;

/// The bytes that some parts of w take so.
inline index_t laid_out_bytes(const coded_tensor& w, std::span<const coded_part> parts) {
  index_t bytes = 0;
  for (const coded_part& p : parts)
    bytes += round_up(w.code_bytes(p), code_alignment) + round_up(w.scale_bytes(p), code_alignment);
  return bytes;
}
/// Lets the parts point into the block, after copy({to, from, bytes}) for what belongs there.
template <class F>
void lay_out(const coded_tensor& w, std::span<coded_part> parts, std::byte* block, F&& copy) {
  const auto place = [&](const std::byte*& from, index_t bytes) {
    if (bytes > 0) copy(code_copy{block, from, bytes});
    from = block;
    block += round_up(bytes, code_alignment);
  };
  for (coded_part& p : parts) {
    place(p.codes, w.code_bytes(p));
    if (p.scales != nullptr) place(p.scales, w.scale_bytes(p));
  }
}

/// What a backend's `read_at` begins with: the new parts, after their check. Throws `error` naming
/// the matrix or the part that does not fit.
inline std::span<coded_part> parts_to_replace(coded_tensor& w, index_t matrix,
                                              std::span<const coded_part> parts) {
  const auto count = static_cast<std::size_t>(w.parts_per_matrix());
  expects(matrix >= 0 && matrix < w.matrices, "read_at: matrix ", matrix, " of ", w.text());
  expects(parts.size() == count, "read_at: ", parts.size(), " parts for a matrix of ", w.text(),
          ", expected ", count);
  const std::span<coded_part> old(w.parts.data() + static_cast<std::size_t>(matrix) * count, count);
  for (std::size_t i = 0; i < count; ++i)
    expects(parts[i].rows == old[i].rows && parts[i].codes != nullptr &&
                (parts[i].scales != nullptr) == (old[i].scales != nullptr),
            "read_at: part ", i, " of matrix ", matrix, " of ", w.text(), " has ", parts[i].rows,
            " rows, expected ", old[i].rows, ", with codes and scales as before");
  return old;
}

}  // namespace dsr1
