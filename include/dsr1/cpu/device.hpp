// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a context of the CPU backend owns: the threads, the instruction set, host memory.
#pragma once

#include <dsr1/backend/options.hpp>
#include <dsr1/cpu/isa.hpp>
#include <dsr1/cpu/thread_pool.hpp>
#include <dsr1/tensor/memory.hpp>

namespace dsr1 {

class cpu_device {
 public:
  explicit cpu_device(const context_options& options)
      : isa_(chosen_isa()),
        rounds_activations_(options.activations == activation_type::int8),
        pool_(options.threads) {
    expects(options.products == product_type::exact,
            "context on a CPU: products bf16, expected exact (bf16 is of a CUDA device only)");
  }

  isa instructions() const { return isa_; }
  /// Whether products with coded weights round their tokens to 8 bits.
  bool rounds_activations() const { return rounds_activations_; }
  thread_pool& pool() { return pool_; }
  dsr1::memory& memory() { return host_memory::instance(); }

 private:
  isa isa_;
  bool rounds_activations_;
  thread_pool pool_;
};

/// Runs f(task, worker) on the threads of the context. A context of one's own device works too.
template <class Ctx, class F>
void parallel_for(Ctx& ctx, index_t tasks, F&& f) {
  ctx.device().pool().run(tasks, f);
}

}  // namespace dsr1
