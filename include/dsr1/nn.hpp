// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of nn/: layers that every model uses.
#pragma once

#include <dsr1/nn/concepts.hpp>
#include <dsr1/nn/either.hpp>
#include <dsr1/nn/embedding.hpp>
#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/product.hpp>
#include <dsr1/nn/recompute.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/rms_norm.hpp>
#include <dsr1/nn/sequential.hpp>
