// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file: an error that names it, or tensors that can be read, and every
// name as a weight: an error, or rows that can be read.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/io/safetensors.hpp>
#include <dsr1/io/stored_weight.hpp>

#include "require.hpp"

namespace {

unsigned sum_of(const std::byte* first, dsr1::index_t count) {
  unsigned sum = 0;
  for (dsr1::index_t i = 0; i < count; ++i) sum += std::to_integer<unsigned>(first[i]);
  return sum;
}

unsigned use(const dsr1::stored_tensor& t) {
  dsr1::index_t size = 1;
  for (const dsr1::index_t extent : t.shape) size *= extent;
  require(size == t.size());
  std::vector<double> values(static_cast<std::size_t>(t.size()));
  try {
    t.copy_to(values.data());
  } catch (const dsr1::error& e) {  // 8-bit floats without scales, complex numbers
    require(std::string_view(e.what()).starts_with("cannot convert"));
  }
  return sum_of(t.bytes.data(), static_cast<dsr1::index_t>(t.bytes.size()));
}

unsigned use(const dsr1::coded_tensor& w) {
  unsigned sum = 0;
  for (dsr1::index_t m = 0; m < w.matrices; ++m)
    for (dsr1::index_t r = 0; r < w.rows; ++r) {
      const dsr1::coded_row row = w.row(m, r);
      sum += sum_of(row.codes, w.row_bytes());
      if (row.scales != nullptr) sum += sum_of(row.scales, w.scale_row_bytes());
    }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto names_it = [](const dsr1::error& e) {
    return std::string_view(e.what()).find("the file") != std::string_view::npos;
  };
  volatile unsigned sum = 0;
  try {
    const dsr1::safetensors all(std::as_bytes(std::span(data, size)), "the file");
    for (const auto& [name, tensor] : all.tensors()) {
      sum = sum + use(tensor);
      for (const std::string& base : {name, name.substr(0, name.rfind('_'))}) {
        try {
          sum = sum + use(dsr1::stored_weight(all, base, {.round_f64 = true}));
          require(!dsr1::stored_names(all, base).empty());
        } catch (const dsr1::error& e) {
          require(names_it(e));
        }
      }
    }
  } catch (const dsr1::error& e) {
    require(names_it(e));
  }
  return 0;
}
