// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The CPU backend.
#pragma once

#include <dsr1/cpu/cpu.hpp>
