// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Templates around a text.

#include "catch.hpp"

#include <dsr1/text/post_processor.hpp>

using namespace dsr1;

namespace {

post_processor of(const std::string& value) {
  vocabulary v;
  v.add("<s>", 0, "t");
  v.add("</s>", 1, "t");
  v.finish("t");
  return {json::parse(value), v, "t.json: \"post_processor\""};
}

std::string with_single(const std::string& single) {
  return R"({"type": "TemplateProcessing", "single": )" + single +
         R"(, "pair": [], "special_tokens": {
    "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [1, 1], "tokens": ["</s>"]},
    "<x>": {"id": "<x>", "ids": [9], "tokens": ["<x>"]}}})";
}

const std::string bos = R"({"SpecialToken": {"id": "<s>", "type_id": 0}})",
                  eos = R"({"SpecialToken": {"id": "</s>", "type_id": 0}})",
                  sequence = R"({"Sequence": {"id": "A", "type_id": 0}})";
using ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("post_processor: before and after the text") {
  CHECK(of("null").before().empty());
  CHECK(of(R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false})")
            .before()
            .empty());
  const auto p = of(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, )" +
                    with_single("[" + bos + "," + sequence + "," + eos + "]") + "]}");
  CHECK(p.before() == ids{0});
  CHECK(p.after() == ids{1, 1});
}

TEST_CASE("post_processor: errors") {
  const auto refused = [](const std::string& v) { return message_of([&] { of(v); }); };
  CHECK(mentions(refused(R"({"type": "BertProcessing"})"), "unsupported type \"BertProcessing\""));
  CHECK(mentions(refused(with_single("[" + bos + "]")), "no place for the text"));
  CHECK(mentions(refused(with_single("[" + sequence + "," + sequence + "]")),
                 "expected \"A\", once"));
  CHECK(
      mentions(refused(with_single(R"([{"SpecialToken": {"id": "<y>"}}])")), "\"<y>\" is missing"));
  CHECK(mentions(refused(with_single(R"([{"SpecialToken": {"id": "<x>"}}])")),
                 "id 9 is not in the vocabulary"));
  CHECK(mentions(refused(with_single("[{}]")), "expected \"SpecialToken\" or \"Sequence\""));
  CHECK(mentions(refused(with_single("[3]")), "is number, expected an object"));
}
