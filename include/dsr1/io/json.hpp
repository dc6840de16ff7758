// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// JSON files whose members are read with a type, and whose mistakes are named.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <dsr1/io/open_file.hpp>

namespace dsr1 {

using json = nlohmann::json;

/// How many letters to insert, remove or change to get from one word to the other.
inline std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

/// `, did you mean "x"?` for the candidate nearest to a name; nothing when none is near.
template <class Candidates>
std::string suggestion(std::string_view name, const Candidates& candidates) {
  std::string_view best;
  std::size_t distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (const std::size_t d = edit_distance(name, candidate); d < distance) {
      distance = d;
      best = candidate;
    }
  }
  return best.empty() ? "" : text(", did you mean \"", best, "\"?");
}

/// Text for messages, cut when it is long.
inline std::string shortened(std::string text, std::size_t most) {
  if (text.size() > most) text = text.substr(0, most - 3) + "...";
  return text;
}
inline std::string shown(const json& value) {
  return shortened(value.dump(-1, ' ', false, json::error_handler_t::replace), 60);
}

/// Parses text; errors name `source` and the place. `watch` sees every event of the parser.
inline json parse_json(std::string_view text, const std::string& source,
                       const json::parser_callback_t& watch = nullptr) {
  // The parser takes a zero byte for the end and would not see what follows.
  const std::size_t zero = text.find('\0');
  expects(zero == text.npos, source, " is not valid JSON: byte 0 at place ", zero);
  // Depth is limited by hand: values are printed and destroyed by recursion.
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      expects(++depth <= 200, source, ": nested deeper than 200 levels");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  try {
    return json::parse(text, watch);
  } catch (const json::exception& e) {
    throw error(source + " is not valid JSON: " + shortened(e.what(), 300));
  }
}

/// The same, and an object that has two members of one name is an error: the parser would keep the
/// last of them, other readers the first.
inline json parse_unambiguous_json(std::string_view text, const std::string& source) {
  std::vector<std::set<std::string>> seen;  // by depth
  return parse_json(text, source, [&](int depth, json::parse_event_t event, json& parsed) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start) {
      if (seen.size() < level + 2) seen.resize(level + 2);
      seen[level + 1].clear();
    } else if (event == json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      expects(seen[level].insert(name).second, source, ": two members are called \"", name, "\"");
    }
    return true;
  });
}

inline json read_json(const std::filesystem::path& path) {
  return parse_json(open_file(path.string(), O_RDONLY).read(), path.string());
}

/// A JSON object together with the name of its file, for typed access to its members.
class json_object {
 public:
  json_object(json value, std::string source)
      : value_(std::move(value)), source_(std::move(source)) {
    expects(value_.is_object(), source_, " is ", value_.type_name(), ", expected an object");
  }
  static json_object read(const std::filesystem::path& path) {
    return {read_json(path), path.string()};
  }

  const json& value() const { return value_; }
  const std::string& source() const { return source_; }
  bool has(const std::string& key) const { return value_.contains(key); }

  /// The member as a T: an integer (range-checked), a number, bool, string, a vector of these, or
  /// anything that nlohmann::json converts. Throws `error` naming file and key when it is missing
  /// (with the nearest key that is there), has another type or does not fit.
  template <class T>
  T get(const std::string& key) const {
    return convert<T>(member(key), "\"" + key + "\"");
  }
  /// The same, or `otherwise` when the member is missing.
  template <class T>
  T get(const std::string& key, T otherwise) const {
    return has(key) ? get<T>(key) : otherwise;
  }
  /// The same, and it must lie in [low, high].
  template <class T>
  T get_between(const std::string& key, T low, T high) const {
    const T v = get<T>(key);
    expects(v >= low && v <= high, source_, ": \"", key, "\" is ", v, ", expected ", low, " to ",
            high);
    return v;
  }

  json_object object(const std::string& key) const {
    return {member(key), source_ + ": \"" + key + "\""};
  }

  /// Throws `error` for a member that is none of these, naming the nearest that is.
  void expect_only(std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : value_.items())
      expects(std::find(known.begin(), known.end(), key) != known.end(), source_,
              ": unknown key \"", key, "\"", suggestion(key, known));
  }

 private:
  const json& member(const std::string& key) const {
    const auto it = value_.find(key);
    if (it == value_.end()) {
      std::vector<std::string> keys;
      for (const auto& [name, value] : value_.items()) keys.push_back(name);
      throw error(text(source_, ": \"", key, "\" is missing", suggestion(key, keys)));
    }
    return *it;
  }

  template <class T>
  T convert(const json& v, const std::string& label) const {
    const auto must = [&](bool holds, const auto&... expected) {
      if (!holds)
        throw error(text(source_, ": ", label, " is ", shown(v), ", expected ", expected...));
    };
    if constexpr (std::same_as<T, bool>) {
      must(v.is_boolean(), "true or false");
    } else if constexpr (std::integral<T>) {
      must(v.is_number_integer(), "a whole number");
      must(v.is_number_unsigned() ? std::in_range<T>(v.get<std::uint64_t>())
                                  : std::in_range<T>(v.get<std::int64_t>()),
           +std::numeric_limits<T>::min(), " to ", +std::numeric_limits<T>::max());
    } else if constexpr (std::floating_point<T>) {
      must(v.is_number(), "a number");
      must(std::isfinite(v.get<T>()), "a number up to ", std::numeric_limits<T>::max());
    } else if constexpr (std::same_as<T, std::string>) {
      must(v.is_string(), "text");
    } else if constexpr (requires {
                           typename T::value_type;
                           requires std::same_as<T, std::vector<typename T::value_type>>;
                         }) {
      must(v.is_array(), "a list");
      T out;
      for (std::size_t i = 0; i < v.size(); ++i)
        out.push_back(convert<typename T::value_type>(v[i], text(label, "[", i, "]")));
      return out;
    }
    try {
      return v.get<T>();
    } catch (const json::exception& e) {
      throw error(text(source_, ": ", label, " is ", shown(v), ": ", shortened(e.what(), 300)));
    }
  }

  json value_;
  std::string source_;
};

}  // namespace dsr1
