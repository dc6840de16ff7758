// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of quant/.
#pragma once

#include <dsr1/quant/codec.hpp>
#include <dsr1/quant/encode.hpp>
#include <dsr1/quant/fp8.hpp>
#include <dsr1/quant/int4.hpp>
#include <dsr1/quant/int8.hpp>
#include <dsr1/quant/mxfp4.hpp>
#include <dsr1/quant/validate.hpp>
