// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of cpu/: the CPU backend.
#pragma once

#include <dsr1/cpu/attention_blocks.hpp>
#include <dsr1/cpu/attention_kernels.hpp>
#include <dsr1/cpu/attention_ops.hpp>
#include <dsr1/cpu/coded_kernels.hpp>
#include <dsr1/cpu/coded_lanes.hpp>
#include <dsr1/cpu/coded_row_finder.hpp>
#include <dsr1/cpu/cpu.hpp>
#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/eigen.hpp>
#include <dsr1/cpu/gemm_kernels.hpp>
#include <dsr1/cpu/glu_ops.hpp>
#include <dsr1/cpu/instances.hpp>
#include <dsr1/cpu/int8_avx2.hpp>
#include <dsr1/cpu/int8_generic.hpp>
#include <dsr1/cpu/int8_kernels.hpp>
#include <dsr1/cpu/int8_products.hpp>
#include <dsr1/cpu/int8_vnni.hpp>
#include <dsr1/cpu/isa.hpp>
#include <dsr1/cpu/linear_ops.hpp>
#include <dsr1/cpu/loss_kernels.hpp>
#include <dsr1/cpu/loss_ops.hpp>
#include <dsr1/cpu/norm_ops.hpp>
#include <dsr1/cpu/optimizer_kernels.hpp>
#include <dsr1/cpu/optimizer_ops.hpp>
#include <dsr1/cpu/policy_kernels.hpp>
#include <dsr1/cpu/policy_ops.hpp>
#include <dsr1/cpu/quant_ops.hpp>
#include <dsr1/cpu/residence_ops.hpp>
#include <dsr1/cpu/routing_ops.hpp>
#include <dsr1/cpu/row_kernels.hpp>
#include <dsr1/cpu/row_ops.hpp>
#include <dsr1/cpu/simd.hpp>
#include <dsr1/cpu/simd_avx2.hpp>
#include <dsr1/cpu/simd_avx512.hpp>
#include <dsr1/cpu/simd_generic.hpp>
#include <dsr1/cpu/tensor_ops.hpp>
#include <dsr1/cpu/thread_pool.hpp>
#include <dsr1/cpu/wire_kernels.hpp>
#include <dsr1/cpu/wire_lanes.hpp>
#include <dsr1/cpu/wire_ops.hpp>
#include <dsr1/cpu/wire_plain.hpp>
