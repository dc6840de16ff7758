// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Compressors as programs, a unigram model, and the sub-command that measures them again.

#include "baselines.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include <dsr1/data/dataset.hpp>

#include "commands.hpp"
#include "tokenizer.hpp"

extern char** environ;

namespace seed {
namespace {

namespace fs = std::filesystem;

/// A file that is removed with the object.
struct scratch_file {
  fs::path path;
  explicit scratch_file(fs::path at) : path(std::move(at)) {}
  ~scratch_file() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;
};

/// How many bytes `program -9` writes when it reads the file; nothing when it cannot be run.
std::optional<dsr1::index_t> compressed_size(const char* program, const fs::path& input) {
  int ends[2];
  dsr1::expects(::pipe2(ends, O_CLOEXEC) == 0, "cannot make a pipe: ", std::strerror(errno));
  ::posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  std::string name = program, level = "-9", to_output = "-c";
  char* arguments[] = {name.data(), level.data(), to_output.data(), nullptr};
  ::pid_t child = 0;
  const bool started = ::posix_spawnp(&child, program, &actions, nullptr, arguments, environ) == 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  dsr1::index_t size = 0;
  std::vector<char> block(1 << 16);
  for (::ssize_t n = 0; started && (n = ::read(ends[0], block.data(), block.size())) != 0;) {
    if (n > 0)
      size += n;
    else if (errno != EINTR)
      break;
  }
  ::close(ends[0]);
  int status = 0;
  if (!started || ::waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) != 0)
    return {};
  return size;
}

/// Bits for every target of `text` under the frequencies of `train`.
double unigram_bits(const dsr1::dataset& train, const dsr1::dataset& text, dsr1::index_t vocab) {
  std::vector<double> counts(static_cast<std::size_t>(vocab),
                             1);  // plus one: nothing is impossible
  const auto for_each_target = [](const dsr1::dataset& data, auto&& f) {
    for (dsr1::index_t d = 0; d < data.documents(); ++d) {
      const dsr1::token_run run = data.document(d);
      for (dsr1::index_t i = 0; i < run.size(); ++i) f(static_cast<std::size_t>(run[i]));
      f(static_cast<std::size_t>(data.end_of_document()));
    }
  };
  for_each_target(train, [&](std::size_t id) { ++counts[id]; });
  const double total = static_cast<double>(train.targets() + vocab);
  double bits = 0;
  for_each_target(text, [&](std::size_t id) { bits -= std::log2(counts[id] / total); });
  return bits;
}

}  // namespace

dsr1::json measure_baselines(const dsr1::data_manifest& manifest) {
  const dsr1::dataset train(manifest, manifest.train), held_out(manifest, manifest.held_out);
  const tokenizer tokens((manifest.folder / manifest.tokenizer).string());
  const scratch_file file(manifest.folder / "held_out.tmp");
  dsr1::index_t bytes = 0;
  {
    std::ofstream out(file.path, std::ios::binary);
    std::vector<std::int32_t> ids;
    for (dsr1::index_t d = 0; d < held_out.documents(); ++d) {
      const dsr1::token_run run = held_out.document(d);
      ids.resize(static_cast<std::size_t>(run.size()));
      run.copy(0, run.size(), ids.data());
      const std::string text = tokens.decode(ids);
      out << text;
      bytes += static_cast<dsr1::index_t>(text.size());
    }
    out.close();
    dsr1::expects(out.good(), "cannot write ", file.path.string());
  }
  dsr1::expects(bytes == manifest.held_out.bytes, "the held-out tokens decode to ", bytes,
                " bytes, ", (manifest.folder / "manifest.json").string(), " says ",
                manifest.held_out.bytes);
  const auto per_byte = [&](double bits) { return bits / static_cast<double>(bytes); };
  dsr1::json out = dsr1::json::object();
  for (const char* program : {"gzip", "xz"}) {
    const auto size = compressed_size(program, file.path);
    out[std::string(program) + "_9"] =
        size ? dsr1::json(per_byte(8.0 * static_cast<double>(*size))) : dsr1::json();
  }
  out["unigram"] = per_byte(unigram_bits(train, held_out, manifest.vocab));
  return out;
}

std::string baselines_table(const dsr1::data_manifest& manifest) {
  const dsr1::json& b = manifest.baselines;
  std::string out =
      fmt::format("held-out text: {} bytes, bits per byte:\n", manifest.held_out.bytes);
  for (const char* name : {"gzip_9", "xz_9", "unigram"})
    out += b.contains(name) && b[name].is_number()
               ? fmt::format("  {:<8} {:.4f}\n", name, b[name].get<double>())
               : fmt::format("  {:<8} not measured\n", name);
  return out;
}

void add_baselines(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "baselines", "Measure gzip, xz and a unigram model on the held-out text again");
  const auto folder = std::make_shared<std::string>();
  command->add_option("DIR", *folder, "Folder that `prepare` wrote")->required();
  command->callback([folder] {
    dsr1::data_manifest manifest = dsr1::read_manifest(*folder);
    manifest.baselines = measure_baselines(manifest);
    dsr1::write_manifest(*folder, manifest);
    fmt::print("{}", baselines_table(manifest));
  });
}

}  // namespace seed
