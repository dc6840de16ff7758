// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of mpi/.
#pragma once

#include <dsr1/mpi/channel.hpp>
#include <dsr1/mpi/check.hpp>
#include <dsr1/mpi/session.hpp>
#include <dsr1/mpi/transport.hpp>
