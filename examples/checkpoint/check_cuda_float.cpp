// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// check_checkpoint in single precision on a CUDA device.

#include <dsr1/cuda.cuh>

#include "check.hpp"

template void checkpoint::check_folder<dsr1::cuda, float>(int, const std::filesystem::path&,
                                                          const dsr1::model_config&,
                                                          const dsr1::checkpoint_folder&, bool,
                                                          checkpoint::report&);
