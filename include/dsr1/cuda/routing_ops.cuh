// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Routing on a CUDA device: gates over all tokens, counting, sorting by expert.
#pragma once

#include <vector>

#include <dsr1/backend/routing_ops.hpp>
#include <dsr1/cuda/counting_sort.cuh>
#include <dsr1/cuda/routing_kernels.cuh>
#include <dsr1/cuda/tensor_ops.cuh>

namespace dsr1 {

/// The group `routing_ops` of the backend contract. Gates run as they are, a thread for each token,
/// so their members have to be constexpr or DSR1_HOST_DEVICE and they are copied by value.
/// `route`, `count_experts` and `sort_by_expert` wait for the device: they tell the host what was
/// wrong, and `sort_by_expert` the ends.
struct cuda_routing {
  template <class T>
  using rows = view<const T, 2>;
  using index_table = view<const std::int32_t, 2>;

  /// What `index` and `weight` hold after an error is undefined.
  template <class Ctx, class Gate, class T>
  static void route(Ctx& ctx, const Gate& gate, rows<T> logits, view<const T, 1> bias,
                    view<std::int32_t, 2> index, view<T, 2> weight) {
    expect_route(logits, bias, index, weight);
    if (logits.rows() == 0) return;
    const workspace::scope scope(ctx.workspace());
    const auto wrong = nothing_wrong(ctx, 1);
    token_room<T>::for_each(
        ctx, logits.rows(), logits.columns(), 3, [&](const token_room<T>& room, index_t first) {
          launch(ctx, "route", room.blocks(), warp_size, cuda_kernels::route<Gate, T>, gate, room,
                 part(logits, room, first), bias, part(index, room, first),
                 part(weight, room, first), first, wrong.data);
        });
    std::uint32_t token = 0;
    cuda_tensor::download(ctx, view<const std::uint32_t, 1>(wrong), &token);
    if (token == cuda_kernels::none_wrong) return;
    std::vector<T> host(static_cast<std::size_t>(logits.columns()));
    cuda_tensor::download(ctx, view<const T, 1>(logits.row(token), logits.columns()), host.data());
    for (const T v : host) expect_finite_logit<T>(token, v);
  }

  template <class Ctx, class Gate, class T>
  static void route_backward(Ctx& ctx, const Gate& gate, rows<T> logits, view<const T, 1> bias,
                             index_table index, rows<T> weight, rows<T> dweight,
                             view<T, 2> dlogits) {
    expect_route_backward(logits, bias, index, weight, dweight, dlogits);
    token_room<T>::for_each(
        ctx, logits.rows(), logits.columns(), 4, [&](const token_room<T>& room, index_t first) {
          launch(ctx, "route_backward", room.blocks(), warp_size,
                 cuda_kernels::route_backward<Gate, T>, gate, room, part(logits, room, first), bias,
                 part(index, room, first), part(weight, room, first), part(dweight, room, first),
                 part(dlogits, room, first));
        });
  }

  template <class Ctx, class Gate, class T>
  static void affinities(Ctx& ctx, const Gate& gate, rows<T> logits, view<T, 2> p) {
    expect_affinities(logits, p);
    token_room<T>::for_each(
        ctx, logits.rows(), logits.columns(), 2, [&](const token_room<T>& room, index_t first) {
          launch(ctx, "affinities", room.blocks(), warp_size, cuda_kernels::affinities<Gate, T>,
                 gate, room, part(logits, room, first), part(p, room, first));
        });
  }

  template <class Ctx, class Gate, class T>
  static void affinities_backward(Ctx& ctx, const Gate& gate, rows<T> logits, rows<T> p, rows<T> dp,
                                  const row_groups& groups, std::type_identity_t<T> scale,
                                  view<T, 2> dlogits) {
    expect_affinities_backward(logits, p, dp, groups, dlogits);
    const workspace::scope scope(ctx.workspace());
    const auto ends = ends_on_device(ctx, groups);
    const auto scaled = ctx.template take<T>(dp.rows(), dp.columns());
    launch_each(ctx, "affinities_backward", dp.size(), cuda_kernels::scaled_gradients<T>, dp, scale,
                scaled);
    token_room<T>::for_each(
        ctx, logits.rows(), logits.columns(), 5, [&](const token_room<T>& room, index_t first) {
          launch(ctx, "affinities_backward", room.blocks(), warp_size,
                 cuda_kernels::affinities_backward<Gate, T>, gate, room, part(logits, room, first),
                 part(p, room, first), scaled, ends, first, part(dlogits, room, first));
        });
  }

  template <class Ctx, class T>
  static void log_sum_exp(Ctx& ctx, rows<T> logits, view<T, 1> lse) {
    expect_log_sum_exp(logits, lse);
    launch_each(ctx, "log_sum_exp", logits.rows() * warp_size, cuda_kernels::log_sum_exp<T>, logits,
                lse);
  }

  template <class Ctx, class T>
  static void log_sum_exp_backward(Ctx& ctx, rows<T> logits, view<const T, 1> lse,
                                   view<const T, 1> dlse, view<T, 2> dlogits) {
    expect_log_sum_exp_backward(logits, lse, dlse, dlogits);
    launch_each(ctx, "log_sum_exp_backward", logits.size(), cuda_kernels::log_sum_exp_backward<T>,
                logits, lse, dlse, dlogits);
  }

