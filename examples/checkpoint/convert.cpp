// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// convert IN OUT: the weights of a checkpoint in other codings, tensor by tensor.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/io/safetensors_writer.hpp>
#include <dsr1/io/write_model_config.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/monitor/progress.hpp>
#include <dsr1/quant/validate.hpp>

namespace {

using dsr1::coded_tensor;
using dsr1::coding;
using dsr1::index_t;

/// What becomes of one stored weight: copied, or coded anew.
struct job {
  std::string base;
  std::optional<coding> to;
  bool transposed =
      false;  ///< rows become columns: plain numbers lie the other way round than codes
};

struct declared {
  std::string name;
  dsr1::dtype type;
  std::vector<index_t> shape;
};

/// The stored weights of a model, each once, in the order of its parameters.
template <class Model>
std::vector<job> jobs_of(Model& model, const dsr1::model_config& c,
                         const dsr1::checkpoint_folder& source, std::optional<coding> experts,
                         std::optional<coding> dense) {
  std::vector<job> out;
  const auto rule = dsr1::family_of(c.model_type);
  model.for_each_parameter([&](const dsr1::parameter_name& chain, auto& p) {
    const std::string name = chain.str();
    const bool expert = p.traits().per_expert;
    const bool table = name == "embedding.weight" || name == "head.weight";
    const bool weight = p.traits().may_be_coded && !name.ends_with("router.weight");
    std::optional<coding> to = expert ? experts : dense;
    if (!weight || (table && to == coding::fp8)) to.reset();
    const dsr1::weight_rule r = dsr1::rule_of(c, rule, name);
    for (const dsr1::stored_part& part : r.parts) {
      job j{part.tensor, to};
      if (to) {
        const coded_tensor w = stored_weight(source, part.tensor);
        const bool plain = dsr1::info_of(*to).scale_bytes == 0;
        j.transposed = r.transposed && dsr1::is_transposed(r, w) != plain;
        if (w.type == *to) j.to.reset();
      }
      out.push_back(std::move(j));
    }
  });
  return out;
}

/// The tensors of a weight in a coding: rows and columns, experts in front when there are several.
std::vector<declared> tensors_of(const std::string& base, coding to,
                                 const std::vector<index_t>& in_front, index_t rows,
                                 index_t columns) {
  const auto shaped = [&](std::vector<index_t> rest) {
    rest.insert(rest.begin(), in_front.begin(), in_front.end());
    return rest;
  };
  using dsr1::dtype;
  const index_t blocks = dsr1::ceil_div(columns, index_t{32});
  switch (to) {
    case coding::f32:
      return {{base, dtype::f32, shaped({rows, columns})}};
    case coding::f16:
      return {{base, dtype::f16, shaped({rows, columns})}};
    case coding::bf16:
      return {{base, dtype::bf16, shaped({rows, columns})}};
    case coding::fp8:
      return {
          {base, dtype::f8_e4m3, shaped({rows, columns})},
          {base + "_scale_inv", dtype::f32,
           shaped({dsr1::ceil_div(rows, index_t{128}), dsr1::ceil_div(columns, index_t{128})})}};
    case coding::mxfp4:
      return {{base + "_blocks", dtype::u8, shaped({rows, blocks, 16})},
              {base + "_scales", dtype::u8, shaped({rows, blocks})}};
    case coding::int8:
      return {{base, dtype::i8, shaped({rows, columns})},
              {base + "_scale", dtype::f16, shaped({rows, blocks})}};
    case coding::int4:
      return {{base, dtype::u8, shaped({rows, columns / 2})},
              {base + "_scale", dtype::f16, shaped({rows, blocks})}};
  }
  return {};
}

struct plan {
  std::vector<job> jobs;
  std::vector<std::vector<declared>> tensors;  ///< of each job
};

/// What every job writes; also the tensors that no parameter consists of (copies in a
/// multi-token-prediction layer), which are copied.
plan plan_of(std::vector<job> jobs, const dsr1::checkpoint_folder& source) {
  plan out;
  std::set<std::string> used;
  const auto copy = [&](const std::string& name) {
    const dsr1::stored_tensor& t = *source.find(name);
    return declared{name, t.type, t.shape};
  };
  for (const job& j : jobs) {
    const auto names = stored_names(source, j.base);
    dsr1::expects(!names.empty(), source.path(), " has no tensor \"", j.base, "\"");
    used.insert(names.begin(), names.end());
    std::vector<declared> tensors;
    if (j.to) {
      const coded_tensor w = stored_weight(source, j.base);
      const bool several = source.find(names[0])->shape.size() - (w.type == coding::mxfp4) == 3;
      tensors = tensors_of(j.base, *j.to,
                           several ? std::vector<index_t>{w.matrices} : std::vector<index_t>{},
                           j.transposed ? w.columns : w.rows, j.transposed ? w.rows : w.columns);
    } else {
      for (const std::string& n : names) tensors.push_back(copy(n));
    }
    out.tensors.push_back(std::move(tensors));
  }
  out.jobs = std::move(jobs);
  for (const auto& [name, t] : source.tensors()) {
    if (used.contains(name)) continue;
    out.jobs.push_back({name, std::nullopt});
    out.tensors.push_back({copy(name)});
  }
  return out;
}

void write_weight(dsr1::safetensors_writer& out, const dsr1::checkpoint_folder& source,
                  const job& j, const std::vector<declared>& tensors) {
  if (!j.to) {
    for (const declared& d : tensors) {
      const auto bytes = source.find(d.name)->bytes;
      out.write(bytes.data(), static_cast<index_t>(bytes.size()));
    }
    return;
  }
  try {
    coded_tensor w = stored_weight(source, j.base);
    dsr1::validate_scales(w);
    const bool before = j.transposed && dsr1::info_of(w.type).scale_bytes == 0;
    if (before) w = dsr1::transposed_copy(w);
    coded_tensor coded = dsr1::with_codec(*j.to, [&](auto codec) { return recode(codec, w); });
    if (j.transposed && !before) coded = dsr1::transposed_copy(coded);
    const auto scale_rows = dsr1::ceil_div(coded.rows, dsr1::info_of(coded.type).block_rows);
    for (const dsr1::coded_part& p : coded.parts) out.write(p.codes, p.rows * coded.row_bytes());
    for (const dsr1::coded_part& p : coded.parts)
      if (p.scales) out.write(p.scales, scale_rows * coded.scale_row_bytes());
  } catch (const dsr1::error& e) {
    throw dsr1::error(dsr1::text(source.path(), ": \"", j.base, "\": ", e.what()));
  }
}

/// config.json with what the reader needs to know of the codings, and the tokenizer's files.
void write_rest(const std::filesystem::path& from, const std::filesystem::path& to,
                const std::string& experts, const std::string& dense, bool mxfp4_alone) {
  dsr1::json config = dsr1::read_json(from / "config.json");
  config.erase("quantization_config");
  if (mxfp4_alone)
    config["quantization_config"] = dsr1::mxfp4_quantization_json();
  else
    config["quantization_config"] = {
        {"quant_method", "dsr1"}, {"experts", experts}, {"dense", dense}};
  dsr1::write_file(to / "config.json", config.dump(2) + "\n");
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                           "chat_template.jinja", "special_tokens_map.json"})
    if (std::filesystem::exists(from / name))
      std::filesystem::copy_file(from / name, to / name,
                                 std::filesystem::copy_options::overwrite_existing);
}

