// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of comm/: communicators.
#pragma once

#include <dsr1/comm/async.hpp>
#include <dsr1/comm/concepts.hpp>
#include <dsr1/comm/decorator.hpp>
#include <dsr1/comm/loopback.hpp>
#include <dsr1/comm/rank_group.hpp>
#include <dsr1/comm/shares.hpp>
#include <dsr1/comm/threads.hpp>
#include <dsr1/comm/throttled.hpp>
#include <dsr1/comm/together.hpp>
#include <dsr1/comm/traffic.hpp>
#include <dsr1/comm/transport.hpp>
