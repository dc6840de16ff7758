// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The group of all ranks that the program of these tests was started with.
#pragma once

#include <dsr1/comm/rank_group.hpp>

dsr1::rank_group*& the_world();

/// A group of its own for every case, so that one that fails spoils no other.
inline dsr1::rank_group fresh_world() { return the_world()->duplicate(); }
