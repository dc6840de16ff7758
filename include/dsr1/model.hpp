// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of model/: language models.
#pragma once

#include <dsr1/model/actor_critic.hpp>
#include <dsr1/model/causal_lm.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/deepseek_v3.hpp>
#include <dsr1/model/draft.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/generator.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/logits_processor.hpp>
#include <dsr1/model/mixtral.hpp>
#include <dsr1/model/multi_token.hpp>
#include <dsr1/model/multi_token_draft.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/model/published_sizes.hpp>
#include <dsr1/model/qwen3_moe.hpp>
#include <dsr1/model/sampler.hpp>
#include <dsr1/model/save.hpp>
#include <dsr1/model/speculative.hpp>
#include <dsr1/model/stop_matcher.hpp>
#include <dsr1/model/weight_map.hpp>
