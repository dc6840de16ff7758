// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of loss/: losses.
#pragma once

#include <dsr1/loss/advantages.hpp>
#include <dsr1/loss/cross_entropy.hpp>
#include <dsr1/loss/divergence.hpp>
#include <dsr1/loss/gae.hpp>
#include <dsr1/loss/logits_chunks.hpp>
#include <dsr1/loss/moments.hpp>
#include <dsr1/loss/policy_head.hpp>
#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/loss/policy_tokens.hpp>
#include <dsr1/loss/token_weights.hpp>
#include <dsr1/loss/value_loss.hpp>
