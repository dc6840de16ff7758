// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The smallest thing that a context can be made of: a device with memory and no operations.
#pragma once

#include "tensor/counting_memory.hpp"

#include <dsr1/backend/context.hpp>

struct fake_device {
  explicit fake_device(const dsr1::context_options& options) : threads(options.threads) {}
  dsr1::memory& memory() { return own; }
  counting_memory own;
  int threads;
};

struct fake_backend {
  using device = fake_device;
};

using fake_context = dsr1::context<fake_backend>;
