// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Vector kernels on a row of logits of a policy and of its reference.
#pragma once

#include <dsr1/cpu/simd.hpp>

namespace dsr1::simd {

template <class Isa>
struct policy_kernels;

/// A row of logits: where it lies and its largest element.
template <class T>
struct row_below {
  const T* x = nullptr;
  T top = 0;
};

/// With e_i = exp(a (x_i - top)): sum_i e_i, sum_i e_i (x_i - top) and
/// sum_i e_i ((x_i - top) - (r_i - top of r)). Without a factor in the last two, so that equal rows
/// differ by exactly 0 and no compiler can fuse the sums differently.
template <class T>
struct policy_sums {
  T exponentials = 0, moment = 0, difference = 0;
};

/// Coefficients of e_i, e_i (x_i - top) and e_i ((x_i - top) - (r_i - top of r)).
template <class T>
struct policy_slopes {
  T constant = 0, moment = 0, difference = 0;
};

#define DSR1_KERNELS <dsr1/cpu/kernels/policy.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
