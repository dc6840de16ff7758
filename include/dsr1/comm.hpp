// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of comm/: communicators.
#pragma once

#include <dsr1/comm/concepts.hpp>
#include <dsr1/comm/loopback.hpp>
