// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// JSON with types, and what its errors say.

#include <map>

#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/json.hpp>

using namespace dsr1;

namespace {

json_object object_of(std::string_view text) { return {parse_json(text, "c.json"), "c.json"}; }

template <class T>
std::string refused(std::string_view text) {
  return message_of([&] { object_of(text).get<T>("x"); });
}

}  // namespace

TEST_CASE("json: members with their types") {
  const auto c = object_of(
      R"({"i": -7, "u": 18446744073709551615, "d": 2.5, "whole": 3, "b": true, "s": "text",
                               "list": [1, 2, 3], "names": ["a", "b"], "map": {"k": 1}, "null": null})");
  CHECK(c.get<int>("i") == -7);
  CHECK(c.get<std::uint64_t>("u") == ~std::uint64_t{0});
  CHECK(c.get<double>("d") == 2.5);
  CHECK(c.get<double>("whole") == 3);
  CHECK(c.get<float>("d") == 2.5f);
  CHECK(c.get<bool>("b"));
  CHECK(c.get<std::string>("s") == "text");
  CHECK(c.get<std::vector<int>>("list") == std::vector<int>{1, 2, 3});
  CHECK(c.get<std::vector<std::string>>("names") == std::vector<std::string>{"a", "b"});
  CHECK(c.get<std::map<std::string, int>>("map").at("k") == 1);
  CHECK(c.object("map").get<int>("k") == 1);
  CHECK(c.has("null"));
  CHECK_FALSE(c.has("none"));
  CHECK(c.get<int>("none", 5) == 5);
  CHECK(c.get<int>("i", 5) == -7);
  CHECK(c.get_between<int>("i", -7, 0) == -7);
  CHECK(c.get<json>("list").size() == 3);
  CHECK(c.value().size() == 10);
}

TEST_CASE("json: wrong types and values name file, key, what was found and what was expected") {
  CHECK(mentions(refused<int>(R"({"x": "7"})"), "c.json: \"x\" is \"7\", expected a whole number"));
  CHECK(mentions(refused<int>(R"({"x": 7.0})"), "is 7.0, expected a whole number"));
  CHECK(mentions(refused<int>(R"({"x": 3000000000})"),
                 "is 3000000000, expected -2147483648 to 2147483647"));
  CHECK(mentions(refused<std::int8_t>(R"({"x": 128})"), "is 128, expected -128 to 127"));
  CHECK(mentions(refused<std::uint64_t>(R"({"x": -1})"),
                 "is -1, expected 0 to 18446744073709551615"));
  CHECK(mentions(refused<std::int64_t>(R"({"x": 18446744073709551615})"),
                 "expected -9223372036854775808 to"));
  CHECK(mentions(refused<double>(R"({"x": true})"), "is true, expected a number"));
  CHECK(mentions(refused<float>(R"({"x": 1e300})"), "expected a number up to 3.4"));
  CHECK(mentions(refused<bool>(R"({"x": 1})"), "is 1, expected true or false"));
  CHECK(mentions(refused<std::string>(R"({"x": null})"), "is null, expected text"));
  CHECK(mentions(refused<std::vector<int>>(R"({"x": 1})"), "is 1, expected a list"));
  CHECK(mentions(refused<std::vector<int>>(R"({"x": [1, 2.5]})"),
                 "\"x\"[1] is 2.5, expected a whole number"));
  CHECK(mentions(refused<std::vector<std::vector<int>>>(R"({"x": [[1], [2, "a"]]})"),
                 "\"x\"[1][1] is \"a\""));
  CHECK(mentions(refused<std::map<std::string, int>>(R"({"x": 1})"), "c.json: \"x\" is 1"));
  CHECK(mentions(message_of([&] { object_of(R"({"x": 12})").get_between<int>("x", 1, 9); }),
                 "c.json: \"x\" is 12, expected 1 to 9"));
  CHECK(mentions(message_of([&] { object_of(R"({"x": {"y": 1}})").object("x").get<bool>("y"); }),
                 "c.json: \"x\": \"y\" is 1"));
  CHECK(mentions(message_of([&] { object_of(R"({"x": [1]})").object("x"); }),
                 "c.json: \"x\" is array, expected an object"));
  CHECK(refused<int>("{\"x\": \"" + std::string(5000, '1') + "\"}").size() <
        200);  // long values are cut
  CHECK(refused<int>("{\"x\": 1" + std::string(5000, '1') + "}").size() <
        400);  // the parser's words too
}

