// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A trainable tensor: value, gradient, and what optimizers, checkpoints and monitors must know.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/tensor/buffer.hpp>
#include <dsr1/tensor/coded.hpp>

namespace dsr1 {

/// The name of a parameter as a chain of segments on the stack: "layers.3.moe.router.weight".
/// Built while visiting, so that naming costs no allocation until somebody asks for the text.
class parameter_name {
 public:
  constexpr explicit parameter_name(std::string_view segment) : segment_(segment) {}
  constexpr parameter_name(std::string_view segment, const parameter_name& rest)
      : segment_(segment), rest_(&rest) {}
  constexpr parameter_name(index_t number, const parameter_name& rest)
      : number_(number), rest_(&rest) {}

  std::string str() const {
    std::string out;
    for (const parameter_name* n = this; n; n = n->rest_) {
      if (!out.empty()) out += '.';
      if (n->number_ >= 0)
        out += std::to_string(n->number_);
      else
        out += n->segment_;
    }
    return out;
  }

 private:
  std::string_view segment_;
  index_t number_ = -1;
  const parameter_name* rest_ = nullptr;
};

/// Who changes a parameter after a step.
enum class update_rule {
  optimizer,  ///< the optimizer, from the gradient of the loss
  balance,    ///< the load balancer; its "gradient" is the number of tokens per expert
  none        ///< nobody (its "gradient" may still carry statistics)
};

/// The distribution of a parameter's first values.
struct initial {
  enum class kind { zeros, ones, normal };
  kind distribution = kind::zeros;
  double deviation = 0;

  static constexpr initial zeros() { return {}; }
  static constexpr initial ones() { return {kind::ones, 0}; }
  static constexpr initial normal(double deviation) { return {kind::normal, deviation}; }
  /// Keeps the variance of a product over `fan_in` terms: normal with deviation 1 / sqrt(fan_in).
  static initial scaled(index_t fan_in) {
    return normal(1 / std::sqrt(static_cast<double>(fan_in)));
  }
};

struct parameter_traits {
  initial init = {};
  update_rule update = update_rule::optimizer;
  bool per_expert = false;  ///< the first extent counts experts: only top_k of them work on a token
  bool counts_load = false;  ///< its "gradient" is the number of tokens of each expert
  double rate = 1;           ///< multiplies the learning rate; the step size itself under `balance`
  bool may_be_coded = false;  ///< the layer computes on it as it is stored, too
};

/// Whether a kernel adds to what is there or replaces it.
enum class accumulate : bool { no, yes };

/// Which slices along the first extent of a larger tensor a parameter holds: its slice i is number
/// held[i] of `whole`. A rank that computes some of the experts has such parameters.
struct parameter_slices {
  index_t whole = 0;
  std::vector<index_t> held;
};

/// Value and gradient of the same extents. Memory comes with `allocate`. A gradient is cleared by
/// a flag: the first kernel that writes it is told to replace, later ones to add.
/// Instead of a value a parameter may hold codes (see tensor/coded.hpp), for inference only.
template <class T>
class parameter {
 public:
  parameter() = default;
  parameter(std::initializer_list<index_t> extents, parameter_traits traits = {})
      : rank_(static_cast<int>(extents.size())), traits_(traits) {
    expects(rank_ >= 1 && rank_ <= 4, "a parameter of rank ", rank_, ", expected 1 to 4");
    int i = 0;
    index_t count = 1;
    for (const index_t e : extents) {
      expects(e >= 0, "a parameter with an extent of ", e, ", expected none below zero");
      expects(!__builtin_mul_overflow(count, e, &count), "a parameter with too many elements (an ",
              "extent is ", e, ")");
      extents_[i++] = e;
    }
  }

  index_t size() const {
    index_t n = rank_ > 0 ? 1 : 0;
    for (int i = 0; i < rank_; ++i) n *= extents_[i];
    return n;
  }
  int rank() const { return rank_; }
  index_t extent(int i) const { return extents_[i]; }
  const parameter_traits& traits() const { return traits_; }
  parameter_traits& traits() { return traits_; }

