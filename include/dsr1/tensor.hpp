// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All of tensor/: views, buffers, workspace, parameters.
#pragma once

#include <dsr1/tensor/buffer.hpp>
#include <dsr1/tensor/coded.hpp>
#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/memory.hpp>
#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/parameter_list.hpp>
#include <dsr1/tensor/sequences.hpp>
#include <dsr1/tensor/shape.hpp>
#include <dsr1/tensor/view.hpp>
#include <dsr1/tensor/workspace.hpp>
