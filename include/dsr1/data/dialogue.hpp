// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A conversation as the tokens that a model reads, and which of them it is to say itself.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/data/examples.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// Who says something.
enum class chat_role { system, user, assistant };
inline constexpr std::array<std::string_view, 3> chat_role_names = {"system", "user", "assistant"};

/// Throws `error` naming the source, the role and the nearest known one.
inline chat_role chat_role_of(std::string_view name, const std::string& source) {
  const auto* const it = std::find(chat_role_names.begin(), chat_role_names.end(), name);
  expects(it != chat_role_names.end(), source, ": unknown role \"", name, "\"",
          suggestion(name, chat_role_names));
  return static_cast<chat_role>(it - chat_role_names.begin());
}

struct chat_message {
  chat_role role = chat_role::user;
  std::string text;

  bool operator==(const chat_message&) const = default;
};

using dialogue = std::vector<chat_message>;

/// What stands around the texts of a conversation; a value, so that a file can say it:
///
///     {"system": {"before": "...", "after": "..."}, "user": {...}, "assistant": {...},
///      "symbols": ["<|user|>", ...], "end": "<|end|>"}
///
/// with every member optional. Names in `symbols` become one special token each wherever they
/// stand in `before` and `after`; all else of these is encoded as text. `assistant.before` is also
/// what opens the answer when a model generates. `end` names the special token that ends an answer;
/// without it, it is the codec's end of a text. The default writes a prompt and its answer one
/// directly after the other.
struct chat_template {
  struct around {
    std::string before = {}, after = {};
    bool operator==(const around&) const = default;
  };

  around system = {}, user = {}, assistant = {};
  std::vector<std::string> symbols = {};
  std::string end = {};

  bool operator==(const chat_template&) const = default;

  const around& of(chat_role role) const {
    return role == chat_role::system ? system : role == chat_role::user ? user : assistant;
  }

  json to_json() const {
    const auto pair = [](const around& a) {
      return json{{"before", a.before}, {"after", a.after}};
    };
    return {{"system", pair(system)},
            {"user", pair(user)},
            {"assistant", pair(assistant)},
            {"symbols", symbols},
            {"end", end}};
  }

  /// Throws `error` naming the source and a key that is unknown (with the nearest known one) or has
  /// another type, and on an empty symbol.
  static chat_template from_json(const json_object& o) {
    o.expect_only({"system", "user", "assistant", "symbols", "end"});
    const auto pair = [&](const std::string& role) -> around {
      if (!o.has(role)) return {};
      const json_object member = o.object(role);
      member.expect_only({"before", "after"});
      return {member.get<std::string>("before", ""), member.get<std::string>("after", "")};
    };
    chat_template t{.system = pair("system"),
                    .user = pair("user"),
                    .assistant = pair("assistant"),
                    .symbols = o.get<std::vector<std::string>>("symbols", {}),
                    .end = o.get<std::string>("end", "")};
    for (const std::string& s : t.symbols)
      expects(!s.empty(), o.source(), ": \"symbols\" has an empty name");
    return t;
  }
  static chat_template read(const std::filesystem::path& path) {
    return from_json(json_object::read(path));
  }
};

/// codec.encode(text)  token ids of a text, none of them special     codec.end()  the token that
/// begins and ends a text     codec.symbol(name)  (optional) the id of a special token
template <class C>
concept text_encoder = requires(const C& c, std::string_view text) {
  { c.encode(text) } -> std::convertible_to<std::vector<std::int32_t>>;
  { c.end() } -> std::convertible_to<std::int32_t>;
};

