// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// JSON files whose members are read with a type, and whose mistakes are named.
#pragma once

#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <dsr1/core/error.hpp>

namespace dsr1 {

using json = nlohmann::json;

/// Parses text; errors name `source` and the place.
inline json parse_json(std::string_view text, const std::string& source) {
  // Depth is limited by hand: the parser recurses, and absurd nesting must not end the stack.
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      expects(++depth <= 200, source, ": nested deeper than 200 levels");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  try {
    return json::parse(text);
  } catch (const json::exception& e) {
    throw error(source + " is not valid JSON: " + e.what());
  }
}

inline json read_json(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  expects(in.good(), "cannot open ", path);
  std::ostringstream text;
  text << in.rdbuf();
  expects(in.good() || in.eof(), "cannot read ", path);
  return parse_json(std::move(text).str(), path);
}

/// A JSON object together with the name of its file, for typed access to its members.
class json_object {
 public:
  json_object(json value, std::string source) : value_(std::move(value)), source_(std::move(source)) {
    expects(value_.is_object(), source_, " is ", value_.type_name(), ", expected an object");
  }
  static json_object read(const std::string& path) { return {read_json(path), path}; }

  const json& value() const { return value_; }
  const std::string& source() const { return source_; }
  bool has(const std::string& key) const { return value_.contains(key); }

  /// The member as a T: an integer (range-checked), a double, bool, string, or anything that
  /// nlohmann::json converts. Throws `error` naming file and key when it is missing or another type.
  template <class T>
  T get(const std::string& key) const {
    expects(has(key), source_, ": \"", key, "\" is missing");
    const json& v = value_[key];
    if constexpr (std::is_same_v<T, bool>) {
      expects(v.is_boolean(), source_, ": \"", key, "\" is ", v.dump(), ", expected true or false");
    } else if constexpr (std::is_integral_v<T>) {
      expects(v.is_number_integer(), source_, ": \"", key, "\" is ", v.dump(), ", expected a whole number");
      const bool fits = v.is_number_unsigned()
                            ? std::in_range<T>(v.get<std::uint64_t>())
                            : std::in_range<T>(v.get<std::int64_t>());
      expects(fits, source_, ": \"", key, "\" is ", v.dump(), ", expected ",
              std::numeric_limits<T>::min(), " to ", std::numeric_limits<T>::max());
    } else if constexpr (std::is_floating_point_v<T>) {
      expects(v.is_number(), source_, ": \"", key, "\" is ", v.dump(), ", expected a number");
    } else if constexpr (std::is_same_v<T, std::string>) {
      expects(v.is_string(), source_, ": \"", key, "\" is ", v.dump(), ", expected text");
    }
    try {
      return v.get<T>();
    } catch (const json::exception& e) {
      throw error(text(source_, ": \"", key, "\" is ", v.dump(), ": ", e.what()));
    }
  }
  template <class T>
  T get(const std::string& key, T otherwise) const {
    return has(key) ? get<T>(key) : otherwise;
  }

  json_object object(const std::string& key) const {
    expects(has(key), source_, ": \"", key, "\" is missing");
    return {value_[key], source_ + ": \"" + key + "\""};
  }

 private:
  json value_;
  std::string source_;
};

}  // namespace dsr1
