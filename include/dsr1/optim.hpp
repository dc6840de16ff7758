// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of optim/: optimizers and schedules.
#pragma once

#include <dsr1/optim/adamw.hpp>
#include <dsr1/optim/balance.hpp>
#include <dsr1/optim/clip.hpp>
#include <dsr1/optim/lion.hpp>
#include <dsr1/optim/muon.hpp>
#include <dsr1/optim/optimizer.hpp>
#include <dsr1/optim/schedule.hpp>
#include <dsr1/optim/sgd.hpp>
