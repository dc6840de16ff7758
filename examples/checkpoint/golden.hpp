// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A checkpoint folder's golden.safetensors, tolerances.json and greedy.json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <dsr1/io/json.hpp>
#include <dsr1/io/safetensors.hpp>
#include <dsr1/model/causal_lm.hpp>

namespace checkpoint {

using dsr1::index_t;

class golden {
 public:
  explicit golden(const std::filesystem::path& folder)
      : file_((folder / "golden.safetensors").string()),
        tolerances_(
            dsr1::json_object::read(folder / "tolerances.json").object("float32_vs_float64")) {
    const auto& shape = file_.at("input_ids").shape;
    dsr1::expects(shape.size() == 2, file_.path(), ": input_ids are ", file_.at("input_ids").text(),
                  ", expected two extents");
    const std::vector<double> ids = numbers("input_ids");
    ids_.assign(ids.begin(), ids.end());
    for (index_t b = 0; b < shape[0]; ++b) {
      sequences_.push_back({.begin = b * shape[1], .length = shape[1]});
      for (index_t t = 0; t < shape[1]; ++t)
        targets_.push_back(t + 1 < shape[1] ? ids_[static_cast<std::size_t>(b * shape[1] + t + 1)]
                                            : -1);
    }
  }

  const dsr1::safetensors& file() const { return file_; }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  std::vector<double> numbers(const std::string& name) const {
    const dsr1::stored_tensor& t = file_.at(name);
    std::vector<double> out(static_cast<std::size_t>(t.size()));
    t.copy_to(out.data());
    return out;
  }

  /// Four times what the reference loses in float for tensors of this kind.
  double tolerance(const std::string& kind) const {
    return 4 * tolerances_.object(kind).get<double>("max_abs_error");
  }
  bool has_gradients() const { return tolerances_.has("grad"); }

  dsr1::token_batch batch() const {
    return {dsr1::view<const std::int32_t, 1>(ids_.data(), ids_.size()),
            dsr1::sequence_layout(sequences_)};
  }
  dsr1::view<const std::int32_t, 1> targets() const {
    return dsr1::view<const std::int32_t, 1>(targets_.data(), targets_.size());
  }
  /// One over the number of losses of the model, and of its multi-token-prediction layer.
  double scale(index_t ahead) const {
    const auto tokens = static_cast<double>(ids_.size()),
               sequences = static_cast<double>(sequences_.size());
    return 1 / (tokens - static_cast<double>(ahead) * sequences);
  }

 private:
  dsr1::safetensors file_;
  dsr1::json_object tolerances_;
  std::vector<std::int32_t> ids_, targets_;
  std::vector<dsr1::sequence> sequences_;
};

/// The gradients of a golden file under the names of the tensors that they belong to.
struct gradient_source {
  const dsr1::safetensors& file;

  const dsr1::stored_tensor* find(const std::string& name) const {
    return file.find("grad." + name);
  }
  const std::map<std::string, dsr1::stored_tensor>& tensors() const { return file.tensors(); }
  std::string path() const { return file.path(); }
  std::shared_ptr<const void> owner(const std::string&) const { return nullptr; }
};

}  // namespace checkpoint
