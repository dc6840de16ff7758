// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Who keeps residuals; tests/train/ranks_checkpoint.cpp writes and reads them.

#include "train/ranks.hpp"

#include <dsr1/train/residuals.hpp>

using namespace dsr1;
using namespace ranks_test;

TEST_CASE("residuals: only several ranks with error feedback have them") {
  for (const int ranks : {1, 2})
    for (const bool feedback : {false, true})
      train<float>(
          ranks, adamw{}, {.gradients = {.code = wire_code::int8}, .error_feedback = feedback},
          {.steps = 1}, [](auto&, auto&) {},
          [&](auto&, auto& t) {
            expects(residuals::kept_by(t) == (ranks > 1 && feedback), "kept on ", ranks, " ranks");
          });
}
