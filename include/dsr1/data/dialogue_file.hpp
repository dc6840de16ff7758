// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Files of conversations, one JSON object a line, and which of them are kept for validation.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/core/hash.hpp>
#include <dsr1/data/dialogue.hpp>
#include <dsr1/data/manifest.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// Calls f(object) for every line of a file of JSON objects; blank lines are skipped. The object's
/// source is "file:line". Throws `error` naming them when a line is no JSON object or names a
/// member twice.
template <class F>
void for_each_json_line(const std::string& path, F&& f) {
  std::ifstream in(path, std::ios::binary);
  expects(in.good(), "cannot open ", path);
  std::string line;
  for (index_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = text(path, ":", number);
    f(json_object(parse_unambiguous_json(line, place), place));
  }
  expects(!in.bad(), "cannot read ", path);
}

namespace data_detail {

inline chat_message message_of(const json_object& o) {
  o.expect_only({"role", "content"});
  const chat_role role = chat_role_of(o.get<std::string>("role"), text(o.source(), ": \"role\""));
  auto content = o.get<std::string>("content");
  expects(role != chat_role::assistant || !content.empty(), o.source(),
          ": \"content\" of the assistant is empty, expected an answer");
  return {role, std::move(content)};
}

}  // namespace data_detail

/// A dialogue from {"prompt": ..., "answer": ...} or {"messages": [{"role": ..., "content": ...},
/// ...]}, which must end with an answer. Throws `error` naming the source and the key that is
/// missing, unknown, of another type, or an empty answer.
inline dialogue dialogue_of(const json_object& o) {
  if (!o.has("messages")) {
    o.expect_only({"prompt", "answer", "messages"});
    dialogue d = {{chat_role::user, o.get<std::string>("prompt")},
                  {chat_role::assistant, o.get<std::string>("answer")}};
    expects(!d[1].text.empty(), o.source(), ": \"answer\" is empty, expected text");
    return d;
  }
  o.expect_only({"messages"});
  dialogue d;
  for (const json_object& m : data_detail::list_of(o, "messages"))
    d.push_back(data_detail::message_of(m));
  expects(!d.empty() && d.back().role == chat_role::assistant, o.source(), ": \"messages\" has ",
          d.size(), " members, expected the last to be the assistant's");
  return d;
}

/// A line of the first kind, with its line end.
inline std::string dialogue_line(std::string_view prompt, std::string_view answer) {
  nlohmann::ordered_json line;
  line["prompt"] = prompt;
  line["answer"] = answer;
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// Whether a dialogue is one of about `share` of all that are kept for validation. What comes
/// before its first answer decides, and nothing else: the dialogues that begin alike stay together,
/// and more lines in a file move none.
inline bool is_validation(const dialogue& d, double share) {
  content_hash hash;
  for (const chat_message& m : d) {
    if (m.role == chat_role::assistant) break;
    const std::uint64_t head[] = {static_cast<std::uint64_t>(m.role), m.text.size()};
    hash.add(head, sizeof(head));
    hash.add(m.text.data(), m.text.size());
  }
  return static_cast<double>(hash.value() >> 11) * 0x1p-53 < share;
}

}  // namespace dsr1
