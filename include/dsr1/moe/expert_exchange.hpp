// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rows on their way between the ranks that have the tokens and those that have the experts.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <dsr1/backend/row_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/backend/wire_ops.hpp>
#include <dsr1/moe/placement.hpp>
#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// How rows are coded between ranks, each row by itself. `f32` stands for the layer's own number
/// type, uncoded. Coded rows are coded even when they stay on their rank, so that where an expert
/// lies changes no bit. Rounding is to the nearest, and backward passes over it as if it were not.
/// Gradients have a format of their own, so that a coarse one for tokens never reaches them.
struct expert_wire {
  wire_format dispatch = {};  ///< forward, tokens to experts: often fp8 or int8 in blocks of 128
  wire_format combine = {};   ///< forward, results back: often bf16
  wire_format gradient = {};  ///< both ways of backward: f32 or bf16
};

/// Throws `error` unless rows may travel so.
inline void expect_row_format(const wire_format& f) {
  validate(f);
  expects(!f.stochastic, "rows between experts as ", f.text(),
          ", expected rounding to the nearest");
}

/// The handle of one exchange: made once in forward, used again in backward.
///     rows at holders = to_holders(x),  rows at sources = to_sources(y)
/// Each is the transpose of the other, so the backward pass of one is the other. At a source, rows
/// are sorted by expert; at a holder by slot, those of a slot by source rank, and those of a source
/// as they were. So with one holder per expert, and batches that are consecutive parts of a larger
/// one, an expert sees its rows in the order of the larger batch.
///
/// Bytes sent: `make` sends an int32 per slot of every other rank; `to_holders` rows_out()
/// row_bytes, `to_sources` rows_in() row_bytes. The first two count as purpose::dispatch, the last
/// as purpose::combine. All three are collective, also without any row.
class expert_exchange {
 public:
  /// Plans for rows sorted by expert, of which expert e has groups.length(e) and goes to asked[e].
  template <class Ctx>
  void make(Ctx& ctx, const placement& where, std::span<const placement::holder> asked,
            const row_groups& groups) {
    auto& comm = ctx.comm();
    expects(comm.size() == where.ranks(), "an exchange of a placement over ", where.ranks(),
            " ranks in a communicator of ", comm.size());
    expects(groups.count() == where.experts(), "an exchange of rows in ", groups.count(),
            " groups with a placement of ", where.experts(), " experts");
    const auto ranks = static_cast<std::size_t>(comm.size());
    const auto me = static_cast<std::size_t>(comm.rank());
    const std::span<const index_t> mine = where.held(comm.rank());
    count_out_.clear();
    count_sends_.resize(ranks);
    row_sends_.assign(ranks, 0);
    order_.clear();
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::span<const index_t> held = where.held(static_cast<int>(r));
      count_sends_[r] = static_cast<index_t>(held.size());
      for (index_t s = 0; s < count_sends_[r]; ++s) {
        const index_t e = held[static_cast<std::size_t>(s)];
        const bool here =
            asked[static_cast<std::size_t>(e)] == placement::holder{static_cast<int>(r), s};
        const index_t n = here ? groups.length(e) : 0;
        count_out_.push_back(static_cast<std::int32_t>(n));
        row_sends_[r] += n;
        for (index_t i = 0; i < n; ++i)
          order_.push_back(static_cast<std::int32_t>(groups.begin(e) + i));
      }
    }
    source_order_ = keep_order(ctx);

