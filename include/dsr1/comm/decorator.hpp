// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A transport that hands everything on to another: the base of those that change one thing.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <dsr1/comm/transport.hpp>

namespace dsr1 {

/// Derive, override `exchange` and `wrap` (what a group made from this one gets around it):
///     rank_group slow = std::move(group).through([](auto inner) {
///       return std::make_unique<my_decorator>(std::move(inner)); });
class transport_decorator : public transport {
 public:
  explicit transport_decorator(std::unique_ptr<transport> inner) : inner_(std::move(inner)) {
    expects(inner_ != nullptr, "a decorator around no transport");
  }

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  const link_options& options() const override { return inner_->options(); }
  void exchange(std::span<const outgoing> to, std::span<incoming> from) override {
    inner_->exchange(to, from);
  }
  std::unique_ptr<transport> subgroup(std::span<const int> members) final {
    return wrap(inner_->subgroup(members));
  }
  void abandon(const std::string& why) override { inner_->abandon(why); }

 protected:
  virtual std::unique_ptr<transport> wrap(std::unique_ptr<transport> inner) = 0;
  transport& inner() { return *inner_; }

 private:
  std::unique_ptr<transport> inner_;
};

}  // namespace dsr1
