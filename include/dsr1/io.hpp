// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of io/: files, safetensors, JSON.
#pragma once

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/dtype.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/io/mapped_file.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/io/safetensors.hpp>
#include <dsr1/io/safetensors_writer.hpp>
