// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Marks the few small functions that kernels share with the host; empty for a host compiler.
#pragma once

#if defined(__CUDACC__)
#define DSR1_HOST_DEVICE __host__ __device__
#else
#define DSR1_HOST_DEVICE
#endif
