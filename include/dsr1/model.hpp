// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of model/: language models.
#pragma once

#include <dsr1/model/causal_lm.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/model/sampler.hpp>
