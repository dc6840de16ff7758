// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contracts to read: what a paragraph says of parties, dates, sum and law, as JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/rl/contract_text.hpp>
#include <dsr1/rl/problem_draw.hpp>
#include <dsr1/rl/quoted.hpp>
#include <dsr1/rl/task.hpp>

namespace dsr1 {

/// Elements that answers have right, add and miss, summed over any number of answers.
struct element_counts {
  index_t true_positive = 0, false_positive = 0, false_negative = 0;
  bool operator==(const element_counts&) const = default;

  element_counts& operator+=(const element_counts& other) {
    true_positive += other.true_positive;
    false_positive += other.false_positive;
    false_negative += other.false_negative;
    return *this;
  }
  /// tp / (tp + fp), tp / (tp + fn), 2 tp / (2 tp + fp + fn); of sums, these are the
  /// micro-averages. 0 when nothing was counted.
  double precision() const { return part(true_positive, false_positive); }
  double recall() const { return part(true_positive, false_negative); }
  double f1() const { return part(2 * true_positive, false_positive + false_negative); }

 private:
  static double part(index_t right, index_t wrong) {
    return right == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(right + wrong);
  }
};

struct records_options {
  std::uint64_t seed = 0;
  std::int64_t templates = contract_text::templates;  ///< the first so many wordings, at least 1
  index_t longest = 4096;  ///< bytes of an answer that are read, up to 1'000'000
};

/// A contract's text asks for one JSON object, with its members in any order:
///   {"currency":text,"ends":date,"law":text,"parties":[text,text],"signed":date,"sum":whole
///   number} date = "YYYY-MM-DD"
/// syntax: JSON as `parse_unambiguous_json` reads it, at most `longest` bytes. logic: syntax, and
/// exactly these members, of these types; dates are of the calendar. task: logic, and all values
/// are those of the contract; the parties in any order.
class records {
 public:
  static constexpr std::string_view name = "records";
  struct problem {
    std::string prompt;
    std::string solution;
    std::string key;  ///< the solution with sorted parties: a contract has one key in all wordings
    contract facts;
  };

  /// Throws `error` for an option out of its range.
  explicit records(records_options options = {}) : options_(options) {
    expects(options.templates >= 1 && options.templates <= contract_text::templates, name,
            ": templates is ", options.templates, ", expected 1 to ", contract_text::templates);
    expects(options.longest >= 1 && options.longest <= 1'000'000, name, ": longest is ",
            options.longest, ", expected 1 to 1000000");
  }

  const records_options& options() const { return options_; }

  /// All bytes of prompts and solutions, and the rest of those that print.
  std::string alphabet() const {
    std::string all = "\n";
    for (char c = ' '; c <= '~'; ++c) all += c;
    return all;
  }

  problem sample(split which, std::uint64_t index) const {
    return draw_problem(options_.seed, name, which, index, [&](problem_draw& draw) {
      const contract facts = draw_contract(draw);
      return std::optional(make(facts, contract_text(draw, options_.templates)(facts)));
    });
  }

  /// The problem to read these facts from a text.
  problem make(const contract& facts, std::string_view words) const {
    contract sorted = facts;
    std::sort(sorted.parties.begin(), sorted.parties.end());
    return {text(words, "\nJSON: "), json_of(facts).dump(), json_of(sorted).dump(), facts};
  }

  verdict verify(const problem& p, std::string_view answer) const {
    verdict v;
    const reading read = parse(answer);
    v.set(level::syntax, read.why.empty(), read.decided, read.why);
    const auto [said, misfit] = contract_of(read);
    v.set(level::logic, misfit.empty(), read.decided, misfit);
    const std::string wrong = misfit.empty() ? difference(said, p.facts) : misfit;
    v.set(level::task, wrong.empty(), read.decided, wrong);
    return v;
  }

