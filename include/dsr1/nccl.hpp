// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of nccl/.
#pragma once

#include <dsr1/nccl/check.hpp>
#include <dsr1/nccl/group.hpp>
