// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as an answer to a task: a verdict of sense, that keeps what `decided` promises.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <dsr1/rl/task.hpp>

#include "require.hpp"

template <dsr1::task Task>
void verified(const Task& t, const typename Task::problem& p, const std::uint8_t* data,
              std::size_t size) {
  const std::string answer(reinterpret_cast<const char*>(data), size);
  const dsr1::verdict v = t.verify(p, answer);
  require(v.why.empty() == v.reached_up_to(dsr1::level::task));
  require(v.why.size() < 1000);
  const std::string solution(p.solution);
  for (std::size_t l = 0; l < dsr1::level_names.size(); ++l) {
    const dsr1::index_t decided = v.decided[l];
    require(decided >= 0 && decided <= static_cast<dsr1::index_t>(size));
    if (decided == static_cast<dsr1::index_t>(size)) continue;
    const std::string cut = answer.substr(0, static_cast<std::size_t>(decided));
    for (const std::string& tail : {std::string(), std::string("0"), std::string(")"),
                                    std::string("\"}"), std::string(1, '\0'), cut, solution})
      require(t.verify(p, cut + tail).reached[l] == v.reached[l]);
  }
}
