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

/// Of the whole tensor, when the parameter holds slices of one.
template <class T>
std::vector<index_t> shape_of(const parameter<T>& p) {
  std::vector<index_t> shape;
  shape.reserve(static_cast<std::size_t>(p.rank()));
  for (int i = 0; i < p.rank(); ++i) shape.push_back(p.whole_extent(i));
  return shape;
}

/// Writes the values of all parameters under their names, atomically; returns the file's hash.
/// Needs host memory for the largest parameter. Throws `error` when a parameter is not whole.
template <class Ctx, class Layer>
std::uint64_t save_parameters(Ctx& ctx, const std::filesystem::path& path, Layer& layer,
                              const std::map<std::string, std::string>& metadata = {}) {
  safetensors_writer out(path, metadata);
  layer.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    expects(p.allocated(), "parameter ", name.str(),
            " has no memory yet; call dsr1::initialize first");
    expects(p.slices() == nullptr, "parameter ", name.str(), " holds ", p.extent(0), " of ",
            p.whole_extent(0), " slices; a file needs all of them");
    out.declare(name.str(), dtype_for<T>(), shape_of(p));
  });
  layer.for_each_parameter([&]<class T>(const parameter_name&, parameter<T>& p) {
    std::vector<T> host(static_cast<std::size_t>(p.size()));
    Ctx::backend::download(ctx, view<const T, 1>(p.values().as(p.size())), host.data());
    out.write(std::span<const T>(host));
  });
  const std::uint64_t hash = out.hash();
  out.commit();
  return hash;
}

/// Copies elements [begin, begin + size) of a parameter from the whole tensor as it is stored.
template <class T>
void copy_local(const stored_tensor& t, const parameter<T>& p, index_t begin, index_t size, T* to) {
  for_each_whole_range(p, begin, size, [&](index_t local, index_t whole, index_t count) {
    t.part(whole, count).copy_to(to + (local - begin));
  });
}

/// Reads the values of all parameters of an initialised layer, converting between floating types.
/// A parameter that holds slices takes them from the whole tensor.
/// Throws `error` naming the source and the tensor when one is missing, has another shape or no
/// floating type, or (all of them listed) belongs to no parameter. On an error no parameter has
/// changed.
template <class Ctx, tensor_source Source, class Layer>
void load_parameters(Ctx& ctx, const Source& source, Layer& layer) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : source.tensors()) names.push_back(name);
  std::set<std::string> unused(names.begin(), names.end());
  layer.for_each_parameter([&]<class T>(const parameter_name& chain, parameter<T>& p) {
    const std::string name = chain.str();
    expects(p.allocated(), "parameter ", name, " has no memory yet; call dsr1::initialize first");
    const stored_tensor* t = source.find(name);
    if (t == nullptr)
      throw error(text(source.path(), " has no tensor \"", name, "\"", suggestion(name, names)));
    expects(is_floating(t->type), source.path(), ": tensor \"", name, "\" is ", t->text(),
            ", expected F64, F32, F16 or BF16");
    expects(t->shape == shape_of(p), source.path(), ": tensor \"", name, "\" is ", t->text(),
            ", the model has ", stored_tensor{dtype_for<T>(), shape_of(p), {}}.text());
    unused.erase(name);
  });
  std::string list;
  for (const std::string& name : unused) list += (list.empty() ? "" : ", ") + name;
  expects(unused.empty(), source.path(), " has ", unused.size(),
          " tensors that the model does not know: ", list);
  layer.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    const stored_tensor& t = *source.find(name.str());
    if (t.holds<T>() && p.slices() == nullptr)
      return Ctx::backend::upload(ctx, t.elements<T>().data(), p.values().as(p.size()));
    std::vector<T> host(static_cast<std::size_t>(p.size()));
    copy_local(t, p, 0, p.size(), host.data());
    Ctx::backend::upload(ctx, static_cast<const T*>(host.data()), p.values().as(p.size()));
  });
}

/// The same from a file.
template <class Ctx, class Layer>
void load_parameters(Ctx& ctx, const std::string& path, Layer& layer) {
  load_parameters(ctx, safetensors(path), layer);
}

}  // namespace dsr1
