// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Training and generation on a CUDA device.

#include <dsr1/cuda.cuh>

#include "session_of.hpp"

namespace seed {
template std::unique_ptr<session> session_on<dsr1::cuda>(const run_config&,
                                                         std::unique_ptr<batch_source>, int,
                                                         dsr1::rank_group);
template generation_report generate_on<dsr1::cuda>(const std::filesystem::path&, const run_config&,
                                                   int, std::ostream&, const tokenizer&,
                                                   const generation&);
}  // namespace seed
