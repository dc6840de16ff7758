// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// check_checkpoint in double precision on the CPU.

#include <dsr1/cpu.hpp>

#include "check.hpp"

template void checkpoint::check_folder<dsr1::cpu, double>(int, const std::filesystem::path&,
                                                          const dsr1::model_config&,
                                                          const dsr1::checkpoint_folder&, bool,
                                                          checkpoint::report&);
