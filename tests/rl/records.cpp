// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contracts as JSON: levels, elements, and JSON that no one should send.

#include <array>
#include <set>
#include <string>

#include "promises.hpp"

#include <dsr1/rl/records.hpp>

using namespace dsr1;

namespace {

const contract facts{.parties = {"Bava Mills Ltd", "Togu Glass SA"},
                     .signed_on = {2021, 3, 4},
                     .ends = {2025, 11, 30},
                     .sum = 12500,
                     .currency = "EUR",
                     .law = "Norway"};
const std::string right =
    R"({"currency":"EUR","ends":"2025-11-30","law":"Norway",)"
    R"("parties":["Bava Mills Ltd","Togu Glass SA"],"signed":"2021-03-04","sum":12500})";

/// The right answer with one part of it replaced.
std::string with(const std::string& part, const std::string& other) {
  std::string out = right;
  const std::size_t place = out.find(part);
  REQUIRE(place != std::string::npos);
  return out.replace(place, part.size(), other);
}

}  // namespace

TEST_CASE("records: every level reached and not, and why") {
  const records t;
  const auto p = t.make(facts, "A contract.");
  CHECK(p.prompt == "A contract.\nJSON: ");
  CHECK(p.solution == right);
  struct expected {
    std::string answer, levels, why;
  };
  for (const expected& e : {
           expected{right, "111", ""},
           {" \n" + right + "\n", "111", ""},
           {with(R"("Bava Mills Ltd","Togu Glass SA")", R"("Togu Glass SA", "Bava Mills Ltd")"),
            "111", ""},
           {with("12500", "12501"), "110", "\"sum\" is 12501, expected 12500"},
           {with("2021-03-04", "2021-04-03"), "110",
            "\"signed\" is \"2021-04-03\", expected \"2021-03-04\""},
           {with("Togu", "Toga"), "110",
            "\"parties\" is [\"Bava Mills Ltd\",\"Toga Glass SA\"], expected "
            "[\"Bava Mills Ltd\",\"Togu Glass SA\"]"},
           {with("EUR", "eur"), "110", "\"currency\" is \"eur\", expected \"EUR\""},
           {with("12500", "\"12500\""), "100",
            "the answer: \"sum\" is \"12500\", expected a whole number"},
           {with("12500", "12500.0"), "100",
            "the answer: \"sum\" is 12500.0, expected a whole number"},
           {with("2021-03-04", "2021-02-29"), "100",
            "the answer: \"signed\" is \"2021-02-29\", expected a date YYYY-MM-DD"},
           {with("2021-03-04", "4 March 2021"), "100",
            "the answer: \"signed\" is \"4 March 2021\", expected a date YYYY-MM-DD"},
           {with(R"(,"Togu Glass SA")", ""), "100", "the answer: 1 parties, expected 2"},
           {with(R"("law":"Norway",)", ""), "100", "the answer: \"law\" is missing"},
           {with(R"("law")", R"("laws")"), "100",
            "the answer: unknown key \"laws\", did you mean \"law\"?"},
           {"[" + right + "]", "100", "the answer is array, expected an object"},
           {"null", "100", "the answer is null, expected an object"},
           {with(R"("sum")", R"("law":"Spain","sum")"), "000",
            "the answer: two members are called \"law\""},
       }) {
    INFO(e.answer);
    const verdict v = t.verify(p, e.answer);
    CHECK(levels(v) == e.levels);
    CHECK(v.why == e.why);
  }
  for (const std::string& answer :
       {std::string(), right.substr(1), right.substr(0, right.size() - 1), right + "}",
        "```json\n" + right + "\n```", with("12500", "012500"), with("Bava", "B\xff\xff"),
        right + '\0', with("Bava", std::string("B\0", 2)), with("Bava", "B\x01"),
        with("\"", "'")}) {
    const verdict v = t.verify(p, answer);
    CHECK(levels(v) == "000");
    CHECK(mentions(v.why, "the answer is not valid JSON: "));
  }
}

TEST_CASE("records: when a level is told") {
  const records t;
  const auto p = t.make(facts, "");
  using places = std::array<index_t, 3>;
  const auto size = static_cast<index_t>(right.size());
  CHECK(t.verify(p, right).decided == places{size, size, size});
  CHECK(t.verify(p, "{\"a\":x").decided == places{6, 6, 6});
  CHECK(t.verify(p, "{\"a\":x and more").decided == places{6, 6, 6});
  CHECK(t.verify(p, "Sure! {}").decided == places{1, 1, 1});
  CHECK(t.verify(p, std::string("{}\0 ", 4)).decided == places{3, 3, 3});
  CHECK(t.verify(p, std::string("x{}\0 ", 5)).decided == places{1, 1, 1});
  CHECK(t.verify(p, "{} {}").decided == places{4, 4, 4});
  CHECK(t.verify(p, std::string(5000, ' ')).decided == places{4097, 4097, 4097});
}

