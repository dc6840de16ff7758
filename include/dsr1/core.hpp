// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of core/: errors, number formats, random numbers.
#pragma once

#include <dsr1/core/error.hpp>
#include <dsr1/core/float16.hpp>
#include <dsr1/core/fp4.hpp>
#include <dsr1/core/fp8.hpp>
#include <dsr1/core/hash.hpp>
#include <dsr1/core/host_device.hpp>
#include <dsr1/core/random.hpp>
#include <dsr1/core/version.hpp>
#include <dsr1/core/where.hpp>
