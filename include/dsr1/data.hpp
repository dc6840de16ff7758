// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of data/.
#pragma once

#include <dsr1/data/batch.hpp>
#include <dsr1/data/dataset.hpp>
#include <dsr1/data/deduplicate.hpp>
#include <dsr1/data/loader.hpp>
#include <dsr1/data/manifest.hpp>
#include <dsr1/data/permutation.hpp>
#include <dsr1/data/shard.hpp>
#include <dsr1/data/text.hpp>
