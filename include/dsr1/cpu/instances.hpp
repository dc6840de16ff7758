// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The operations of the CPU backend, compiled once for a program of many files.
#pragma once

#include <dsr1/comm/rank_group.hpp>
#include <dsr1/cpu/cpu.hpp>

/// Every operation of `context<cpu, COMM>` on numbers of type T but the gates', which users write:
/// DSR1_CPU_INSTANCES(extern, COMM, T) says that they are compiled elsewhere,
/// DSR1_CPU_INSTANCES(, COMM, T) compiles them here. Stands in the namespace dsr1.
/// With DSR1_CPU_COMPILED_ONCE defined, <dsr1/cpu.hpp> says the former for `loopback` and
/// `rank_group` with `float` and `double`, and one file of the program has to do the latter.
#define DSR1_CPU_INSTANCES(EXTERN, COMM, T)                                                        \
  EXTERN template void cpu_tensor::fill_normal(context<cpu, COMM>&, view<T, 1>,                    \
                                               const random_stream&, double, index_t);             \
  EXTERN template void cpu_tensor::copy(context<cpu, COMM>&, view<const T, 2>, view<T, 2>);        \
  EXTERN template void cpu_tensor::add(context<cpu, COMM>&, view<const T, 2>, view<T, 2>);         \
  EXTERN template double cpu_tensor::dot(context<cpu, COMM>&, view<const T, 1>, view<const T, 1>); \
  EXTERN template void cpu_linear::matmul(context<cpu, COMM>&, matrix<const T>, matrix<const T>,   \
                                          view<T, 2>, accumulate, view<const T, 1>);               \
  EXTERN template void cpu_linear::column_sum(context<cpu, COMM>&, view<const T, 2>, view<T, 1>,   \
                                              accumulate);                                         \
  EXTERN template void cpu_linear::m_grouped_matmul(context<cpu, COMM>&, view<const T, 2>,         \
                                                    const row_groups&, view<const T, 3>, bool,     \
                                                    view<T, 2>, view<const T, 2>);                 \
  EXTERN template void cpu_linear::k_grouped_matmul(context<cpu, COMM>&, view<const T, 2>,         \
                                                    view<const T, 2>, const row_groups&,           \
                                                    view<T, 3>, accumulate);                       \
  EXTERN template void cpu_linear::grouped_column_sum(context<cpu, COMM>&, view<const T, 2>,       \
                                                      const row_groups&, view<T, 2>, accumulate);  \
  EXTERN template void cpu_quant::coded_matmul(context<cpu, COMM>&, view<const T, 2>,              \
                                               const row_groups&, const coded_tensor&, view<T, 2>, \
                                               view<const T, 2>);                                  \
  EXTERN template void cpu_quant::coded_rows(context<cpu, COMM>&, const coded_tensor&,             \
                                             view<const std::int32_t, 1>, view<T, 2>);             \
  EXTERN template void cpu_norm::rms_norm(context<cpu, COMM>&, view<const T, 2>, view<const T, 1>, \
                                          double, norm_rounding, view<T, 2>, view<T, 1>);          \
  EXTERN template void cpu_norm::rms_norm_backward(                                                \
      context<cpu, COMM>&, view<const T, 2>, view<const T, 2>, view<const T, 1>, view<const T, 1>, \
      view<T, 2>, view<T, 1>, accumulate);                                                         \
  EXTERN template void cpu_glu::gated_unit(context<cpu, COMM>&, const glu&, view<const T, 2>,      \
                                           view<T, 2>);                                            \
  EXTERN template void cpu_glu::gated_unit_backward(                                               \
      context<cpu, COMM>&, const glu&, view<const T, 2>, view<const T, 2>, view<T, 2>);            \
  EXTERN template void cpu_rows::gather_rows(context<cpu, COMM>&, view<const T, 2>, ids,           \
                                             view<T, 2>);                                          \
  EXTERN template void cpu_rows::scatter_add_rows(context<cpu, COMM>&, view<const T, 2>, ids,      \
                                                  view<T, 2>);                                     \
  EXTERN template void cpu_rows::combine_rows(context<cpu, COMM>&, view<const T, 2>, slot_table,   \
                                              view<const T, 2>, view<T, 2>);                       \
  EXTERN template void cpu_rows::combine_rows_backward(context<cpu, COMM>&, view<const T, 2>,      \
                                                       view<const T, 2>, slot_table,               \
                                                       view<const T, 2>, view<T, 2>, view<T, 2>);  \
  EXTERN template void cpu_routing::log_sum_exp(context<cpu, COMM>&, view<const T, 2>,             \
                                                view<T, 1>);                                       \
  EXTERN template void cpu_routing::log_sum_exp_backward(                                          \
      context<cpu, COMM>&, view<const T, 2>, view<const T, 1>, view<const T, 1>, view<T, 2>);      \
  EXTERN template void cpu_routing::count_experts(context<cpu, COMM>&, index_table,                \
                                                  const row_groups&, view<T, 2>, accumulate);      \
  EXTERN template void cpu_routing::limit_capacity(context<cpu, COMM>&, index_table,               \
                                                   view<const T, 2>, index_t, drop_rule,           \
                                                   view<std::int32_t, 2>);                         \
  EXTERN template void cpu_attention::rotate(context<cpu, COMM>&, view<T, 2>, index_t,             \
                                             rope_layout, view<const T, 2>, view<const T, 2>,      \
                                             const sequence_layout&, bool);                        \
  EXTERN template void cpu_attention::store_cache(context<cpu, COMM>&, view<const T, 2>,           \
                                                  const sequence_layout&, index_t, view<T, 2>);    \
  EXTERN template void cpu_attention::attention(                                                   \
      context<cpu, COMM>&, const attention_extents&, view<const T, 2>, const key_values<T>&,       \
      view<const T, 1>, const sequence_layout&, view<T, 2>, view<T, 2>);                           \
  EXTERN template void cpu_attention::attention_backward(                                          \
      context<cpu, COMM>&, const attention_extents&, view<const T, 2>, const key_values<T>&,       \
      view<const T, 1>, const sequence_layout&, view<const T, 2>, view<const T, 2>,                \
      view<const T, 2>, view<T, 2>, view<T, 2>, view<T, 2>, view<T, 1>, accumulate);               \
  EXTERN template void cpu_loss::cross_entropy_rows(context<cpu, COMM>&, view<T, 2>,               \
                                                    view<const std::int32_t, 1>, double, double,   \
                                                    logits_become, view<T, 1>);                    \
  EXTERN template void cpu_policy::policy_rows(context<cpu, COMM>&, view<const T, 2>,              \
                                               view<const T, 2>, view<const std::int32_t, 1>,      \
                                               double, view<T, 1>, view<T, 1>, view<T, 1>);        \
  EXTERN template void cpu_policy::policy_gradient_rows(                                           \
      context<cpu, COMM>&, view<T, 2>, view<const T, 2>, view<const std::int32_t, 1>, double,      \
      view<const T, 1>, view<const T, 1>, view<const T, 1>);                                       \
  EXTERN template void cpu_optimizer::adamw(context<cpu, COMM>&, tensors_of<T>,                    \
                                            const adamw_numbers&);                                 \
  EXTERN template void cpu_optimizer::sgd(context<cpu, COMM>&, tensors_of<T>, const sgd_numbers&); \
  EXTERN template void cpu_optimizer::lion(context<cpu, COMM>&, tensors_of<T>,                     \
                                           const lion_numbers&);                                   \
  EXTERN template void cpu_optimizer::muon_momentum(                                               \
      context<cpu, COMM>&, const optimizer_tensor<T>&, const muon_numbers&, view<T, 1>);           \
  EXTERN template void cpu_optimizer::apply_update(                                                \
      context<cpu, COMM>&, const optimizer_tensor<T>&, view<const T, 1>, double);                  \
  EXTERN template void cpu_optimizer::squared_norms(context<cpu, COMM>&, tensors_of<T>,            \
                                                    std::span<double>);                            \
  EXTERN template void cpu_wire::wire_pack(context<cpu, COMM>&, const wire_format&,                \
                                           view<const T, 2>, view<T, 2>, const random_stream&,     \
                                           std::uint64_t, view<std::byte, 2>);                     \
  EXTERN template void cpu_wire::wire_unpack(context<cpu, COMM>&, const wire_format&,              \
                                             view<const std::byte, 2>, view<T, 2>);                \
  EXTERN template void cpu_wire::wire_unpack_add(context<cpu, COMM>&, const wire_format&,          \
                                                 view<const std::byte, 2>, view<T, 2>);            \
  EXTERN template index_t cpu_wire::first_not_finite(context<cpu, COMM>&, view<const T, 1>);

#if defined(DSR1_CPU_COMPILED_ONCE)
namespace dsr1 {
DSR1_CPU_INSTANCES(extern, loopback, float)
DSR1_CPU_INSTANCES(extern, loopback, double)
DSR1_CPU_INSTANCES(extern, rank_group, float)
DSR1_CPU_INSTANCES(extern, rank_group, double)
}  // namespace dsr1
#endif
