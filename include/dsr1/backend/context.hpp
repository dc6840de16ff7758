// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where a program runs: device, communicator, workspace and random key, always the first argument.
#pragma once

#include <dsr1/backend/options.hpp>
#include <dsr1/comm/loopback.hpp>
#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// Loss terms that layers add on their own (load balancing). A layer adds its value in `forward`
/// to `sum` and multiplies the gradient by `scale` in `backward`; the trainer resets the sum.
struct auxiliary_loss {
  double sum = 0;
  double scale = 1;
};

/// Hears during a backward pass that the gradient of a parameter is complete, so that it can be
/// sent to other ranks meanwhile. May hear of one more than once. Parameters of which it hears
/// nothing are complete when the pass is.
class gradient_listener {
 public:
  virtual ~gradient_listener() = default;
  virtual void ready(const void* parameter) = 0;
};

/// Hears before a layer computes its experts how many rows each has, so that their weights can be
/// brought to where they are computed.
class expert_listener {
 public:
  virtual ~expert_listener() = default;
  /// `parameter` is the first of the layer's experts.
  virtual void about_to_use(const void* parameter, const row_groups& rows) = 0;
};

/// Owns what a run needs besides the model. Not for use by two threads at a time.
template <class Backend, communicator Comm = loopback>
class context {
 public:
  using backend = Backend;
  using comm_type = Comm;

  explicit context(const context_options& options = {}, Comm comm = {})
      : options_(options), comm_(std::move(comm)), device_(options), workspace_(device_.memory()) {}

  typename Backend::device& device() { return device_; }
  Comm& comm() { return comm_; }
  dsr1::memory& memory() { return device_.memory(); }
  dsr1::workspace& workspace() { return workspace_; }
  auxiliary_loss& auxiliary() { return auxiliary_; }
  const context_options& options() const { return options_; }
  /// Who hears of complete gradients; null when nobody does.
  gradient_listener* listener() const { return listener_; }
  void listener(gradient_listener* l) { listener_ = l; }
  /// Who hears of experts in use; null when nobody does.
  expert_listener* experts() const { return experts_; }
  void experts(expert_listener* l) { experts_ = l; }

  /// In inference nothing is kept for `backward`, so layers may give their scratch back early.
  /// This changes where results lie, never their values.
  bool inference() const { return inference_; }
  void inference(bool on) { inference_ = on; }

  /// An uninitialised tensor from the workspace.
  template <class T, class... Extents>
  view<T, sizeof...(Extents)> take(Extents... extents) {
    return workspace_.template take<T>(extents...);
  }

 private:
  context_options options_;
  Comm comm_;
  typename Backend::device device_;
  dsr1::workspace workspace_;
  auxiliary_loss auxiliary_;
  gradient_listener* listener_ = nullptr;
  expert_listener* experts_ = nullptr;
  bool inference_ = false;
};

/// Switches a context to inference, and at its end back to what it was, also by an exception.
template <class Ctx>
class inference_mode {
 public:
  explicit inference_mode(Ctx& ctx) : ctx_(ctx), was_(ctx.inference()) { ctx.inference(true); }
  ~inference_mode() { ctx_.inference(was_); }
  inference_mode(const inference_mode&) = delete;
  inference_mode& operator=(const inference_mode&) = delete;

 private:
  Ctx& ctx_;
  bool was_;
};

}  // namespace dsr1
