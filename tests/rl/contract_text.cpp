// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contracts: the calendar, every wording says everything, and dates and sums can be read back.

#include <map>
#include <set>
#include <string>

#include "catch.hpp"

#include <dsr1/rl/contract_text.hpp>

using namespace dsr1;

TEST_CASE("contract_text: days of the calendar") {
  const auto read = [](std::string_view iso) {
    const auto d = calendar_date::read(iso);
    return d ? d->iso() : std::string("none");
  };
  for (const std::string iso :
       {"2024-02-29", "2000-02-29", "2023-12-31", "0001-01-01", "0099-04-30", "0999-06-30"})
    CHECK(read(iso) == iso);
  for (const std::string iso :
       {"2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01", "2023-00-01", "2023-01-00",
        "2023-1-01", "0000-01-01", "2023-01-011", "", "2023/01/01", "2023-01-1x", "+023-01-01"})
    CHECK(read(iso) == "none");
  CHECK(calendar_date{2023, 1, 2} == *calendar_date::read("2023-01-02"));
}

TEST_CASE("contract_text: contracts are plausible") {
  std::set<std::string> laws, currencies, parties;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    problem_draw draw(0, "test", split::train, i);
    const contract c = draw_contract(draw);
    CHECK(c.parties[0] != c.parties[1]);
    CHECK(c.signed_on.year < c.ends.year);
    CHECK(calendar_date::read(c.signed_on.iso()) == c.signed_on);
    CHECK(calendar_date::read(c.ends.iso()) == c.ends);
    CHECK(c.sum >= 10);
    CHECK(c.sum <= 999'000);
    laws.insert(c.law);
    currencies.insert(c.currency);
    parties.insert(c.parties[0]);
  }
  CHECK(laws.size() == 10);
  CHECK(currencies.size() == 4);
  CHECK(parties.size() > 1900);
}

TEST_CASE("contract_text: wordings") {
  const contract c{.parties = {"Bava Mills Ltd", "Togu Glass SA"},
                   .signed_on = {2021, 3, 4},
                   .ends = {2025, 11, 30},
                   .sum = 1'234'560,
                   .currency = "GBP",
                   .law = "Norway"};
  const std::map<std::string, std::string> dates = {
      {"2021-03-04", "2025-11-30"},
      {"4 March 2021", "30 November 2025"},
      {"March 4, 2021", "November 30, 2025"},
      {"04.03.2021", "30.11.2025"},
      {"day 4 of March in the year 2021", "day 30 of November in the year 2025"}};
  const std::set<std::string> sums = {"GBP 1234560", "GBP 1,234,560.00", "1,234,560 GBP",
                                      "GBP 1,234,560", "1,234,560 pounds sterling"};
  std::set<std::string> seen, openings;
  for (std::uint64_t i = 0; i < 500; ++i) {
    problem_draw draw(0, "test", split::train, i);
    const std::string words = contract_text(draw, contract_text::templates)(c);
    const auto has = [&](const std::string& part) { return words.find(part) != std::string::npos; };
    INFO(words);
    CHECK((has(c.parties[0]) && has(c.parties[1]) && has("Norway")));
    CHECK(!has("$"));
    int found = 0;
    for (const auto& [begin, end] : dates) {
      if (!has(begin)) continue;
      CHECK(has(end));
      seen.insert(begin);
      ++found;
    }
    CHECK(found == 1);
    found = 0;
    for (const std::string& sum : sums) {
      if (!has(sum)) continue;
      seen.insert(sum);
      ++found;
    }
    CHECK(found >= 1);
    openings.insert(words.substr(0, 6));
  }
  CHECK(seen.size() == 10);
  CHECK(openings.size() == static_cast<std::size_t>(contract_text::templates));
}
