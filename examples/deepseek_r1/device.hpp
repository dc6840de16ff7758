// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where a command computes: the parts of the program that exist once for each backend.
#pragma once

#include <filesystem>
#include <memory>
#include <ostream>
#include <string>

#include "session.hpp"

namespace dsr1 {
struct cpu;
struct cuda;
}  // namespace dsr1

namespace seed {

/// Throws `error` for a device that is unknown, that this program was built without, or that this
/// many ranks cannot share.
void expect_device(const std::string& device, int ranks);

/// A session on a device, "cpu" or "cuda".
std::unique_ptr<session> open_session(const std::string& device, const run_config& c,
                                      std::unique_ptr<batch_source> source, int threads,
                                      dsr1::rank_group group);

/// Text from a checkpoint on a device.
generation_report generate_from(const std::string& device, const std::filesystem::path& checkpoint,
                                const run_config& c, int threads, std::ostream& out,
                                const tokenizer& words, const generation& what);

/// The same on one backend, a file each.
template <class Backend>
std::unique_ptr<session> session_on(const run_config& c, std::unique_ptr<batch_source> source,
                                    int threads, dsr1::rank_group group);
template <class Backend>
generation_report generate_on(const std::filesystem::path& checkpoint, const run_config& c,
                              int threads, std::ostream& out, const tokenizer& words,
                              const generation& what);

}  // namespace seed