void convert(const std::filesystem::path& from, const std::filesystem::path& to,
             const std::string& experts_name, const std::string& dense_name) {
  const auto named = [](const std::string& name) -> std::optional<coding> {
    for (const dsr1::coding_info& c : dsr1::codings)
      if (c.name == name) return c.type;
    return std::nullopt;  // keep
  };
  const auto experts = named(experts_name), dense = named(dense_name);
  const dsr1::model_config c = dsr1::read_model_config(from);
  const dsr1::checkpoint_folder source(from.string());
  dsr1::expects(
      !std::filesystem::exists(to / "model.safetensors") || !std::filesystem::equivalent(from, to),
      "the result would replace its source, ", from.string());
  const plan p =
      plan_of(dsr1::with_published<float>(c,
                                          [&]<class Published>(Published) {
                                            if (c.draft_layers == 1) {
                                              auto m = Published::make_multi_token(c);
                                              return jobs_of(m, c, source, experts, dense);
                                            }
                                            auto m = Published::make(c);
                                            return jobs_of(m, c, source, experts, dense);
                                          }),
              source);
  std::filesystem::create_directories(to);
  dsr1::safetensors_writer out(to / "model.safetensors", {{"format", "pt"}});
  for (const auto& tensors : p.tensors)
    for (const declared& d : tensors) out.declare(d.name, d.type, d.shape);
  index_t before = 0;
  for (const auto& [name, t] : source.tensors()) before += static_cast<index_t>(t.bytes.size());
  dsr1::progress bar(
      std::cerr, dsr1::terminal_of(2),
      {.title = "convert", .total = static_cast<index_t>(p.jobs.size()), .unit = "B"});
  for (std::size_t i = 0; i < p.jobs.size(); ++i) {
    write_weight(out, source, p.jobs[i], p.tensors[i]);
    bar.update({.done = static_cast<index_t>(i) + 1});
  }
  bar.finish();
  out.commit();
  write_rest(
      from, to, experts_name, dense_name,
      c.model_type == "gpt_oss" && experts == coding::mxfp4 && (!dense || dense == coding::bf16));
  fmt::print("{}: {} weights, {:.3f} GB, were {:.3f} GB\n", to.string(), p.jobs.size(),
             static_cast<double>(out.declared()) * 1e-9, static_cast<double>(before) * 1e-9);
}

}  // namespace

int main(int argc, char** argv) {
  std::string from, to, experts = "keep", dense = "keep";
  CLI::App app("Writes a checkpoint with its weights in other codings");
  app.add_option("in", from, "folder of the checkpoint")->required()->check(CLI::ExistingDirectory);
  app.add_option("out", to, "folder of the result")->required();
  app.add_option("--experts", experts, "coding of the experts' weights")
      ->check(CLI::IsMember({"keep", "mxfp4", "int4", "int8", "fp8", "bf16", "f16", "f32"}))
      ->capture_default_str();
  app.add_option("--dense", dense,
                 "coding of all other weights but routers; embedding and head "
                 "stay under fp8")
      ->check(CLI::IsMember({"keep", "int8", "fp8", "bf16", "f16", "f32", "mxfp4", "int4"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    convert(from, to, experts, dense);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
