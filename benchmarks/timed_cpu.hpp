// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The CPU backend, with a clock at the door of every operation.
#pragma once

#include <map>
#include <string>
#include <utility>

#include <dsr1/cpu.hpp>

#include "machine.hpp"

namespace bench {

/// Seconds and calls of operations of `Ctx::backend` since they were last set to zero, waiting for
/// the pool's other threads included. Operations do not call one another through the context, so
/// nothing is counted twice.
struct kernel_time {
  double seconds = 0;
  double calls = 0;
};

struct timed_cpu : dsr1::cpu {
  static inline kernel_time total;
  static inline std::map<std::string, kernel_time> each;  ///< by the name of the operation

  struct watch {
    kernel_time& own;
    double start = machine::seconds();
    explicit watch(kernel_time& of) : own(of) {}
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    ~watch() {
      const double taken = machine::seconds() - start;
      total.seconds += taken;
      total.calls += 1;
      own.seconds += taken;
      own.calls += 1;
    }
  };

#define DSR1_TIMED(operation)                                                     \
  template <class Ctx, class... Args>                                             \
  static auto operation(Ctx& ctx, Args&&... args)                                 \
    requires requires { dsr1::cpu::operation(ctx, std::forward<Args>(args)...); } \
  {                                                                               \
    static kernel_time& own = each[#operation];                                   \
    const watch running(own);                                                     \
    return dsr1::cpu::operation(ctx, std::forward<Args>(args)...);                \
  }
  DSR1_TIMED(adamw)
  DSR1_TIMED(add)
  DSR1_TIMED(affinities)
  DSR1_TIMED(affinities_backward)
  DSR1_TIMED(attention)
  DSR1_TIMED(attention_backward)
  DSR1_TIMED(column_sum)
  DSR1_TIMED(combine_rows)
  DSR1_TIMED(combine_rows_backward)
  DSR1_TIMED(copy)
  DSR1_TIMED(count_experts)
  DSR1_TIMED(cross_entropy_rows)
  DSR1_TIMED(dot)
  DSR1_TIMED(download)
  DSR1_TIMED(fill)
  DSR1_TIMED(gated_unit)
  DSR1_TIMED(gated_unit_backward)
  DSR1_TIMED(gather_rows)
  DSR1_TIMED(grouped_column_sum)
  DSR1_TIMED(k_grouped_matmul)
  DSR1_TIMED(limit_capacity)
  DSR1_TIMED(log_sum_exp)
  DSR1_TIMED(log_sum_exp_backward)
  DSR1_TIMED(m_grouped_matmul)
  DSR1_TIMED(matmul)
  DSR1_TIMED(policy_gradient_rows)
  DSR1_TIMED(policy_rows)
  DSR1_TIMED(rms_norm)
  DSR1_TIMED(rms_norm_backward)
  DSR1_TIMED(rotate)
  DSR1_TIMED(route)
  DSR1_TIMED(route_backward)
  DSR1_TIMED(scale)
  DSR1_TIMED(scatter_add_rows)
  DSR1_TIMED(sort_by_expert)
  DSR1_TIMED(squared_norms)
  DSR1_TIMED(store_cache)
  DSR1_TIMED(upload)
#undef DSR1_TIMED
};

}  // namespace bench
