// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The parameters of a layer to a file and back.

#include "battery/context.hpp"
#include "catch.hpp"
#include "io/temporary_folder.hpp"

#include <dsr1/io/parameters.hpp>
#include <dsr1/nn/initialize.hpp>

using namespace dsr1;

namespace {

/// Parameters of every rank, one of them of no optimizer, without a layer around them.
template <class T>
struct some_parameters {
  parameter<T> weight{{3, 5}, {.init = initial::normal(1)}};
  parameter<T> bias{{5}, {.init = initial::ones()}};
  parameter<T> experts{{2, 3, 4}, {.init = initial::normal(1), .per_expert = true}};
  parameter<T> balance{{2}, {.update = update_rule::balance}};
  parameter<T> empty{{0, 7}};

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("weight"), weight);
    visitor(parameter_name("inner", parameter_name("bias")), bias);
    visitor(parameter_name(3, parameter_name("experts")), experts);
    visitor(parameter_name("balance"), balance);
    visitor(parameter_name("empty"), empty);
  }
  std::vector<double> numbers() {
    std::vector<double> all;
    for_each_parameter([&](const parameter_name&, auto& p) {
      all.insert(all.end(), p.values().begin(), p.values().end());
    });
    return all;
  }
};

template <class T>
some_parameters<T> make(context<cpu>& ctx) {
  some_parameters<T> layer;
  initialize(ctx, layer);
  layer.balance.values()[1] = T(0.25);
  return layer;
}

template <class T>
some_parameters<T> other(context<cpu>& ctx) {
  some_parameters<T> layer;
  initialize(ctx, layer, false);
  layer.for_each_parameter([&](const parameter_name&, auto& p) {
    std::fill(p.values().begin(), p.values().end(), T(-9));
  });
  return layer;
}

}  // namespace

TEMPLATE_TEST_CASE("parameters: what is saved is loaded, to the bit", "", float, double) {
  const temporary_folder folder;
  context<cpu> ctx({.threads = 2, .seed = 5});
  auto a = make<TestType>(ctx), b = other<TestType>(ctx);
  const auto path = folder / "a.safetensors";
  const std::uint64_t hash = save_parameters(ctx, path, a, {{"step", "7"}});
  content_hash of_file;
  const std::string bytes = content_of(path);
  of_file.add(bytes.data(), bytes.size());
  CHECK(hash == of_file.value());
  load_parameters(ctx, path, b);
  CHECK(a.numbers() == b.numbers());
  const safetensors file(path.string());
  CHECK(file.metadata().at("step") == "7");
  CHECK(file.at("weight").text() == (sizeof(TestType) == 8 ? "F64 [3, 5]" : "F32 [3, 5]"));
  CHECK(file.at("3.experts").shape == std::vector<index_t>{2, 3, 4});
  CHECK(file.at("inner.bias").size() == 5);
  auto c = other<TestType>(ctx);
  load_parameters(ctx, file, c);
  CHECK(a.numbers() == c.numbers());
}

TEST_CASE("parameters: float files into double models and the reverse, 16-bit files") {
  const temporary_folder folder;
  context<cpu> ctx({.threads = 1, .seed = 5});
  auto f = make<float>(ctx), f2 = other<float>(ctx);
  auto d = other<double>(ctx);
  save_parameters(ctx, folder / "f", f);
  load_parameters(ctx, (folder / "f").string(), d);
  CHECK(d.numbers() == f.numbers());
  save_parameters(ctx, folder / "d", d);
  load_parameters(ctx, (folder / "d").string(), f2);
  CHECK(f2.numbers() == f.numbers());

  safetensors_writer out(folder / "h");
  f.for_each_parameter([&](const parameter_name& name, auto& p) {
    out.declare(name.str(), dtype::bf16, shape_of(p));
  });
  f.for_each_parameter([&](const parameter_name&, auto& p) {
    for (const float v : p.values()) {
      const bf16 rounded(v);
      out.write(&rounded, 2);
    }
  });
  out.commit();
  load_parameters(ctx, (folder / "h").string(), d);
  const auto exact = f.numbers(), rounded = d.numbers();
  for (std::size_t i = 0; i < exact.size(); ++i)
    CHECK(rounded[i] == static_cast<float>(bf16(static_cast<float>(exact[i]))));
}

