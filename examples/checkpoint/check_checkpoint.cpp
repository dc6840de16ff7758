// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// check_checkpoint DIR...: loads published checkpoints and compares them with golden vectors.

#include "check_checkpoint.hpp"

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <dsr1/io/read_model_config.hpp>
#include <dsr1/model/published_sizes.hpp>

namespace {

struct options {
  std::vector<std::string> folders;
  std::string config;
  std::string device = "cpu";
  bool float_only = false;
  int threads = 0;
};

template <class Backend>
void check_on(const options& o, const std::filesystem::path& folder,
              const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
              checkpoint::report& out) {
  using checkpoint::check_folder;
  const bool golden = std::filesystem::exists(folder / "golden.safetensors");
  if (golden && !o.float_only)
    check_folder<Backend, double>(o.threads, folder, config, source, false, out);
  if (golden) check_folder<Backend, float>(o.threads, folder, config, source, false, out);
  check_folder<Backend, float>(o.threads, folder, config, source, true, out);
}

/// True when everything that the folder has golden values for is within its tolerance.
bool check(const options& o, const std::string& folder) {
  const std::filesystem::path path(folder);
  const dsr1::model_config config =
      dsr1::read_model_config(o.config.empty() ? path : path / o.config);
  for (const std::string& key : config.unknown)
    fmt::print("{}: the key \"{}\" of its configuration is unknown\n", folder, key);
  const dsr1::checkpoint_folder source(folder);
  const dsr1::published_size size = size_of(dsr1::published_shape_of(config));
  fmt::print("{}: {}, {:.6g} M parameters, {:.6g} M of them active, {} tensors\n", folder,
             config.model_type, 1e-6 * static_cast<double>(size.parameters),
             1e-6 * static_cast<double>(size.active), source.tensors().size());
  checkpoint::report out;
  if (o.device == "cpu") check_on<dsr1::cpu>(o, path, config, source, out);
#if defined(CHECK_CHECKPOINT_CUDA)
  if (o.device == "cuda") check_on<dsr1::cuda>(o, path, config, source, out);
#endif
  out.print();
  return out.passed();
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("Loads published checkpoints and compares them with the golden vectors beside them");
  app.add_option("folders", o.folders, "folders with config.json and safetensors files")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--config", o.config, "name of the configuration in each folder");
#if defined(CHECK_CHECKPOINT_CUDA)
  const std::vector<std::string> devices = {"cpu", "cuda"};
#else
  const std::vector<std::string> devices = {"cpu"};  // built without CUDA
#endif
  app.add_option("--device", o.device, "where to compute")
      ->check(CLI::IsMember(devices))
      ->capture_default_str();
  app.add_flag("--float", o.float_only, "leave out the comparison in double precision");
  app.add_option("--threads", o.threads, "0: all")->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);
  int missed = 0;
  for (const std::string& folder : o.folders) {
    try {
      missed += !check(o, folder);
    } catch (const std::exception& e) {
      std::fflush(stdout);
      fmt::print(stderr, "{}\n", e.what());
      ++missed;
    }
  }
  fmt::print("{} of {} folders passed\n", static_cast<int>(o.folders.size()) - missed,
             o.folders.size());
  return missed == 0 ? 0 : 1;
}
