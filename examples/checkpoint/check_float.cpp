// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// check_checkpoint in single precision.

#include "check_checkpoint.hpp"

#include "check.hpp"

namespace checkpoint {

void check_in_float(dsr1::context<dsr1::cpu>& ctx, const std::filesystem::path& folder,
                    const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
                    bool packed, report& out) {
  check_folder<float>(ctx, folder, config, source, packed, out);
}

}  // namespace checkpoint
