// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The engines on a CUDA device.

#include <dsr1/cuda.cuh>

#include "engine_of.hpp"

template std::unique_ptr<checkpoint::engine> checkpoint::open_engine_on<dsr1::cuda>(
    const dsr1::model_config&, const std::filesystem::path&, const checkpoint::engine_options&);