TEST_CASE("parameters: a file that does not fit names file and tensor, and changes nothing") {
  const temporary_folder folder;
  context<cpu> ctx({.threads = 1, .seed = 5});
  auto layer = make<float>(ctx);
  const auto before = layer.numbers();
  const std::string path = (folder / "a").string();
  struct tensor {
    const char* name;
    dtype type = dtype::f32;
    std::vector<index_t> shape;
  };
  const std::vector<tensor> good = {{"weight", dtype::f32, {3, 5}},
                                    {"inner.bias", dtype::f32, {5}},
                                    {"3.experts", dtype::f32, {2, 3, 4}},
                                    {"balance", dtype::f32, {2}},
                                    {"empty", dtype::f32, {0, 7}}};
  const auto refused = [&](const std::vector<tensor>& tensors) {
    {
      safetensors_writer out(path);
      index_t bytes = 0;
      for (const tensor& t : tensors) {
        out.declare(t.name, t.type, t.shape);
        index_t n = info_of(t.type).bytes;
        for (const index_t e : t.shape) n *= e;
        bytes += n;
      }
      const std::string data(static_cast<std::size_t>(bytes), '\1');
      out.write(data.data(), bytes);
      out.commit();
    }
    const std::string message = message_of([&] { load_parameters(ctx, path, layer); });
    CHECK(mentions(message, path));
    CHECK(layer.numbers() == before);
    return message;
  };
  auto t = good;
  t[1].name = "inner.bios";
  CHECK(mentions(refused(t), "has no tensor \"inner.bias\", did you mean \"inner.bios\"?"));
  t = good;
  t.pop_back();
  CHECK(mentions(refused(t), "has no tensor \"empty\""));
  t = good;
  t[2].shape = {2, 4, 3};
  CHECK(mentions(refused(t), "tensor \"3.experts\" is F32 [2, 4, 3], the model has F32 [2, 3, 4]"));
  t = good;
  t[0].shape = {15};
  CHECK(mentions(refused(t), "tensor \"weight\" is F32 [15], the model has F32 [3, 5]"));
  for (const dtype type : {dtype::i64, dtype::u8, dtype::f8_e4m3, dtype::boolean}) {
    t = good;
    t[3].type = type;
    CHECK(mentions(refused(t), "tensor \"balance\" is " + std::string(info_of(type).name) + " [2]",
                   "expected F64, F32, F16 or BF16"));
  }
  t = good;
  t.push_back({"second", dtype::f32, {1}});
  t.push_back({"first", dtype::i8, {1}});
  CHECK(mentions(refused(t), "has 2 tensors that the model does not know: first, second"));
  CHECK(mentions(message_of([&] { load_parameters(ctx, (folder / "none").string(), layer); }),
                 "cannot open", "none"));
}

TEST_CASE("parameters: a layer without memory") {
  const temporary_folder folder;
  context<cpu> ctx({.threads = 1});
  some_parameters<float> bare;
  auto layer = make<float>(ctx);
  CHECK(mentions(message_of([&] { save_parameters(ctx, folder / "a", bare); }), "weight",
                 "no memory yet"));
  CHECK(folder.entries() == 0);
  save_parameters(ctx, folder / "a", layer);
  CHECK(mentions(message_of([&] { load_parameters(ctx, (folder / "a").string(), bare); }), "weight",
                 "no memory yet"));
}

TEST_CASE("parameters: a disk that fills up leaves the old file") {
  const temporary_folder folder;
  context<cpu> ctx({.threads = 1, .seed = 5});
  auto layer = make<float>(ctx), read = other<float>(ctx);
  const auto path = folder / "a";
  save_parameters(ctx, path, layer);
  std::string message;
  {
    const full_disk full(500);
    message = message_of([&] { save_parameters(ctx, path, read); });
  }
  CHECK(mentions(message, "cannot write", path.string()));
  CHECK(folder.entries() == 1);
  load_parameters(ctx, path.string(), read);
  CHECK(read.numbers() == layer.numbers());
}

TEST_CASE("parameters: any source of tensors serves, as for a checkpoint in several files") {
  struct shards {
    std::map<std::string, stored_tensor> all;
    const stored_tensor* find(const std::string& name) const {
      const auto it = all.find(name);
      return it == all.end() ? nullptr : &it->second;
    }
    const std::map<std::string, stored_tensor>& tensors() const { return all; }
    std::string path() const { return "two files"; }
  };
  STATIC_REQUIRE(tensor_source<shards>);
  STATIC_REQUIRE_FALSE(tensor_source<std::string>);
  const temporary_folder folder;
  context<cpu> ctx({.threads = 1, .seed = 5});
  auto layer = make<float>(ctx), read = other<float>(ctx);
  save_parameters(ctx, folder / "a", layer);
  const safetensors file((folder / "a").string());
  shards source{file.tensors()};
  load_parameters(ctx, source, read);
  CHECK(read.numbers() == layer.numbers());
  source.all.erase("weight");
  CHECK(mentions(message_of([&] { load_parameters(ctx, source, read); }),
                 "two files has no tensor \"weight\""));
}
