// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of data/.
#pragma once

#include <dsr1/data/batch.hpp>
#include <dsr1/data/dataset.hpp>
#include <dsr1/data/deduplicate.hpp>
#include <dsr1/data/dialogue.hpp>
#include <dsr1/data/dialogue_file.hpp>
#include <dsr1/data/example_loader.hpp>
#include <dsr1/data/examples.hpp>
#include <dsr1/data/loader.hpp>
#include <dsr1/data/manifest.hpp>
#include <dsr1/data/permutation.hpp>
#include <dsr1/data/rejection.hpp>
#include <dsr1/data/shard.hpp>
#include <dsr1/data/share.hpp>
#include <dsr1/data/text.hpp>