/// Writes conversations as tokens. With E the codec's end, B and A what stands before and after a
/// text of its role, and X the token that ends an answer:
///
///     E  B text A  B text A ...  B answer A X  ...
///
/// `answer A X` of every assistant's message is learned, all else only read. Every part is encoded
/// by itself, so the tokens of a prompt are the same in training and in generation, and what a text
/// says cannot join with the template: a text becomes what `encode` makes of its own bytes,
/// whatever they spell. So no text can hold a special token unless `encode` itself makes special
/// tokens of text, which it must not; where a template marks roles by plain text instead of
/// symbols, a user can write the same bytes. The codec must outlive the encoder.
template <text_encoder Codec>
class dialogue_encoder {
 public:
  /// Throws `error` naming a symbol that the codec does not have.
  explicit dialogue_encoder(const Codec& codec, chat_template t = {})
      : codec_(codec), template_(std::move(t)) {
    end_ = template_.end.empty() ? static_cast<std::int32_t>(codec.end()) : symbol(template_.end);
    for (std::size_t r = 0; r < parts_.size(); ++r) {
      const chat_template::around& a = template_.of(static_cast<chat_role>(r));
      parts_[r] = {encode_template(a.before), encode_template(a.after)};
    }
  }

  const chat_template& form() const { return template_; }
  /// The token that ends an answer: where generation stops.
  std::int32_t end() const { return end_; }

  /// Throws `error` when there is no answer, one is empty, or something follows the last.
  token_example operator()(const dialogue& d) const {
    expects(!d.empty() && d.back().role == chat_role::assistant, "a dialogue of ", d.size(),
            " messages, expected the last to be the assistant's");
    token_example out;
    const std::int32_t begin[] = {codec_.end()};
    out.add(begin, false);
    for (const chat_message& m : d) add(m, out);
    return out;
  }

  /// What a model is given to answer a dialogue. Throws `error` when the last message is an answer.
  std::vector<std::int32_t> prompt(const dialogue& d) const {
    expects(d.empty() || d.back().role != chat_role::assistant,
            "a prompt that ends with an answer, expected a message of the user");
    token_example out;
    const std::int32_t begin[] = {codec_.end()};
    out.add(begin, false);
    for (const chat_message& m : d) add(m, out);
    out.add(part(chat_role::assistant).before, false);
    return std::move(out.tokens);
  }

 private:
  struct encoded {
    std::vector<std::int32_t> before, after;
  };

  const encoded& part(chat_role role) const { return parts_[static_cast<std::size_t>(role)]; }

  void add(const chat_message& m, token_example& out) const {
    const bool learn = m.role == chat_role::assistant;
    expects(!learn || !m.text.empty(), "an empty answer, expected text to learn");
    out.add(part(m.role).before, false);
    out.add(codec_.encode(m.text), learn);
    out.add(part(m.role).after, learn);
    if (learn) out.add(std::span<const std::int32_t>(&end_, 1), true);
  }

  std::int32_t symbol(const std::string& name) const {
    if constexpr (requires {
                    { codec_.symbol(name) } -> std::convertible_to<std::int32_t>;
                  })
      return codec_.symbol(name);
    else
      throw error(
          text("the chat template names the symbol \"", name, "\", but the codec has no symbols"));
  }

  /// Text of the template: its symbols as tokens, what is between them as text.
  std::vector<std::int32_t> encode_template(std::string_view s) const {
    std::vector<std::int32_t> out;
    while (!s.empty()) {
      std::size_t at = s.size();
      const std::string* found = nullptr;
      for (const std::string& name : template_.symbols) {
        const std::size_t here = s.find(name);
        if (here < at || (here == at && found && name.size() > found->size())) {
          at = here;
          found = &name;
        }
      }
      if (at > 0) {
        const std::vector<std::int32_t> plain = codec_.encode(s.substr(0, at));
        out.insert(out.end(), plain.begin(), plain.end());
      }
      if (found) out.push_back(symbol(*found));
      s.remove_prefix(at + (found ? found->size() : 0));
    }
    return out;
  }

  const Codec& codec_;
  chat_template template_;
  std::array<encoded, 3> parts_;
  std::int32_t end_ = 0;
};

}  // namespace dsr1