  /// How many elements of the contract (two parties, two dates, sum, currency, law) the answer has
  /// right, adds and misses. A wrong value is added and its element missed; so is a value of
  /// another type; a member of another name is added. What is no JSON object misses all seven.
  element_counts contract_elements(const problem& p, std::string_view answer) const {
    const json expected = json_of(p.facts);
    const json read = parse(answer).value;
    const json given = read.is_object() ? read : json::object();
    element_counts n;
    for (const auto& [key, value] : given.items()) n.false_positive += !expected.contains(key);
    for (const auto& [key, value] : expected.items()) {
      const json wanted = value.is_array() ? value : json::array({value});
      n.false_negative += static_cast<index_t>(wanted.size());
      const auto said = given.find(key);
      if (said == given.end()) continue;
      if (said->is_array() != value.is_array()) {
        ++n.false_positive;
        continue;
      }
      const json values = said->is_array() ? *said : json::array({*said});
      n.false_positive += static_cast<index_t>(values.size());
      for (const json& element : wanted) {
        const bool hit = std::any_of(values.begin(), values.end(), [&](const json& v) {
          return v == element && v.is_number_float() == element.is_number_float();
        });
        n.true_positive += hit;
        n.false_positive -= hit;
        n.false_negative -= hit;
      }
    }
    return n;
  }

 private:
  struct reading {
    json value;
    index_t decided;
    std::string why;  // empty when it is JSON
  };

  /// Remembers the place where parsing ends, and nothing else.
  struct end_of_json final : json::json_sax_t {
    std::size_t place = std::string_view::npos;
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(json::number_integer_t) override { return true; }
    bool number_unsigned(json::number_unsigned_t) override { return true; }
    bool number_float(json::number_float_t, const json::string_t&) override { return true; }
    bool string(json::string_t&) override { return true; }
    bool binary(json::binary_t&) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(json::string_t&) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t bytes_read, const std::string&, const json::exception&) override {
      place = bytes_read;
      return false;
    }
  };

  reading parse(std::string_view answer) const {
    const auto size = static_cast<index_t>(answer.size());
    if (size > options_.longest)
      return {nullptr, options_.longest + 1, text("longer than ", options_.longest, " bytes")};
    const std::size_t zero = answer.find('\0');
    try {
      return {parse_unambiguous_json(answer, "the answer"), size, ""};
    } catch (const error& e) {
      end_of_json end;
      json::sax_parse(answer, &end);
      const index_t at_zero = decided_at(answer, zero);
      const index_t at_end = static_cast<index_t>(std::min(end.place, answer.size()));
      return {nullptr, std::min(at_zero, at_end), printable(e.what())};
    }
  }

  /// What the JSON says, or why it is no contract.
  static std::pair<contract, std::string> contract_of(const reading& read) {
    if (!read.why.empty()) return {{}, read.why};
    try {
      const json_object o(read.value, "the answer");
      o.expect_only({"currency", "ends", "law", "parties", "signed", "sum"});
      const auto date = [&](const std::string& key) {
        const auto iso = o.get<std::string>(key);
        const auto d = calendar_date::read(iso);
        expects(d.has_value(), o.source(), ": \"", key, "\" is ", in_quotes(iso),
                ", expected a date YYYY-MM-DD");
        return *d;
      };
      const auto parties = o.get<std::vector<std::string>>("parties");
      expects(parties.size() == 2, o.source(), ": ", parties.size(), " parties, expected 2");
      contract c;
      c.parties = {parties[0], parties[1]};
      c.signed_on = date("signed");
      c.ends = date("ends");
      c.sum = o.get<std::int64_t>("sum");
      c.currency = o.get<std::string>("currency");
      c.law = o.get<std::string>("law");
      return {c, ""};
    } catch (const error& e) {
      return {{}, printable(e.what())};
    }
  }

  /// The first value that is another one; empty when all are the same.
  static std::string difference(contract said, contract facts) {
    std::sort(said.parties.begin(), said.parties.end());
    std::sort(facts.parties.begin(), facts.parties.end());
    const json given = json_of(said);
    const json expected = json_of(facts);
    for (const auto& [key, value] : expected.items())
      if (given[key] != value)
        return printable(text("\"", key, "\" is ", shown(given[key]), ", expected ", shown(value)));
    return "";
  }

  static json json_of(const contract& c) {
    return {{"parties", c.parties}, {"signed", c.signed_on.iso()}, {"ends", c.ends.iso()},
            {"sum", c.sum},         {"currency", c.currency},      {"law", c.law}};
  }

  records_options options_;
};
static_assert(task<records>);

}  // namespace dsr1
