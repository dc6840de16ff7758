// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of loss/: losses.
#pragma once

#include <dsr1/loss/cross_entropy.hpp>
