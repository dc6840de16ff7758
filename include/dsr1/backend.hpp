// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of backend/: the contract of primitive operations and the context.
#pragma once

#include <dsr1/backend/attention_ops.hpp>
#include <dsr1/backend/context.hpp>
#include <dsr1/backend/glu_ops.hpp>
#include <dsr1/backend/host_view.hpp>
#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/backend/loss_ops.hpp>
#include <dsr1/backend/norm_ops.hpp>
#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/backend/options.hpp>
#include <dsr1/backend/policy_ops.hpp>
#include <dsr1/backend/quant_ops.hpp>
#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/backend/routing_ops.hpp>
#include <dsr1/backend/row_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/backend/wire_ops.hpp>
