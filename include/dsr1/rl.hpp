// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of rl/.
#pragma once

#include <dsr1/rl/algorithm.hpp>
#include <dsr1/rl/arithmetic.hpp>
#include <dsr1/rl/collector.hpp>
#include <dsr1/rl/contract_text.hpp>
#include <dsr1/rl/countdown.hpp>
#include <dsr1/rl/experience.hpp>
#include <dsr1/rl/expression.hpp>
#include <dsr1/rl/grpo.hpp>
#include <dsr1/rl/integer.hpp>
#include <dsr1/rl/judge.hpp>
#include <dsr1/rl/kl_controller.hpp>
#include <dsr1/rl/minibatches.hpp>
#include <dsr1/rl/ppo.hpp>
#include <dsr1/rl/problem_draw.hpp>
#include <dsr1/rl/program.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/records.hpp>
#include <dsr1/rl/reinforce.hpp>
#include <dsr1/rl/reward.hpp>
#include <dsr1/rl/rollout.hpp>
#include <dsr1/rl/stack_machine.hpp>
#include <dsr1/rl/task.hpp>
#include <dsr1/rl/text_codec.hpp>
#include <dsr1/rl/update_report.hpp>
