// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The parameters of a layer to a safetensors file and back.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <dsr1/io/safetensors.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/tensor/parameter.hpp>

namespace dsr1 {

template <class T>
std::vector<index_t> shape_of(const parameter<T>& p) {
  std::vector<index_t> shape;
  for (int i = 0; i < p.rank(); ++i) shape.push_back(p.extent(i));
  return shape;
}

/// Writes the values of all parameters under their names, atomically; returns the file's hash.
template <class Ctx, class Layer>
std::uint64_t save_parameters(Ctx& ctx, const std::filesystem::path& path, Layer& layer,
                              std::map<std::string, std::string> metadata = {}) {
  safetensors_writer out(path, std::move(metadata));
  layer.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    out.declare(name.str(), dtype_for<T>(), shape_of(p));
  });
  layer.for_each_parameter([&]<class T>(const parameter_name&, parameter<T>& p) {
    std::vector<T> host(static_cast<std::size_t>(p.size()));
    Ctx::backend::download(ctx, view<const T, 1>(p.values().as(p.size())), host.data());
    out.write(host.data(), p.size() * static_cast<index_t>(sizeof(T)));
  });
  const std::uint64_t hash = out.hash();
  out.commit();
  return hash;
}

/// Reads the values of all parameters of an initialised layer, converting between number types.
/// Throws `error` naming the file and the tensor when one is missing, has another shape, or (all
/// of them listed) belongs to no parameter. On an error no parameter has changed.
template <class Ctx, class Layer>
void load_parameters(Ctx& ctx, const std::string& path, Layer& layer) {
  const safetensors file(path);
  std::set<std::string> unused;
  for (const auto& [name, tensor] : file.tensors()) unused.insert(name);
  layer.for_each_parameter([&](const parameter_name& name, auto& p) {
    const stored_tensor& t = file.at(name.str());
    expects(t.shape == shape_of(p), path, ": tensor \"", name.str(), "\" is ", t.text(),
            ", the model has ", stored_tensor{t.type, shape_of(p), {}}.text());
    unused.erase(name.str());
  });
  std::string list;
  for (const std::string& name : unused) list += (list.empty() ? "" : ", ") + name;
  expects(unused.empty(), path, " has ", unused.size(), " tensors that the model does not know: ", list);
  layer.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    std::vector<T> host(static_cast<std::size_t>(p.size()));
    file.at(name.str()).copy_to(host.data());
    Ctx::backend::upload(ctx, host.data(), p.values().as(p.size()));
  });
}

}  // namespace dsr1
