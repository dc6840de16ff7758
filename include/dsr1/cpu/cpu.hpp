// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The CPU backend: the join of its operation groups. Every operation here is also the oracle that
// other backends are held to.
#pragma once

#include <dsr1/backend/context.hpp>
#include <dsr1/cpu/attention_ops.hpp>
#include <dsr1/cpu/glu_ops.hpp>
#include <dsr1/cpu/linear_ops.hpp>
#include <dsr1/cpu/loss_ops.hpp>
#include <dsr1/cpu/norm_ops.hpp>
#include <dsr1/cpu/optimizer_ops.hpp>
#include <dsr1/cpu/policy_ops.hpp>
#include <dsr1/cpu/quant_ops.hpp>
#include <dsr1/cpu/residence_ops.hpp>
#include <dsr1/cpu/routing_ops.hpp>
#include <dsr1/cpu/row_ops.hpp>
#include <dsr1/cpu/tensor_ops.hpp>
#include <dsr1/cpu/wire_ops.hpp>

namespace dsr1 {

struct cpu : cpu_tensor,
             cpu_linear,
             cpu_quant,
             cpu_residence,
             cpu_norm,
             cpu_rows,
             cpu_glu,
             cpu_routing,
             cpu_attention,
             cpu_loss,
             cpu_policy,
             cpu_optimizer,
             cpu_wire {
  using device = cpu_device;
};

}  // namespace dsr1

#if defined(DSR1_CPU_COMPILED_ONCE)
#include <dsr1/cpu/instances.hpp>
#endif
