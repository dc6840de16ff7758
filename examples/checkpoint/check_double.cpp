// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// check_checkpoint in double precision, compiled beside the float one.

#include "check_checkpoint.hpp"

#include "check.hpp"

namespace checkpoint {

void check_in_double(dsr1::context<dsr1::cpu>& ctx, const std::filesystem::path& folder,
                     const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
                     report& out) {
  check_folder<double>(ctx, folder, config, source, false, out);
}

}  // namespace checkpoint
