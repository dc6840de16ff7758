// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Everything that runs on the host.
#pragma once

#include <dsr1/attention.hpp>
#include <dsr1/backend.hpp>
#include <dsr1/comm.hpp>
#include <dsr1/core.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/data.hpp>
#include <dsr1/io.hpp>
#include <dsr1/loss.hpp>
#include <dsr1/model.hpp>
#include <dsr1/moe.hpp>
#include <dsr1/monitor.hpp>
#include <dsr1/nn.hpp>
#include <dsr1/optim.hpp>
#include <dsr1/quant.hpp>
#include <dsr1/rl.hpp>
#include <dsr1/sync.hpp>
#include <dsr1/tensor.hpp>
#include <dsr1/train.hpp>
