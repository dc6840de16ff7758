// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of testing/: gradient check and comparison.
#pragma once

#include <dsr1/testing/compare.hpp>
#include <dsr1/testing/grad_check.hpp>
