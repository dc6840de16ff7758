// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reading safetensors files without copying them.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
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

  /// Elements [first, first + count) as a tensor of one extent.
  stored_tensor part(index_t first, index_t count) const {
    expects(first >= 0 && count >= 0 && first + count <= size(), "elements ", first, " to ",
            first + count, " of tensor ", text());
    const auto width = static_cast<std::size_t>(info_of(type).bytes);
    return {type,
            {count},
            bytes.subspan(static_cast<std::size_t>(first) * width,
                          static_cast<std::size_t>(count) * width)};
  }

  /// "BF16 [128, 64]"
  std::string text() const {
    std::string out(info_of(type).name);
    out += " [";
    for (std::size_t i = 0; i < shape.size(); ++i)
      out += (i ? ", " : "") + std::to_string(shape[i]);
    return out + "]";
  }

  /// True when the elements can be read where they are: they are T, and the file has them on a
  /// boundary of T (its writer decides; ours begins the data at a multiple of 8).
  template <class T>
  bool holds() const {
    return type == dtype_for<T>() &&
           reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) == 0;
  }
  /// The elements where they are, if `holds<T>()`; throws `error` otherwise.
  template <class T>
  std::span<const T> elements() const {
    expects(type == dtype_for<T>(), "tensor ", text(), " read as ", info_of(dtype_for<T>()).name);
    expects(holds<T>(), "tensor ", text(), " does not begin at a multiple of ", alignof(T),
            " bytes");
    return {reinterpret_cast<const T*>(bytes.data()), static_cast<std::size_t>(size())};
  }

  /// Copies the elements as floats or doubles; from any floating or integer type but the 8-bit
  /// floats, which need their scales; complex numbers are no floats.
  template <std::floating_point T>
  void copy_to(T* to) const {
    switch (type) {
      case dtype::f64:
        return convert<double>(to);
      case dtype::f32:
        return convert<float>(to);
      case dtype::f16:
        return convert<half>(to);
      case dtype::bf16:
        return convert<bf16>(to);
      case dtype::i64:
        return convert<std::int64_t>(to);
      case dtype::i32:
        return convert<std::int32_t>(to);
      case dtype::i16:
        return convert<std::int16_t>(to);
      case dtype::i8:
        return convert<std::int8_t>(to);
      case dtype::u8:
        return convert<std::uint8_t>(to);
      case dtype::boolean:
        return convert<std::uint8_t>(to);
      case dtype::u64:
        return convert<std::uint64_t>(to);
      case dtype::u32:
        return convert<std::uint32_t>(to);
      case dtype::u16:
        return convert<std::uint16_t>(to);
      case dtype::f8_e4m3:
      case dtype::f8_e5m2:
      case dtype::f8_e8m0:
        break;
      case dtype::c64:
        throw error(dsr1::text("cannot convert ", text(), " to real numbers"));
    }
    throw error(dsr1::text("cannot convert ", text(), " without its scales"));
  }

 private:
  template <class From, class T>
  void convert(T* to) const {
    if (std::is_same_v<From, T> && !bytes.empty()) {
      std::memcpy(to, bytes.data(), bytes.size());
      return;
    }
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

/// Where tensors come from: one file, or (with the same members) the files of a sharded checkpoint.
template <class S>
concept tensor_source = requires(const S& source, const std::string& name) {
  { source.find(name) } -> std::convertible_to<const stored_tensor*>;  // null when it has none
  { source.tensors() } -> std::convertible_to<const std::map<std::string, stored_tensor>&>;
  { source.path() } -> std::convertible_to<std::string>;  // for messages
};

/// A mapped safetensors file: 8 bytes of header length (little-endian), a JSON header, the data.
/// Opening reads the header only, not the data. Throws `error` naming the file and the tensor when
/// the header is longer than the file or 100 MB, is no JSON object or names a tensor twice, and
/// when a tensor has an unknown type, a shape that overflows or does not fit its bytes, or bytes
/// outside the file or shared with another; the tensors must cover the data. The rules are those of
/// https://github.com/huggingface/safetensors#format.
class safetensors {
 public:
  explicit safetensors(const std::string& path) : path_(path), file_(path), all_(file_.bytes()) {
    parse();
  }
  /// The same of a file that is in memory already and stays there; `name` is for messages.
  safetensors(std::span<const std::byte> bytes, std::string name)
      : path_(std::move(name)), all_(bytes) {
    parse();
  }

  const std::string& path() const { return path_; }
  std::size_t size() const { return all_.size(); }  ///< of the file, in bytes
  const std::map<std::string, stored_tensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Null when there is no tensor of that name.
  const stored_tensor* find(const std::string& name) const {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : &it->second;
  }
  /// Throws `error` naming the file and the nearest name in it.
  const stored_tensor& at(const std::string& name) const {
    const stored_tensor* t = find(name);
    expects(t != nullptr, path(), " has no tensor \"", name, "\"",
            t ? "" : suggestion(name, names()));
    return *t;
  }

 private:
  static constexpr std::uint64_t most_header = 100'000'000;
  using range = std::pair<std::uint64_t, std::string>;  // last byte and name, by first byte

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, tensor] : tensors_) all.push_back(name);
    return all;
  }

  void parse() {
    const auto all = all_;
    expects(all.size() >= 8, path(), " has ", all.size(), " bytes, too few for a safetensors file");
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(all[i]);
    expects(length <= most_header && length <= all.size() - 8, path(), ": the header says ", length,
            " bytes, the file has ", all.size() - 8, " after its length (at most ", most_header,
            " are allowed)");
    const std::string_view header(reinterpret_cast<const char*>(all.data()) + 8, length);
    const json_object object(parse_header(header), path());
    const auto data = all.subspan(8 + length);
    std::map<std::uint64_t, range> used;
    for (const auto& [name, entry] : object.value().items()) {
      if (name == "__metadata__") {
        read_metadata(entry);
        continue;
      }
      const json_object one(entry, path() + ": tensor \"" + name + "\"");
      const auto first = read_tensor(one, name, data);
      const std::size_t bytes = tensors_.at(name).bytes.size();
      if (bytes == 0) continue;
      const auto [other, fresh] = used.emplace(first, range{first + bytes, name});
      expects(fresh, one.source(), ": its bytes overlap those of \"", other->second.second, "\"");
    }
    expect_cover(used, data.size());
  }

  /// The JSON parser keeps the last of two equal keys; here two tensors of one name are an error.
  json parse_header(std::string_view header) const {
    std::set<std::string> seen[3];
    return parse_json(header, path(), [&](int depth, json::parse_event_t event, json& parsed) {
      if (event == json::parse_event_t::object_start && depth == 1) seen[2].clear();
      if (event == json::parse_event_t::key && (depth == 1 || depth == 2)) {
        const std::string& name = parsed.get_ref<const std::string&>();
        expects(seen[depth].insert(name).second, path(), ": ",
                depth == 1 ? "two tensors are called \"" : "two members of a tensor are called \"",
                name, "\"");
      }
      return true;
    });
  }

  void read_metadata(const json& entry) {
    expects(entry.is_object(), path(), ": __metadata__ is ", entry.type_name(),
            ", expected an object");
    for (const auto& [key, value] : entry.items()) {
      expects(value.is_string(), path(), ": __metadata__ \"", key, "\" is ", shown(value),
              ", expected text");
      metadata_.emplace(key, value.get<std::string>());
    }
  }

  /// Returns where in the data the tensor begins.
  std::uint64_t read_tensor(const json_object& one, const std::string& name,
                            std::span<const std::byte> data) {
    stored_tensor t;
    const auto type_name = one.get<std::string>("dtype");
    const auto type = dtype_of(type_name);
    expects(type.has_value(), one.source(), ": unknown dtype \"", type_name, "\"");
    t.type = *type;
    const auto shape = one.get<std::vector<std::uint64_t>>("shape");
    const auto offsets = one.get<std::vector<std::uint64_t>>("data_offsets");
    // The product of the extents that are not zero may not overflow either.
    constexpr std::uint64_t most = std::uint64_t{1} << 60;
    std::uint64_t bytes = static_cast<std::uint64_t>(info_of(t.type).bytes);
    bool none = false;
    for (const std::uint64_t extent : shape) {
      none = none || extent == 0;
      expects(extent == 0 ||
                  (extent < most && !__builtin_mul_overflow(bytes, extent, &bytes) && bytes < most),
              one.source(), ": the shape ", shown(one.value()["shape"]), " is too large");
      t.shape.push_back(static_cast<index_t>(extent));
    }
    if (none) bytes = 0;
    expects(offsets.size() == 2, one.source(), ": data_offsets are ",
            shown(one.value()["data_offsets"]), ", expected two numbers");
    const std::uint64_t first = offsets[0], last = offsets[1];
    expects(first <= last && last <= data.size(), one.source(), ": data_offsets ", first, " to ",
            last, " are outside the ", data.size(), " bytes of data");
    t.bytes = data.subspan(first, last - first);
    expects(last - first == bytes, one.source(), ": ", last - first, " bytes for ", t.text(),
            ", expected ", bytes);
    tensors_.emplace(name, std::move(t));
    return first;
  }

  void expect_cover(const std::map<std::uint64_t, range>& used, std::uint64_t size) const {
    std::uint64_t end = 0;
    for (const auto& [first, rest] : used) {
      expects(first >= end, path(), ": tensor \"", rest.second,
              "\": its bytes overlap those before ", end);
      expects(first <= end, path(), ": no tensor has the ", first - end, " bytes before \"",
              rest.second, "\"");
      end = rest.first;
    }
    expects(end == size, path(), ": the tensors use ", end, " bytes of data, the file has ", size);
  }

  std::string path_;
  mapped_file file_;  // nothing when the bytes are another's
  std::span<const std::byte> all_;
  std::map<std::string, stored_tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

static_assert(tensor_source<safetensors>);

}  // namespace dsr1
