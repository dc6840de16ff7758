// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// PCRE2 with its limits: a pattern compiled once, matched by many threads, never for ever.
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <dsr1/core/error.hpp>
#include <dsr1/text/regex_syntax.hpp>
#include <dsr1/text/utf8.hpp>

namespace dsr1 {
namespace text_detail {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
template <class T, auto Free>
using pcre2_owner = std::unique_ptr<T, freed_by<Free>>;

inline std::string pcre2_message(int code) {
  PCRE2_UCHAR8 buffer[256] = {};
  pcre2_get_error_message_8(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace text_detail

/// What one thread needs for matching. Steps per match are limited to 100,000 + 64 per byte of the
/// longest text so far, memory to 64 MiB.
class regex_scratch {
 public:
  regex_scratch()
      : data_(pcre2_match_data_create_8(1, nullptr)),
        context_(pcre2_match_context_create_8(nullptr)) {
    if (!data_ || !context_) throw std::bad_alloc();
    pcre2_set_heap_limit_8(context_.get(), 65'536);
    allow(0);
  }

  void allow(std::size_t bytes) {
    if (bytes < longest_) return;
    longest_ = bytes;
    const std::uint64_t steps = 100'000 + 64 * static_cast<std::uint64_t>(bytes);
    pcre2_set_match_limit_8(context_.get(), static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                                steps, std::numeric_limits<std::uint32_t>::max())));
  }
  pcre2_match_data_8* data() { return data_.get(); }
  pcre2_match_context_8* context() { return context_.get(); }

 private:
  text_detail::pcre2_owner<pcre2_match_data_8, pcre2_match_data_free_8> data_;
  text_detail::pcre2_owner<pcre2_match_context_8, pcre2_match_context_free_8> context_;
  std::size_t longest_ = 0;
};

/// A compiled pattern in the syntax of `to_pcre2`. `place` (file and field) names it in errors.
class regex {
 public:
  regex(std::string_view pattern, std::string place) : place_(std::move(place)) {
    compile(to_pcre2(pattern, place_));
  }
  /// The same for a pattern in PCRE2's own words.
  static regex of_pcre2(std::string_view pattern, std::string place) {
    regex out;
    out.place_ = std::move(place);
    out.compile(std::string(pattern));
    return out;
  }

  /// Calls f(begin, end) for each match from left to right; an empty match right after the match
  /// before it does not count. The text must be well-formed UTF-8. Throws `error` when the pattern
  /// needs more steps than `regex_scratch` allows.
  template <class F>
  void for_each_match(std::string_view subject, regex_scratch& scratch, F&& f) const {
    std::size_t from = 0, last_end = std::string_view::npos;
    while (from <= subject.size()) {
      if (!search(subject, from, scratch)) return;
      const PCRE2_SIZE* found = pcre2_get_ovector_pointer_8(scratch.data());
      const std::size_t begin = found[0], end = found[1];
      if (begin == end && end == last_end) {
        from += from < subject.size() ? utf8_at(subject, from).bytes : 1;
        continue;
      }
      from = last_end = end;
      f(begin, end);
    }
  }

 private:
  regex() = default;

  void compile(const std::string& pattern) {
    const text_detail::pcre2_owner<pcre2_compile_context_8, pcre2_compile_context_free_8> context(
        pcre2_compile_context_create_8(nullptr));
    if (!context) throw std::bad_alloc();
    pcre2_set_newline_8(context.get(), PCRE2_NEWLINE_LF);
    int code = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()), pattern.size(),
                                PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset,
                                context.get()),
                pcre2_code_free_8);
    if (!code_)
      throw error(text(place_, ": the regex does not compile: ", text_detail::pcre2_message(code),
                       ", before \"", pattern.substr(std::min(offset, pattern.size()), 20), "\""));
    // Without it (an architecture that has none) PCRE2 interprets, and everything is slower.
    static_cast<void>(pcre2_jit_compile_8(code_.get(), PCRE2_JIT_COMPLETE));
  }

  bool search(std::string_view subject, std::size_t from, regex_scratch& scratch) const {
    const auto match = [&](std::uint32_t options) {
      return pcre2_match_8(code_.get(), reinterpret_cast<PCRE2_SPTR8>(subject.data()),
                           subject.size(), from, options | PCRE2_NO_UTF_CHECK, scratch.data(),
                           scratch.context());
    };
    int code = match(0);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT)
      code = match(PCRE2_NO_JIT);  // keeps its state on the heap
    if (code == PCRE2_ERROR_NOMATCH) return false;
    if (code >= 0) return true;
    throw error(text(place_, ": the regex gives up on a text of ", subject.size(),
                     " bytes, at byte ", from, ": ", text_detail::pcre2_message(code)));
  }

  std::shared_ptr<pcre2_code_8> code_;
  std::string place_;
};

}  // namespace dsr1
