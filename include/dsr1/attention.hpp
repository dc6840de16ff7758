// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of attention/: attention, positions, caches.
#pragma once

#include <dsr1/attention/attention.hpp>
#include <dsr1/attention/cache.hpp>
#include <dsr1/attention/latent.hpp>
#include <dsr1/attention/latent_heads.hpp>
#include <dsr1/attention/rope.hpp>
