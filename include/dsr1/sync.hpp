// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of sync/.
#pragma once

#include <dsr1/sync/compressed_all_reduce.hpp>
#include <dsr1/sync/gradient_sync.hpp>
#include <dsr1/sync/hierarchical_all_reduce.hpp>
#include <dsr1/sync/owned_run.hpp>
#include <dsr1/sync/partition.hpp>
#include <dsr1/sync/run_reducer.hpp>
