// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tokenizers in bytes of text per second, on one core: English, other scripts, one long word.
//
// The tokenizers are the small golden ones (about 2,000 tokens), or every *.json of the folder
// DSR1_BENCH_TOKENIZERS; the English text is this project's documentation, or the file
// DSR1_BENCH_TEXT. --json prints Google Benchmark's JSON; all its own options work too.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <dsr1/text.hpp>

using namespace dsr1;

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  expects(in.good(), "cannot open ", path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string from_environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

std::string english() {
  const std::string path = from_environment("DSR1_BENCH_TEXT", "");
  if (!path.empty()) return content_of(path);
  std::set<std::filesystem::path> pages = {DSR1_SOURCE "/LICENSE"};
  for (const auto& entry : std::filesystem::directory_iterator(DSR1_SOURCE "/docs"))
    if (entry.path().extension() == ".md") pages.insert(entry.path());
  std::string out;
  for (const auto& page : pages) out += content_of(page);
  return out;
}

/// Sentences of one script after the other.
std::string scripts() {
  std::string out;
  for (int i = 0; i < 500; ++i)
    out +=
        "Größere Straßen führen übers Gebirge. Съешь же ещё этих мягких французских булок. "
        "Η γρήγορη αλεπού πηδάει. 今天天气很好，我们一起去公园散步吧。 カタカナとひらがな。 "
        "안녕하세요 세계. "
        "नमस्ते दुनिया, आप कैसे हैं? سلام عليكم 😀\n";
  return out;
}

std::string repeated(const std::string& unit, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += unit;
  return out;
}

void report(benchmark::State& state, std::size_t bytes, std::size_t tokens) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(tokens),
                                                  benchmark::Counter::kIsIterationInvariantRate);
}

void encode(benchmark::State& state, const tokenizer& tok, const std::string& input) {
  std::vector<std::int32_t> ids;
  for (auto _ : state) {
    ids.clear();
    tok.encode(input, {.add_special = false}, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  report(state, input.size(), ids.size());
}

void decode(benchmark::State& state, const tokenizer& tok, const std::string& input) {
  const auto ids = tok.encode(input, {.add_special = false});
  for (auto _ : state) benchmark::DoNotOptimize(tok.decode(ids));
  report(state, input.size(), ids.size());
}

void load(benchmark::State& state, const std::string& content) {
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer::parse(content, "benchmark").rows());
  state.SetBytesProcessed(static_cast<std::int64_t>(content.size()) * state.iterations());
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<char*> arguments(argv, argv + argc);
  char json_format[] = "--benchmark_format=json";
  for (char*& a : arguments)
    if (std::strcmp(a, "--json") == 0) a = json_format;
  const std::filesystem::path folder =
      from_environment("DSR1_BENCH_TOKENIZERS", DSR1_SOURCE "/tests/golden/tokenizers");
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json" && entry.path().stem() != "unicode_classes")
      files.insert(entry.path());
  for (const auto& file : files) {
    const std::string name = file.stem().string();
    const auto tok = std::make_shared<tokenizer>(tokenizer::read(file));
    const auto add = [&](const char* what, auto f, const std::string& input) {
      benchmark::RegisterBenchmark((name + "/" + what).c_str(), [=](benchmark::State& s) {
        f(s, *tok, input);
      })->Unit(benchmark::kMillisecond);
    };
    add("encode/english", encode, english());
    add("encode/scripts", encode, scripts());
    add("encode/1_MB_word", encode, repeated("a", 1'000'000));
    add("encode/1_MB_spaces", encode, repeated(" ", 1'000'000));
    add("decode/english", decode, english());
    benchmark::RegisterBenchmark((name + "/load").c_str(), load, content_of(file))
        ->Unit(benchmark::kMillisecond);
  }
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
