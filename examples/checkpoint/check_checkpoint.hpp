// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What check_checkpoint does in each number type on each backend, a file each.
#pragma once

#include <filesystem>

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/model_config.hpp>

#include "report.hpp"

namespace dsr1 {
struct cpu;
struct cuda;
}  // namespace dsr1

namespace checkpoint {

/// Compares a folder, its weights as plain numbers or packed.
template <class Backend, class T>
void check_folder(int threads, const std::filesystem::path& folder,
                  const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
                  bool packed, report& out);

}  // namespace checkpoint
