// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of train/: training.
#pragma once

#include <dsr1/train/checkpoint.hpp>
#include <dsr1/train/early_stop.hpp>
#include <dsr1/train/residuals.hpp>
#include <dsr1/train/trainer.hpp>