TEST_CASE("json: missing and unknown keys come with the nearest one") {
  const auto c = object_of(R"({"hidden_size": 64, "num_experts": 8, "x": 1})");
  CHECK(message_of([&] { c.get<int>("vocab"); }) == "c.json: \"vocab\" is missing");
  CHECK(message_of([&] { c.get<int>("hiden_size"); }) ==
        "c.json: \"hiden_size\" is missing, did you mean \"hidden_size\"?");
  CHECK(message_of([&] { c.object("num_expert"); }) ==
        "c.json: \"num_expert\" is missing, did you mean \"num_experts\"?");
  CHECK_NOTHROW(c.expect_only({"hidden_size", "num_experts", "x", "unused"}));
  CHECK(message_of([&] {
          c.expect_only({"hidden_size", "n_experts", "x"});
        }) == "c.json: unknown key \"num_experts\", did you mean \"n_experts\"?");
  CHECK(message_of([&] {
          c.expect_only({"hidden_size", "x"});
        }) == "c.json: unknown key \"num_experts\"");
}

TEST_CASE("json: distances between words") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "ab") == 2);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("same", "same") == 0);
  CHECK(suggestion("abc", std::vector<std::string>{}) == "");
  CHECK(suggestion("rate", std::vector<std::string>{"date", "rates", "other"}) ==
        ", did you mean \"date\"?");
}

TEST_CASE("json: text that is no JSON") {
  const auto message = [](std::string_view text) {
    return message_of([&] { parse_json(text, "c.json"); });
  };
  CHECK(mentions(message(""), "c.json is not valid JSON"));
  CHECK(mentions(message("{\"a\": 1,\n \"b\": }"), "c.json is not valid JSON", "line 2, column 7"));
  CHECK(mentions(message("{} {}"), "c.json is not valid JSON"));
  CHECK(mentions(message("{\"a\": \"\xff\"}"), "c.json is not valid JSON", "UTF-8"));
  CHECK(mentions(message("{\"a\": 1e999}"), "c.json is not valid JSON"));
  CHECK(mentions(message(std::string_view("{}\0 ", 4)), "c.json is not valid JSON", "place 2"));
  CHECK(mentions(message(std::string_view("[\"\0\"]", 5)), "c.json is not valid JSON", "place 2"));
  CHECK(mentions(message(std::string(100'000, '[')), "c.json: nested deeper than 200"));
  CHECK(mentions(message(std::string(100'000, '{')), "c.json: nested deeper than 200"));
  CHECK_NOTHROW(parse_json(std::string(200, '[') + std::string(200, ']'), "deep"));
  CHECK_NOTHROW(parse_json("[\"" + std::string(300, '[') + "\\\"{\"]", "brackets in a string"));
  CHECK(mentions(message_of([] { object_of("[1]"); }), "c.json is array, expected an object"));
}

TEST_CASE("json: files") {
  const temporary_folder folder;
  const auto path = put(folder / "c.json", R"({"a": 1})");
  CHECK(json_object::read(path).get<int>("a") == 1);
  CHECK(json_object::read(path).source() == path.string());
  CHECK(mentions(message_of([&] { json_object::read(folder / "none"); }), "cannot open", "none",
                 "No such file"));
  CHECK(mentions(message_of([&] { read_json(folder.path()); }), folder.path().string(),
                 "Is a directory"));
  CHECK(
      mentions(message_of([&] { read_json(put(folder / "bad", "{")); }), "/bad is not valid JSON"));
  CHECK(mentions(message_of([&] { read_json(put(folder / "empty", "")); }),
                 "/empty is not valid JSON"));
}
