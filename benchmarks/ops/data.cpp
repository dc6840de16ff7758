// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The data loader: batches of 4,096 tokens from shards that are mapped, two bytes a token.

#include <filesystem>

#include <unistd.h>

#include <dsr1/data.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr index_t documents = 4096, length = 1024, vocab = 8192;

/// A data set of 4 Mi tokens in a folder of its own, which goes with it.
struct prepared {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("bench_ops." + std::to_string(getpid()));
  data_manifest manifest;

  prepared() {
    std::filesystem::create_directories(folder);
    shard_writer writer(folder / "train-0.tokens", vocab);
    const auto ids = choices(length, 1, vocab);
    for (index_t d = 0; d < documents; ++d)
      writer.add(std::span(ids.data(), static_cast<std::size_t>(length)));
    const std::string hash = hash_text(writer.commit());
    manifest.folder = folder;
    manifest.vocab = vocab;
    manifest.train = {.shards = {{.file = "train-0.tokens",
                                  .documents = documents,
                                  .tokens = documents * length,
                                  .hash = hash}},
                      .documents = documents,
                      .tokens = documents * length,
                      .bytes = 4 * documents * length};
  }
  ~prepared() { std::filesystem::remove_all(folder); }
};

}  // namespace

void add_data() {
  // Neither works with more than one thread. 2 bytes are read for a token, 4 written twice.
  const auto one = [](const std::string& name, auto f) {
    auto* b = benchmark::RegisterBenchmark(name.c_str(), [f](benchmark::State& state) {
      context_type ctx({.threads = 1});
      f(state, ctx);
    });
    b->UseManualTime()->Unit(benchmark::kMicrosecond)->MinTime(0.15);
  };
  one("data/training_loader", [](auto& state, auto& ctx) {
    const prepared files;
    const dataset data(files.manifest, files.manifest.train);
    training_loader loader(data, {.tokens = 4096, .length = 512});
    packed_batch batch(4096);
    measure(state, ctx, {.bytes = 10.0 * 4096}, [&] { loader.next(batch); });
    state.counters["tokens/s"] = state.counters["GB/s"].value * 1e9 / 10;
  });
  one("data/open_and_verify", [](auto& state, auto& ctx) {
    const prepared files;
    measure(state, ctx, {.bytes = 2.0 * documents * length},
            [&] { benchmark::DoNotOptimize(dataset(files.manifest, files.manifest.train)); });
  });
}

}  // namespace bench