  template <class Ctx, class T>
  static void count_experts(Ctx& ctx, index_table index, const row_groups& groups,
                            view<T, 2> counts, accumulate add) {
    expect_count_experts(index, groups, counts);
    const workspace::scope scope(ctx.workspace());
    const auto ends = ends_on_device(ctx, groups);
    const auto wrong = nothing_wrong(ctx, 1);
    const auto sums = ctx.template take<std::int32_t>(counts.rows(), counts.columns());
    if (!sums.empty()) set_bytes(ctx, sums.flat(), 0);
    const cuda_kernels::expert_of expert{index, counts.columns(), wrong.data};
    launch_each(ctx, "count_experts", index.size(), cuda_kernels::count_experts<std::int32_t>,
                expert, ends, sums);
    launch_each(ctx, "count_experts", counts.size(), cuda_kernels::counted_choices<T>, sums, counts,
                add == accumulate::yes);
    std::uint32_t choice = 0;
    cuda_tensor::download(ctx, view<const std::uint32_t, 1>(wrong), &choice);
    expect_experts(ctx, index, choice, counts.columns());
  }

  template <class Ctx, class T>
  static void limit_capacity(Ctx& ctx, index_table index, rows<T> weight, index_t capacity,
                             drop_rule rule, view<std::int32_t, 2> kept) {
    expect_limit_capacity(index, weight, capacity, kept);
    const workspace::scope scope(ctx.workspace());
    const auto sorted = sort_rows(ctx, "limit_capacity", index.size(),
                                  cuda_kernels::hashed_expert_of{index}, hashed_keys);
    const auto sorted_expert = ctx.template take<std::int32_t>(index.size());
    const auto sorted_weight = ctx.template take<T>(index.size());
    launch_each(ctx, "limit_capacity", index.size(), cuda_kernels::sorted_choices<T>, sorted, index,
                weight, sorted_expert, sorted_weight);
    launch_each(ctx, "limit_capacity", index.size(), cuda_kernels::limit_capacity<T>, sorted,
                sorted_expert, sorted_weight, index, capacity, rule == drop_rule::by_weight, kept);
  }

  template <class Ctx>
  static void sort_by_expert(Ctx& ctx, index_table index, std::span<index_t> ends,
                             view<std::int32_t, 1> order, view<std::int32_t, 2> slots) {
    expect_sort_by_expert(index, order, slots);
    const auto experts = static_cast<index_t>(ends.size());
    const workspace::scope scope(ctx.workspace());
    // One array, so that one copy brings both to the host: the first wrong choice, then the ends.
    const auto answer = nothing_wrong(ctx, experts + 1);
    const view<std::int32_t, 1> device_ends(reinterpret_cast<std::int32_t*>(answer.data + 1),
                                            experts);
    counting_sort(ctx, "sort_by_expert", index.size(),
                  cuda_kernels::expert_of{index, experts, answer.data},
                  cuda_kernels::place_token{order, slots}, device_ends);
    std::vector<std::uint32_t> host(static_cast<std::size_t>(experts + 1));
    cuda_tensor::download(ctx, view<const std::uint32_t, 1>(answer), host.data());
    expect_experts(ctx, index, host[0], experts);
    std::copy(host.begin() + 1, host.end(), ends.begin());
  }

 private:
  template <class T, class R>
  static view<R, 2> part(const view<R, 2>& v, const token_room<T>& room, index_t first) {
    return v.slice_rows(first, room.tokens);
  }

  template <class Ctx, class T>
  static void set_bytes(Ctx& ctx, view<T, 1> x, int value) {
    check(cudaMemsetAsync(x.data, value, static_cast<std::size_t>(x.size()) * sizeof(T),
                          ctx.device().stream()),
          "cudaMemsetAsync");
  }

  /// Room for the lowest number of what is wrong, and more behind it.
  template <class Ctx>
  static view<std::uint32_t, 1> nothing_wrong(Ctx& ctx, index_t words) {
    static_assert(cuda_kernels::none_wrong == 0xffffffffu);
    const auto wrong = ctx.template take<std::uint32_t>(words);
    set_bytes(ctx, wrong.slice_rows(0, 1), 0xff);
    return wrong;
  }

  template <class Ctx>
  static void expect_experts(Ctx& ctx, index_table index, std::uint32_t wrong, index_t experts) {
    if (wrong == cuda_kernels::none_wrong) return;
    const index_t token = wrong / index.columns();
    std::int32_t expert = 0;
    cuda_tensor::download(
        ctx, view<const std::int32_t, 1>(index.row(token) + wrong % index.columns(), 1), &expert);
    expect_expert(token, expert, experts);
  }

  template <class Ctx>
  static view<const index_t, 1> ends_on_device(Ctx& ctx, const row_groups& groups) {
    std::vector<index_t> ends;
    for (index_t g = 0; g < groups.count(); ++g) ends.push_back(groups.end(g));
    return on_device(ctx, std::span<const index_t>(ends));
  }
};

}  // namespace dsr1