  /// Says that this is part of a larger tensor. Throws `error` unless there is one valid number per
  /// slice.
  void part_of(std::shared_ptr<const parameter_slices> slices) {
    expects(static_cast<index_t>(slices->held.size()) == extents_[0], "a parameter of ",
            extents_[0], " slices said to hold ", slices->held.size());
    for (const index_t s : slices->held)
      expects(s >= 0 && s < slices->whole, "a parameter that holds slice ", s, " of ",
              slices->whole);
    slices_ = std::move(slices);
  }
  /// Null when the parameter is the whole tensor.
  const parameter_slices* slices() const { return slices_.get(); }
  index_t slice_size() const {
    index_t n = 1;
    for (int i = 1; i < rank_; ++i) n *= extents_[i];
    return n;
  }
  /// Extents and size of the tensor that this is (a part of).
  index_t whole_extent(int i) const { return i == 0 && slices_ ? slices_->whole : extents_[i]; }
  index_t whole_size() const { return slices_ ? slices_->whole * slice_size() : size(); }

  /// Takes memory for the value and, for training, for the gradient. The value is undefined.
  void allocate(memory& from, bool with_gradient) {
    value_ = buffer<T>(size(), from);
    gradient_ = with_gradient ? buffer<T>(size(), from) : buffer<T>();
    written_ = false;
    coded_.reset();
  }
  bool allocated() const { return coded_ || value_.size() == size(); }
  bool trainable() const { return gradient_.size() == size(); }

  /// Holds these codes from now on, and no memory of its own. Throws `error` when the layer has no
  /// use for codes or the extents differ (a matrix, or one per expert).
  void hold(coded_tensor codes) {
    codes.check();
    expects(traits_.may_be_coded, "a parameter that its layer needs as plain numbers given as ",
            codes.text());
    expects(rank_ >= 2 && codes.columns == extents_[rank_ - 1] &&
                codes.rows == extents_[rank_ - 2] && codes.size() == size(),
            codes.text(), " for a parameter of ", size(), " elements with ", extents_[rank_ - 1],
            " columns");
    value_ = buffer<T>();
    gradient_ = buffer<T>();
    coded_ = std::make_shared<coded_tensor>(std::move(codes));
  }
  /// The codes, or null when the parameter has a plain value.
  const coded_tensor* coded() const { return coded_.get(); }
  /// The same, for who moves codes to other memory (see moe/expert_store.hpp).
  std::shared_ptr<coded_tensor> shared_codes() { return coded_; }

  template <int Rank>
  view<T, Rank> value() {
    return shaped<T, Rank>(value_.data());
  }
  template <int Rank>
  view<const T, Rank> value() const {
    return shaped<const T, Rank>(value_.data());
  }
  template <int Rank>
  view<T, Rank> gradient() {
    expects(trainable(), "this parameter was allocated without a gradient");
    return shaped<T, Rank>(gradient_.data());
  }
  buffer<T>& values() { return value_; }
  const buffer<T>& values() const { return value_; }
  buffer<T>& gradients() { return gradient_; }

  /// For the kernel that is about to write the gradient: replace (the first) or add (the others).
  accumulate next_gradient() {
    return std::exchange(written_, true) ? accumulate::yes : accumulate::no;
  }
  bool gradient_written() const { return written_; }
  void clear_gradient() { written_ = false; }

 private:
  template <class U, int Rank>
  view<U, Rank> shaped(U* data) const {
    expects(rank_ == Rank, "a parameter of rank ", rank_, " used as one of rank ", Rank);
    expects(!coded_, "this parameter is stored as ", coded_ ? coded_->text() : "",
            "; its numbers are needed");
    expects(allocated(), "this parameter has no memory yet; call dsr1::initialize first");
    view<U, Rank> v;
    v.data = data;
    for (int i = 0; i < Rank; ++i) v.extents[i] = extents_[i];
    v.stride = v.row_size();
    return v;
  }

  std::array<index_t, 4> extents_ = {};
  int rank_ = 0;
  parameter_traits traits_;
  buffer<T> value_;
  buffer<T> gradient_;
  bool written_ = false;
  std::shared_ptr<coded_tensor> coded_;
  std::shared_ptr<const parameter_slices> slices_;
};

/// Calls f(local begin, begin in the whole tensor, count) for the parts of [begin, begin + size) of
/// a parameter that lie together in both.
template <class T, class F>
void for_each_whole_range(const parameter<T>& p, index_t begin, index_t size, F&& f) {
  if (p.slices() == nullptr) return f(begin, begin, size);
  const index_t each = p.slice_size();
  for (const index_t end = begin + size; begin < end;) {
    const index_t slice = begin / each, inside = begin % each;
    const index_t count = std::min(each - inside, end - begin);
    f(begin, p.slices()->held[static_cast<std::size_t>(slice)] * each + inside, count);
    begin += count;
  }
}

}  // namespace dsr1
