// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of moe/: mixture of experts.
#pragma once

#include <dsr1/moe/balance.hpp>
#include <dsr1/moe/balance_experts.hpp>
#include <dsr1/moe/dispatch.hpp>
#include <dsr1/moe/eplb.hpp>
#include <dsr1/moe/expert_exchange.hpp>
#include <dsr1/moe/expert_parallel.hpp>
#include <dsr1/moe/expert_store.hpp>
#include <dsr1/moe/experts.hpp>
#include <dsr1/moe/gate.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/moe/move_experts.hpp>
#include <dsr1/moe/move_slices.hpp>
#include <dsr1/moe/placement.hpp>
#include <dsr1/moe/score.hpp>
#include <dsr1/moe/select.hpp>