TEST_CASE("records: elements of a contract") {
  const records t;
  const auto p = t.make(facts, "");
  const auto count = [&](const std::string& answer) { return t.contract_elements(p, answer); };
  CHECK(count(right) == element_counts{7, 0, 0});
  CHECK(count(with(R"("Bava Mills Ltd","Togu Glass SA")", R"("Togu Glass SA","Bava Mills Ltd")")) ==
        element_counts{7, 0, 0});
  CHECK(count(with("12500", "1")) == element_counts{6, 1, 1});
  CHECK(count(with("12500", "12500.0")) == element_counts{6, 1, 1});
  CHECK(count(with("12500", "\"12500\"")) == element_counts{6, 1, 1});
  CHECK(count(with("12500", "[12500]")) == element_counts{6, 1, 1});
  CHECK(count(with(R"(,"Togu Glass SA")", "")) == element_counts{6, 0, 1});
  CHECK(count(with(R"(,"Togu Glass SA")", R"(,"Bava Mills Ltd",3,"x")")) ==
        element_counts{6, 3, 1});
  CHECK(count(with(R"(["Bava Mills Ltd","Togu Glass SA"])", R"("Bava Mills Ltd")")) ==
        element_counts{5, 1, 2});
  CHECK(count(with(R"("sum")", R"("total")")) == element_counts{6, 1, 1});
  CHECK(count(R"({"law":"Norway"})") == element_counts{1, 0, 6});
  CHECK(count("{}") == element_counts{0, 0, 7});
  CHECK(count("[7]") == element_counts{0, 0, 7});
  CHECK(count("no JSON") == element_counts{0, 0, 7});
  CHECK(count(std::string(1'000'000, '[')) == element_counts{0, 0, 7});
}

TEST_CASE("records: precision, recall and F1 of sums") {
  element_counts n;
  CHECK(n.precision() == 0);
  CHECK(n.recall() == 0);
  CHECK(n.f1() == 0);
  n += {6, 2, 1};
  n += {3, 1, 2};
  CHECK(n == element_counts{9, 3, 3});
  n += {0, 0, 3};
  CHECK(n.precision() == Approx(9.0 / 12));
  CHECK(n.recall() == Approx(9.0 / 15));
  CHECK(n.f1() == Approx(2 * 0.75 * 0.6 / (0.75 + 0.6)));
}

TEST_CASE("records: problems are sound, in the alphabet, and the splits apart") {
  expects_sound_problems(records(), records(), records({.seed = 1}), 2000, records().alphabet());
  const records_options one{.templates = 1};
  expects_sound_problems(records(one), records(one), records(), 100);
  for (std::uint64_t i = 0; i < 100; ++i)
    CHECK(records(one).sample(split::train, i).prompt.starts_with("This agreement is made on"));
}

TEST_CASE("records: prompts are short, and solutions count as all elements") {
  const records t;
  // [elements]
  element_counts n;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto p = t.sample(split::test, i);
    n += t.contract_elements(p, p.solution);  // or what a model answers
  }
  const double scores[] = {n.precision(), n.recall(), n.f1()};
  // [/elements]
  for (const double score : scores) CHECK(score == 1);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto p = t.sample(split::test, i);
    CHECK(p.prompt.size() < 500);
    CHECK(p.solution.size() < 300);
  }
  CHECK(n == element_counts{7000, 0, 0});
}

TEST_CASE("records: what is decided stays, whatever follows") {
  const records t;
  const std::vector<int> seen = expects_decided(t, 1500, t.alphabet());
  CHECK(seen[0] > 100);
  CHECK(seen[4] > 10);
  CHECK(seen[6] > 10);
  CHECK(seen[7] > 200);
  // Places where a parser might want to see one byte more.
  const auto p = t.sample(split::train, 0);
  for (const std::string answer : {"1e999 ",
                                   "1e999",
                                   "[1e999]",
                                   "{\"a\" 12}",
                                   "{12:3}",
                                   "-",
                                   "-x",
                                   "1.",
                                   "1.x",
                                   "01",
                                   "1 2",
                                   "tru",
                                   "trux",
                                   "\"\\ud800\"",
                                   "\"\\ud800\\u0041\"",
                                   "\"\\q\"",
                                   "\xef\xbb\xbf{}",
                                   "\xef\xbb{}",
                                   "\xef",
                                   "/* */1",
                                   "{\"a\":1,}",
                                   "[1,]",
                                   "{\"a\":1,\"a\":2}",
                                   "\"\xc3(\""})
    expects_decided(t, p, answer, {"", "0", "1", "9", ".5", "e5", " ", "x", "\"", "}", "]", "\\"});
}

TEST_CASE("records: hostile answers") {
  for (const index_t longest : {4096, 1'000'000}) {
    const records t({.longest = longest});
    expects_calm(t, t.sample(split::train, 0));
    std::string wide = "{";
    while (wide.size() < static_cast<std::size_t>(longest) - 40)
      wide += "\"" + std::to_string(wide.size()) + "\":0,";
    wide += "\"sum\":1}";
    CHECK(levels(t.verify(t.make(facts, ""), wide)) == "100");
    CHECK(t.contract_elements(t.make(facts, ""), wide).false_negative == 7);
  }
}

TEST_CASE("records: options out of range") {
  const auto says = [](records_options o) { return message_of([&] { records{o}; }); };
  CHECK(says({.templates = 6}) == "records: templates is 6, expected 1 to 5");
  CHECK(says({.templates = 0}) == "records: templates is 0, expected 1 to 5");
  CHECK(says({.longest = 0}) == "records: longest is 0, expected 1 to 1000000");
}
