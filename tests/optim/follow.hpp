// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Parameters without a layer, and the run of an optimizer along the golden values.
#pragma once

#include <list>
#include <string>
#include <vector>

#include "battery/context.hpp"
#include "golden.hpp"

#include <dsr1/optim/optimizer.hpp>
#include <dsr1/testing/compare.hpp>

namespace follow {

using dsr1::index_t;

/// A list of parameters with names, and memory of their own.
template <class T>
struct some_parameters {
  std::vector<std::string> names;
  std::list<dsr1::parameter<T>> all;  // a list, because optimizers keep pointers

  dsr1::parameter<T>& add(dsr1::context<dsr1::cpu>& ctx, const std::string& name,
                          dsr1::parameter<T> p, const std::vector<T>& values) {
    names.push_back(name);
    all.push_back(std::move(p));
    all.back().allocate(ctx.memory(), true);
    REQUIRE(static_cast<index_t>(values.size()) == all.back().size());
    std::copy(values.begin(), values.end(), all.back().values().begin());
    return all.back();
  }
  dsr1::parameter<T>& operator[](std::size_t i) {
    return *std::next(all.begin(), static_cast<std::ptrdiff_t>(i));
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    std::size_t i = 0;
    for (dsr1::parameter<T>& p : all) visitor(dsr1::parameter_name(names[i++]), p);
  }
  std::vector<T> numbers() const {
    std::vector<T> out;
    for (const auto& p : all) out.insert(out.end(), p.values().begin(), p.values().end());
    return out;
  }
};

/// Writes a gradient as a kernel would.
template <class T, class Values>
void set_gradient(dsr1::parameter<T>& p, const Values& values) {
  p.next_gradient();
  for (index_t i = 0; i < p.size(); ++i)
    p.gradients()[i] = static_cast<T>(values[static_cast<std::size_t>(i)]);
}

/// The path of the golden file for this number type; empty (with a warning) when there is none.
template <class T>
std::string golden_file() {
  return golden::path(sizeof(T) == 8 ? "optim/optim_f64.safetensors"
                                     : "optim/optim_f32.safetensors");
}

/// The tensors of a golden file at their first values.
template <class T>
struct golden_tensors : some_parameters<T> {
  golden_tensors(dsr1::context<dsr1::cpu>& ctx, const dsr1::safetensors& file,
                 const std::vector<std::string>& which) {
    for (const std::string& name : which) {
      const auto& shape = file.at("init/" + name).shape;
      std::vector<T> values(static_cast<std::size_t>(file.at("init/" + name).size()));
      file.at("init/" + name).copy_to(values.data());
      this->add(ctx, name,
                shape.size() == 2 ? dsr1::parameter<T>({shape[0], shape[1]})
                                  : dsr1::parameter<T>({shape[0]}),
                values);
    }
  }
  /// The gradients of a step; multiplied by `scale`, and left unwritten where they are all zero.
  void gradients(const dsr1::safetensors& file, index_t step, double scale = 1) {
    std::size_t i = 0;
    for (dsr1::parameter<T>& p : this->all) {
      auto g = golden::numbers(file, "grads/" + this->names[i++]);
      g.erase(g.begin(), g.begin() + step * p.size());
      g.resize(static_cast<std::size_t>(p.size()));
      for (double& x : g) x *= scale;
      p.clear_gradient();
      set_gradient(p, g);
      if (step ==
          7) {  // zero in the files: nobody wrote it here, and what lies there must not be read
        p.clear_gradient();
        std::fill(p.gradients().begin(), p.gradients().end(), std::numeric_limits<T>::quiet_NaN());
      }
    }
  }
};

struct options {
  double rate = 1e-2;
  double tolerance = 1e-12;  ///< relative to the largest element of each tensor
  std::vector<std::string> tensors = {"matrix", "wide", "vector"};
  std::vector<std::string> states = {};  ///< torch's names of ours
};

/// Runs 20 steps of the policy beside the golden values of `config`; every step is compared. The
/// gradients are stored a thousand times too large and scaled back by the step.
template <class T, class Policy>
void along(const std::string& config, Policy policy, const options& o) {
  const std::string path = golden_file<T>();
  if (path.empty()) return;
  const dsr1::safetensors file(path);
  if (file.find(config + "/" + o.tensors[0]) == nullptr) {
    WARN("skipped: no " << config << " in " << path);
    return;
  }
  dsr1::context<dsr1::cpu> ctx({.threads = 2});
  golden_tensors<T> model(ctx, file, o.tensors);
  dsr1::optimizer<Policy, T> opt(ctx, dsr1::parameter_list<T>(model), policy);
  for (index_t step = 0; step < 20; ++step) {
    model.gradients(file, step, 1024);
    opt.step(ctx, o.rate, 1.0 / 1024);
    for (std::size_t i = 0; i < o.tensors.size(); ++i) {
      const auto expected = golden::numbers(file, config + "/" + o.tensors[i]);
      const auto d = dsr1::testing::compare(
          model[i].values().data(), expected.data() + step * model[i].size(), model[i].size());
      INFO(config << " " << o.tensors[i] << " step " << step << ": difference " << d.absolute
                  << " of " << d.scale);
      REQUIRE(d.relative() <= o.tolerance);
    }
  }
  std::size_t compared = 0;
  opt.for_each_state([&](const std::string& name, auto& buffer) {
    for (std::size_t s = 0; s < o.states.size(); ++s)
      for (const std::string& tensor : o.tensors) {
        if (name != tensor + "." + std::to_string(s)) continue;
        const auto expected =
            golden::numbers(file, config + "/" + tensor + "/state/" + o.states[s]);
        INFO(config << " state " << name);
        CHECK(dsr1::testing::compare(buffer.data(), expected.data(), buffer.size()).relative() <=
              o.tolerance);
        ++compared;
      }
  });
  CHECK(compared == o.states.size() * o.tensors.size());
}

}  // namespace follow
