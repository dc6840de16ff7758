// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The two halves of check_checkpoint that are compiled apart.
#pragma once

#include <filesystem>

#include <dsr1/cpu.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/model_config.hpp>

#include "report.hpp"

namespace checkpoint {

void check_in_float(dsr1::context<dsr1::cpu>& ctx, const std::filesystem::path& folder,
                    const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
                    bool packed, report& out);
void check_in_double(dsr1::context<dsr1::cpu>& ctx, const std::filesystem::path& folder,
                     const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
                     report& out);

}  // namespace checkpoint
