// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Invented contracts, and the words that they are written in.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <dsr1/core/error.hpp>
#include <dsr1/rl/integer.hpp>
#include <dsr1/rl/problem_draw.hpp>

namespace dsr1 {

/// A day of the (proleptic Gregorian) calendar, from the year 1 to 9999.
struct calendar_date {
  std::int64_t year = 1, month = 1, day = 1;
  bool operator==(const calendar_date&) const = default;

  static constexpr std::int64_t days_of(std::int64_t year, std::int64_t month) {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
  }

  /// The date "YYYY-MM-DD"; nothing for other text and for days that no calendar has.
  static std::optional<calendar_date> read(std::string_view iso) {
    if (iso.size() != 10 || iso[4] != '-' || iso[7] != '-') return std::nullopt;
    const auto year = number_value(iso.substr(0, 4));
    const auto month = number_value(iso.substr(5, 2));
    const auto day = number_value(iso.substr(8, 2));
    if (!year || !month || !day || *year < 1 || *month < 1 || *month > 12) return std::nullopt;
    if (*day < 1 || *day > days_of(*year, *month)) return std::nullopt;
    return calendar_date{*year, *month, *day};
  }

  static std::string two(std::int64_t n) { return text(n < 10 ? "0" : "", n); }
  std::string iso() const {
    return text(std::string_view("000").substr(0, year < 10    ? 3
                                                  : year < 100 ? 2
                                                               : year < 1000),
                year, "-", two(month), "-", two(day));
  }
};

/// What a contract says.
struct contract {
  std::array<std::string, 2> parties;
  calendar_date signed_on;
  calendar_date ends;
  std::int64_t sum = 0;
  std::string currency;
  std::string law;
  bool operator==(const contract&) const = default;
};

/// Two invented companies of different names, dates of this century, a round sum.
inline contract draw_contract(problem_draw& draw) {
  using namespace std::string_view_literals;
  constexpr std::array trades = {"Works"sv, "Trading"sv, "Foods"sv, "Freight"sv,
                                 "Tools"sv, "Mills"sv,   "Glass"sv, "Timber"sv};
  constexpr std::array forms = {"Ltd"sv, "Inc"sv, "GmbH"sv, "SA"sv};
  constexpr std::array currencies = {"EUR"sv, "USD"sv, "GBP"sv, "CHF"sv};
  constexpr std::array laws = {"France"sv,  "Germany"sv,           "Norway"sv, "Japan"sv,
                               "Ontario"sv, "England and Wales"sv, "Spain"sv,  "Brazil"sv,
                               "Ireland"sv, "New York"sv};
  contract c;
  for (std::string& party : c.parties) {
    for (int syllable = 0; syllable < 3; ++syllable) {
      party += draw.one_of("bdfgklmnprtvz"sv);
      party += draw.one_of("aeiou"sv);
    }
    party[0] = static_cast<char>(party[0] - 'a' + 'A');
    const std::string_view trade = draw.one_of(trades);
    party += text(" ", trade, " ", draw.one_of(forms));
  }
  if (c.parties[0] == c.parties[1]) c.parties[1].insert(0, "New ");
  const auto date = [&](std::int64_t first, std::int64_t last) {
    calendar_date d;
    d.year = draw.between(first, last);
    d.month = draw.between(1, 12);
    d.day = draw.between(1, calendar_date::days_of(d.year, d.month));
    return d;
  };
  c.signed_on = date(2001, 2039);
  c.ends = date(c.signed_on.year + 1, c.signed_on.year + 9);
  c.sum = draw.between(1, 999);
  for (std::int64_t zeros = draw.between(1, 3); zeros > 0; --zeros) c.sum *= 10;
  c.currency = draw.one_of(currencies);
  c.law = draw.one_of(laws);
  return c;
}

/// A wording: one of the templates, one way each to write dates and sums, and numbers that are no
/// part of what is asked.
class contract_text {
 public:
  static constexpr std::int64_t templates = 5;

  /// One of the first `count` templates.
  contract_text(problem_draw& draw, std::int64_t count)
      : wording_(draw.between(0, count - 1)),
        dates_(draw.between(0, 4)),
        sums_(draw.between(0, 4)),
        days_(draw.between(10, 90)),
        reference_(draw.between(1000, 9999)) {}

  std::string operator()(const contract& c) const {
    constexpr std::array<std::string_view, templates> wordings = {
        "This agreement is made on $b between $1 and $2. $1 supplies goods to $2 for a total of "
        "$s. "
        "Invoices are due within $d days. The agreement ends on $e and is governed by the law of "
        "$l.",
        "LEASE No. $r. Landlord: $1. Tenant: $2. The tenant pays $s for the whole term, which "
        "begins "
        "on the day of signature, $b, and ends on $e. Law: $l.",
        "Under the law of $l, $1 (the lender) lends $s to $2 (the borrower). The loan is repaid by "
        "$e; a delay of more than $d days is a breach. Signed on $b, file $r.",
        "Services contract $r. The parties, $1 and $2, agree: (1) the work is done by $e; (2) the "
        "price is $s, payable $d days after acceptance; (3) the law of $l applies. Date of "
        "signature: $b.",
        "$1 grants $2 a licence until $e. The fee of $s is paid in $d instalments. Disputes are "
        "decided under the law of $l. Agreed and signed by both parties on $b."};
    const std::string_view words = wordings[static_cast<std::size_t>(wording_)];
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == '$')
        out += filled(c, words[++i]);
      else
        out += words[i];
    }
    return out;
  }

 private:
  std::string filled(const contract& c, char what) const {
    switch (what) {
      case '1':
        return c.parties[0];
      case '2':
        return c.parties[1];
      case 'b':
        return written(c.signed_on);
      case 'e':
        return written(c.ends);
      case 's':
        return written(c.sum, c.currency);
      case 'l':
        return c.law;
      case 'd':
        return text(days_);
      default:
        return text(reference_);
    }
  }

  std::string written(const calendar_date& d) const {
    constexpr std::array<std::string_view, 12> months = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    const std::string_view month = months[static_cast<std::size_t>(d.month - 1)];
    switch (dates_) {
      case 0:
        return d.iso();
      case 1:
        return text(d.day, " ", month, " ", d.year);
      case 2:
        return text(month, " ", d.day, ", ", d.year);
      case 3:
        return text(calendar_date::two(d.day), ".", calendar_date::two(d.month), ".", d.year);
      default:
        return text("day ", d.day, " of ", month, " in the year ", d.year);
    }
  }

  std::string written(std::int64_t sum, std::string_view currency) const {
    std::string digits = text(sum);
    if (sums_ == 0) return text(currency, " ", digits);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
    if (sums_ == 1) return text(currency, " ", digits, ".00");
    if (sums_ == 2) return text(digits, " ", currency);
    if (sums_ == 3) return text(currency, " ", digits);
    return text(digits, currency == "EUR"   ? " euros"
                        : currency == "USD" ? " US dollars"
                        : currency == "GBP" ? " pounds sterling"
                                            : " Swiss francs");
  }

  std::int64_t wording_, dates_, sums_, days_, reference_;
};

}  // namespace dsr1
