// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A run that somebody asks to stop, and one that somebody else trains already.
#pragma once

#include <filesystem>

#include <dsr1/io/open_file.hpp>

namespace seed {

namespace interrupt {
/// From now on SIGINT and SIGTERM are noted; a second one ends the program at once.
void listen();
/// The signal that came, or 0.
int signal();
}  // namespace interrupt

/// The lock that keeps a second process from training the same run. Throws `error` when it is
/// taken.
dsr1::open_file lock_of_run(const std::filesystem::path& run);

}  // namespace seed
