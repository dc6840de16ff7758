// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of io/: files, safetensors, JSON.
#pragma once

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/config_keys.hpp>
#include <dsr1/io/decoder_config.hpp>
#include <dsr1/io/deepseek_v3_config.hpp>
#include <dsr1/io/dtype.hpp>
#include <dsr1/io/gpt_oss_config.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/io/mapped_file.hpp>
#include <dsr1/io/mixtral_config.hpp>
#include <dsr1/io/model_config.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/io/qwen3_moe_config.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/io/safetensors.hpp>
#include <dsr1/io/safetensors_header.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/io/shared_safetensors.hpp>
#include <dsr1/io/stored_weight.hpp>
#include <dsr1/io/write_model_config.hpp>
