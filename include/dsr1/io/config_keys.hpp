// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The members of a model's config.json, and which of them nobody has asked for.
#pragma once

#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/io/json.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The largest sizes that a config.json may ask for: far above every published model, and so small
/// that no product of them overflows.
struct config_limits {
  static constexpr index_t vocab = index_t{1} << 24;
  static constexpr index_t width = index_t{1} << 17;
  static constexpr index_t layers = 1024;
  static constexpr index_t experts = 16'384;
  static constexpr index_t context = index_t{1} << 31;
};

/// A JSON object that remembers which members were read. A member that is null counts as missing.
/// Errors name the file, the key, the value and what was expected.
class config_keys {
 public:
  explicit config_keys(json_object object, std::string prefix = "")
      : object_(std::move(object)), prefix_(std::move(prefix)) {}

  const std::string& source() const { return object_.source(); }

  bool has(const std::string& key) {
    asked_.insert(key);
    return object_.has(key) && !object_.value()[key].is_null();
  }

  template <class T>
  T get(const std::string& key) {
    asked_.insert(key);
    return object_.get<T>(key);
  }
  template <class T>
  T get(const std::string& key, T otherwise) {
    return has(key) ? object_.get<T>(key) : otherwise;
  }

  /// A whole number in [low, high].
  index_t size(const std::string& key, index_t low, index_t high) {
    asked_.insert(key);
    return object_.get_between<index_t>(key, low, high);
  }
  index_t size_or(const std::string& key, index_t otherwise, index_t low, index_t high) {
    return has(key) ? size(key, low, high) : otherwise;
  }
  /// The same under any of several names; those that are there must agree.
  index_t size_of(std::initializer_list<std::string> names, index_t low, index_t high) {
    std::optional<index_t> value;
    std::string first;
    for (const std::string& name : names) {
      if (!has(name)) continue;
      const index_t one = size(name, low, high);
      expects(!value || *value == one, source(), ": \"", name, "\" is ", one, ", but \"", first,
              "\" is ", value.value_or(0), "; expected the same");
      if (!value) first = name;
      value = one;
    }
    return value ? *value : size(*names.begin(), low, high);  // names what is missing
  }

  double number(const std::string& key, double low, double high) {
    asked_.insert(key);
    return object_.get_between<double>(key, low, high);
  }
  double number_or(const std::string& key, double otherwise, double low, double high) {
    return has(key) ? number(key, low, high) : otherwise;
  }

  /// The member must be missing or have this value, because nothing else is implemented.
  template <class T>
  void only(const std::string& key, const T& value) {
    if (!has(key)) return;
    const json expected = value;
    expects(object_.get<T>(key) == value, source(), ": \"", key, "\" is ",
            shown(object_.value()[key]), ", expected ", shown(expected));
  }

  config_keys object(const std::string& key) {
    asked_.insert(key);
    return config_keys(object_.object(key), prefix_ + key + ".");
  }

  /// Members that change nothing here.
  void ignore(std::initializer_list<std::string_view> keys) {
    asked_.insert(keys.begin(), keys.end());
  }

  /// The names of the members that nobody has asked for or ignored, with the names of the objects
  /// they are in.
  void add_unknown(std::vector<std::string>& to) const {
    for (const auto& [key, value] : object_.value().items())
      if (!asked_.contains(key)) to.push_back(prefix_ + key);
  }

 private:
  json_object object_;
  std::string prefix_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace dsr1
