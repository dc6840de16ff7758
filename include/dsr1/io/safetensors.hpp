// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reading safetensors files without copying them.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <dsr1/io/dtype.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/io/mapped_file.hpp>

namespace dsr1 {

/// One tensor of a file: where its bytes are and what they mean.
struct stored_tensor {
  dtype type = dtype::f32;
  std::vector<index_t> shape;
  std::span<const std::byte> bytes;

  index_t size() const { return static_cast<index_t>(bytes.size()) / info_of(type).bytes; }

  std::string text() const {
    std::string out(info_of(type).name);
    out += " [";
    for (std::size_t i = 0; i < shape.size(); ++i)
      out += (i ? ", " : "") + std::to_string(shape[i]);
    return out + "]";
  }

  /// Copies the elements as floats or doubles; from any floating or integer type but the 8-bit
  /// floats, which need their scales.
  template <class T>
  void copy_to(T* to) const {
    switch (type) {
      case dtype::f64: return convert<double>(to);
      case dtype::f32: return convert<float>(to);
      case dtype::f16: return convert<half>(to);
      case dtype::bf16: return convert<bf16>(to);
      case dtype::i64: return convert<std::int64_t>(to);
      case dtype::i32: return convert<std::int32_t>(to);
      case dtype::i16: return convert<std::int16_t>(to);
      case dtype::i8: return convert<std::int8_t>(to);
      case dtype::u8: return convert<std::uint8_t>(to);
      case dtype::boolean: return convert<std::uint8_t>(to);
      default: throw error(dsr1::text("cannot convert ", info_of(type).name, " without its scales"));
    }
  }

 private:
  template <class From, class T>
  void convert(T* to) const {
    for (std::size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
      From value;
      std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
      if constexpr (std::is_arithmetic_v<From>)
        to[i] = static_cast<T>(value);
      else
        to[i] = static_cast<T>(static_cast<float>(value));
    }
  }
};

/// A mapped safetensors file: 8 bytes of header length (little-endian), a JSON header, the data.
/// Opening reads the header only. Throws `error` naming the file and the tensor when the header is
/// longer than the file or 100 MB, is no JSON object, or when a tensor has an unknown type, a shape
/// that overflows or does not fit its bytes, or bytes outside the file or shared with another.
class safetensors {
 public:
  explicit safetensors(const std::string& path) : file_(path) { parse(); }

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, stored_tensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Null when there is no tensor of that name.
  const stored_tensor* find(const std::string& name) const {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : &it->second;
  }
  const stored_tensor& at(const std::string& name) const {
    const stored_tensor* t = find(name);
    expects(t != nullptr, path(), " has no tensor \"", name, "\"");
    return *t;
  }

 private:
  static constexpr std::uint64_t most_header = 100'000'000;

  void parse() {
    const auto all = file_.bytes();
    expects(all.size() >= 8, path(), " has ", all.size(), " bytes, too few for a safetensors file");
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | std::to_integer<std::uint64_t>(all[static_cast<std::size_t>(i)]);
    expects(length <= most_header && length <= all.size() - 8, path(), ": the header says ", length,
            " bytes, the file has ", all.size() - 8, " after its length (at most ", most_header,
            " are allowed)");
    const std::string_view header(reinterpret_cast<const char*>(all.data()) + 8, length);
    const auto data = all.subspan(8 + length);
    check_names(header);
    const json_object object(parse_json(header, path()), path());
    std::vector<std::pair<std::uint64_t, std::uint64_t>> used;
    for (const auto& [name, entry] : object.value().items()) {
      if (name == "__metadata__") {
        read_metadata(entry);
        continue;
      }
      const json_object one(entry, path() + ": tensor \"" + name + "\"");
      tensors_.emplace(name, read_tensor(one, data, used));
    }
    std::sort(used.begin(), used.end());
    std::uint64_t end = 0;
    for (const auto& [first, last] : used) {
      expects(first == end, path(), ": the bytes of the tensors ", first < end ? "overlap" : "leave a gap",
              " at ", first, ", expected ", end);
      end = last;
    }
    expects(end == data.size(), path(), ": the tensors use ", end, " bytes of data, the file has ",
            data.size());
  }

  /// The JSON parser keeps the last of two equal keys; here two tensors of one name are an error.
  void check_names(std::string_view header) const {
    try {
      std::map<std::string, int> seen;
      [[maybe_unused]] const json ignored = json::parse(header, [&](int depth, json::parse_event_t event, json& parsed) {
        if (event == json::parse_event_t::key && depth == 1) {
          const std::string& name = parsed.get_ref<const std::string&>();
          expects(++seen[name] == 1, path(), ": two tensors are called \"", name, "\"");
        }
        return depth <= 1 || event != json::parse_event_t::value;
      });
    } catch (const json::exception&) {
      // parse_json reports it with the place
    }
  }

  void read_metadata(const json& entry) {
    expects(entry.is_object(), path(), ": __metadata__ is ", entry.type_name(), ", expected an object");
    for (const auto& [key, value] : entry.items()) {
      expects(value.is_string(), path(), ": __metadata__ \"", key, "\" is ", value.dump(), ", expected text");
      metadata_.emplace(key, value.get<std::string>());
    }
  }

  static stored_tensor read_tensor(const json_object& one, std::span<const std::byte> data,
                                   std::vector<std::pair<std::uint64_t, std::uint64_t>>& used) {
    stored_tensor t;
    const auto name = one.get<std::string>("dtype");
    const auto type = dtype_of(name);
    expects(type.has_value(), one.source(), ": unknown dtype \"", name, "\"");
    t.type = *type;
    const json shape = one.get<json>("shape"), offsets = one.get<json>("data_offsets");
    expects(shape.is_array(), one.source(), ": the shape is ", shape.dump(), ", expected a list");
    std::uint64_t bytes = static_cast<std::uint64_t>(info_of(t.type).bytes);
    for (const json& extent : shape) {
      expects(extent.is_number_unsigned(), one.source(), ": an extent is ", extent.dump(),
              ", expected a whole number");
      const auto e = extent.get<std::uint64_t>();
      expects(e < std::uint64_t{1} << 60 && !__builtin_mul_overflow(bytes, e, &bytes) &&
                  bytes < std::uint64_t{1} << 60,
              one.source(), ": the shape ", shape.dump(), " is too large");
      t.shape.push_back(static_cast<index_t>(e));
    }
    expects(offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() &&
                offsets[1].is_number_unsigned(),
            one.source(), ": data_offsets is ", offsets.dump(), ", expected two whole numbers");
    const auto first = offsets[0].get<std::uint64_t>(), last = offsets[1].get<std::uint64_t>();
    expects(first <= last && last <= data.size(), one.source(), ": data_offsets ", offsets.dump(),
            " are outside the ", data.size(), " bytes of data");
    expects(last - first == bytes, one.source(), ": ", last - first, " bytes for ", name, " ",
            shape.dump(), ", expected ", bytes);
    if (last > first) used.emplace_back(first, last);
    t.bytes = data.subspan(first, last - first);
    return t;
  }

  mapped_file file_;
  std::map<std::string, stored_tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace dsr1
