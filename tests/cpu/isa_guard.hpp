// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sets DSR1_ISA for a while, and names the instruction sets that this processor can be tested with.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/cpu/isa.hpp>

/// Contexts made while it lives use this instruction set.
class isa_guard {
 public:
  explicit isa_guard(const std::string& name) {
    if (const char* old = std::getenv("DSR1_ISA")) before_ = old, was_set_ = true;
    ::setenv("DSR1_ISA", name.c_str(), 1);
  }
  explicit isa_guard(dsr1::isa which) : isa_guard(std::string(dsr1::name_of(which))) {}
  ~isa_guard() {
    if (was_set_)
      ::setenv("DSR1_ISA", before_.c_str(), 1);
    else
      ::unsetenv("DSR1_ISA");
  }
  isa_guard(const isa_guard&) = delete;
  isa_guard& operator=(const isa_guard&) = delete;

 private:
  std::string before_;
  bool was_set_ = false;
};

/// Whether this processor has it; when not, says what is skipped.
inline bool has_isa(dsr1::isa which) {
  if (which <= dsr1::best_isa()) return true;
  WARN("skipped: this processor has no " << dsr1::name_of(which));
  return false;
}

inline std::vector<dsr1::isa> available_isas() {
  std::vector<dsr1::isa> out;
  for (const dsr1::isa which : {dsr1::isa::generic, dsr1::isa::avx2, dsr1::isa::avx512})
    if (has_isa(which)) out.push_back(which);
  return out;
}
