// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of monitor/.
#pragma once

#include <dsr1/monitor/curve.hpp>
#include <dsr1/monitor/heat_map.hpp>
#include <dsr1/monitor/metrics.hpp>
#include <dsr1/monitor/progress.hpp>
#include <dsr1/monitor/svg.hpp>
#include <dsr1/monitor/terminal.hpp>