    const std::size_t slots = mine.size();
    count_in_.resize(ranks * slots);
    count_receives_.assign(ranks, static_cast<index_t>(slots));
    {
      const scoped_purpose as(comm, purpose::dispatch);
      comm.all_to_all_v(view_of(std::as_const(count_out_)), count_sends_, view_of(count_in_),
                        count_receives_);
    }
    row_receives_.assign(ranks, 0);
    begins_.resize(ranks * slots);
    index_t next = 0;
    for (std::size_t r = 0; r < ranks; ++r)
      for (std::size_t s = 0; s < slots; ++s) {
        begins_[r * slots + s] = next;
        row_receives_[r] += count_in_[r * slots + s];
        next += count_in_[r * slots + s];
      }
    order_.clear();
    ends_.clear();
    for (std::size_t s = 0; s < slots; ++s) {
      for (std::size_t r = 0; r < ranks; ++r)
        for (std::int32_t i = 0; i < count_in_[r * slots + s]; ++i)
          order_.push_back(static_cast<std::int32_t>(begins_[r * slots + s]) + i);
      ends_.push_back(static_cast<index_t>(order_.size()));
    }
    holder_order_ = keep_order(ctx);
    rows_out_ = groups.rows() - row_sends_[me];
    rows_in_ = next - row_receives_[me];
    count_bytes_ = 4 * (static_cast<index_t>(count_out_.size()) - count_sends_[me]);
    source_rows_ = groups.rows();
  }

  /// The rows at this holder, by slot.
  row_groups groups() const { return row_groups(ends_); }
  index_t rows() const { return ends_.empty() ? 0 : ends_.back(); }
  /// Rows that go to other ranks, and that come from them; bytes of counts that went.
  index_t rows_out() const { return rows_out_; }
  index_t rows_in() const { return rows_in_; }
  index_t count_bytes() const { return count_bytes_; }

  template <class T>
  static constexpr index_t row_bytes(const wire_format& format, index_t dim) {
    return format.code == wire_code::f32 ? dim * static_cast<index_t>(sizeof(T))
                                         : format.bytes(dim);
  }

  /// x [rows at the source, dim] gives [rows(), dim] at the holders.
  template <class Ctx, class T>
    requires row_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<const T, 2> to_holders(Ctx& ctx, view<const T, 2> x, const wire_format& format = {}) {
    expect_rows("to_holders", x, source_rows_);
    return carry(ctx, x, format, purpose::dispatch, row_sends_, row_receives_, source_order_.forth,
                 holder_order_.forth);
  }
  /// x [rows(), dim] gives [rows at the source, dim].
  template <class Ctx, class T>
    requires row_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<const T, 2> to_sources(Ctx& ctx, view<const T, 2> x, const wire_format& format = {}) {
    expect_rows("to_sources", x, rows());
    return carry(ctx, x, format, purpose::combine, row_receives_, row_sends_, holder_order_.back,
                 source_order_.back);
  }

 private:
  using index_list = view<const std::int32_t, 1>;
  /// y[i] = x[forth[i]] and x[i] = y[back[i]]; without data when nothing changes its place.
  struct permutation {
    index_list forth, back;
  };

  template <class T>
  static view<T, 1> view_of(std::vector<T>& v) {
    return view<T, 1>(v.data(), static_cast<index_t>(v.size()));
  }
  template <class T>
  static view<const T, 1> view_of(const std::vector<T>& v) {
    return view<const T, 1>(v.data(), static_cast<index_t>(v.size()));
  }

  template <class T>
  static void expect_rows(const char* name, view<const T, 2> x, index_t rows) {
    expects(x.rows() == rows, name, " of ", x.rows(), " rows, the exchange was made for ", rows);
  }

  template <class Ctx>
  permutation keep_order(Ctx& ctx) {
    const auto n = static_cast<index_t>(order_.size());
    bool moved = false;
    for (index_t i = 0; i < n; ++i) moved |= order_[static_cast<std::size_t>(i)] != i;
    if (!moved) return {};
    inverse_.resize(order_.size());
    for (index_t i = 0; i < n; ++i)
      inverse_[static_cast<std::size_t>(order_[static_cast<std::size_t>(i)])] =
          static_cast<std::int32_t>(i);
    const auto forth = ctx.template take<std::int32_t>(n),
               back = ctx.template take<std::int32_t>(n);
    Ctx::backend::upload(ctx, std::as_const(order_).data(), forth);
    Ctx::backend::upload(ctx, std::as_const(inverse_).data(), back);
    return {forth, back};
  }

  template <class Ctx, class T>
  view<const T, 2> carry(Ctx& ctx, view<const T, 2> x, const wire_format& format, purpose why,
                         const std::vector<index_t>& sends, const std::vector<index_t>& receives,
                         index_list before, index_list after) {
    const bool coded = format.code != wire_code::f32;
    if (coded && format.stochastic) expect_row_format(format);  // its text takes from the heap
    if (ctx.comm().size() == 1 && !coded && !before.data && !after.data) return x;
    index_t arriving = 0;
    for (const index_t n : receives) arriving += n;
    const auto y = ctx.template take<T>(arriving, x.columns());
    const workspace::scope scope(ctx.workspace());
    view<const T, 2> ordered = x;
    if (before.data || !x.dense()) {
      const auto copy = ctx.template take<T>(x.rows(), x.columns());
      if (before.data)
        Ctx::backend::gather_rows(ctx, x, before, copy);
      else
        Ctx::backend::copy(ctx, x, copy);
      ordered = copy;
    }
    const auto arrived = after.data ? ctx.template take<T>(arriving, x.columns()) : y;
    if (!coded) {
      exchange_rows(ctx, why, ordered, sends, arrived, receives);
    } else if constexpr (wire_ops<Ctx, T>) {
      const index_t bytes = format.bytes(x.columns());
      const auto out = ctx.template take<std::byte>(x.rows(), bytes),
                 in = ctx.template take<std::byte>(arriving, bytes);
      Ctx::backend::wire_pack(ctx, format, ordered, view<T, 2>(), random_stream(0),
                              std::uint64_t{0}, out);
      exchange_rows(ctx, why, view<const std::byte, 2>(out), sends, in, receives);
      Ctx::backend::wire_unpack(ctx, format, view<const std::byte, 2>(in), arrived);
    } else {
      expects(false, "this backend has no numbers on the wire (", format.text(),
              "); expected rows in f32");
    }
    if (after.data) Ctx::backend::gather_rows(ctx, view<const T, 2>(arrived), after, y);
    return y;
  }

  template <class Ctx, class U>
  void exchange_rows(Ctx& ctx, purpose why, view<const U, 2> out, const std::vector<index_t>& sends,
                     view<U, 2> in, const std::vector<index_t>& receives) {
    element_sends_.clear();
    element_receives_.clear();
    for (const index_t n : sends) element_sends_.push_back(n * out.columns());
    for (const index_t n : receives) element_receives_.push_back(n * out.columns());
    const scoped_purpose as(ctx.comm(), why);
    ctx.comm().all_to_all_v(view<const U, 1>(out.flat()), element_sends_, in.flat(),
                            element_receives_);
  }

  // Kept from step to step, so that a warm one takes nothing from the heap.
  std::vector<std::int32_t> count_out_, count_in_, order_, inverse_;
  std::vector<index_t> count_sends_, count_receives_, row_sends_, row_receives_, begins_, ends_,
      element_sends_, element_receives_;
  permutation source_order_, holder_order_;
  index_t rows_out_ = 0, rows_in_ = 0, count_bytes_ = 0, source_rows_ = 0;
};

}  // namespace dsr1
