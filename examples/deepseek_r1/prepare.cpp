// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 prepare: text files to token shards, a tokenizer and a manifest.

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dsr1/core/hash.hpp>
#include <dsr1/data/dataset.hpp>
#include <dsr1/data/deduplicate.hpp>
#include <dsr1/monitor/progress.hpp>

#include "baselines.hpp"
#include "commands.hpp"
#include "documents.hpp"
#include "tokenizer.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;
using dsr1::index_t;

struct options {
  std::string out;
  std::vector<std::string> inputs;
  index_t vocab = 4096;
  double held_out = 0.05;
  index_t max_bytes = 0;
  index_t document_bytes = 65536;
  index_t piece_bytes = 3072;
  index_t sample_bytes = 10'000'000;
  double coverage = 0.9995;
  int threads = 2;
};

/// A cleaned file.
struct document {
  std::string text;
  std::size_t source = 0;
  std::uint64_t hash = 0;  // of the text: decides sampling and the split, wherever the file lies
  bool held_out = false;
};

/// 0 to 1, from the upper bits of the hash.
double place(const document& d) { return static_cast<double>(d.hash >> 11) * 0x1p-53; }

/// Seconds since the last call, to tell where the time went.
class stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

dsr1::progress bar(std::string title, std::size_t total) {
  dsr1::progress_options o;
  o.title = std::move(title);
  o.total = static_cast<index_t>(total);
  o.unit = "B";
  return {std::cerr, dsr1::terminal_of(2), o};
}

std::vector<document> read_documents(const found_files& found, dsr1::cleaning_report& report) {
  std::vector<document> out;
  dsr1::duplicate_filter duplicates;
  dsr1::progress shown = bar("read  ", found.files.size());
  index_t done = 0;
  for (const found_file& file : found.files) {
    std::string text = read_text(file);
    const auto read = static_cast<index_t>(text.size());
    dsr1::text_rule rule = dsr1::clean_text(text);
    if (rule == dsr1::text_rule::kept) rule = duplicates.check(text);
    const bool kept = rule == dsr1::text_rule::kept;
    report.add(rule, read, kept ? static_cast<index_t>(text.size()) : 0);
    shown.update({.done = ++done, .amount = static_cast<double>(read)});
    if (!kept) continue;
    dsr1::content_hash hash;
    hash.add(text.data(), text.size());
    out.push_back({std::move(text), file.source, hash.value(), false});
  }
  return out;
}

/// Keeps whole documents up to `limit` bytes, those with the smallest hashes: a fair sample of all
/// sources, and mostly the same one when files are added.
void limit_bytes(std::vector<document>& all, index_t limit) {
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return all[a].hash < all[b].hash; });
  std::vector<bool> keep(all.size());
  index_t bytes = 0;
  for (const std::size_t i : order) {
    const auto size = static_cast<index_t>(all[i].text.size());
    if (bytes + size > limit) continue;
    bytes += size;
    keep[i] = true;
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (keep[i]) {
      if (next != i) all[next] = std::move(all[i]);
      ++next;
    }
  all.resize(next);
}

/// A document is held out when its hash says so: adding files moves no other document. The order of
/// hashes within [0, share) is of no use to the sample of `limit_bytes`, so the split rehashes.
void split(std::vector<document>& all, double share) {
  if (share == 0) return;
  dsr1::expects(all.size() >= 2,
                "one document cannot be split into training and held-out text; give more "
                "files, or --held-out 0");
  const auto place_of = [](const document& d) {
    dsr1::content_hash again;
    again.add(&d.hash, sizeof(d.hash));
    return static_cast<double>(again.value() >> 11) * 0x1p-53;
  };
  std::size_t first = 0, last = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].held_out = place_of(all[i]) < share;
    if (place_of(all[i]) < place_of(all[first])) first = i;
    if (place_of(all[i]) > place_of(all[last])) last = i;
  }
  // Few documents may all fall on one side; both splits must have one.
  all[first].held_out = true;
  all[last].held_out = false;
}

/// Training documents in the order of their hashes, up to `limit` bytes: the tokenizer never sees
/// held-out text. A document that would pass the limit is cut.
std::vector<std::string_view> sample(const std::vector<document>& all, index_t limit) {
  std::vector<const document*> order;
  for (const document& d : all)
    if (!d.held_out) order.push_back(&d);
  std::sort(order.begin(), order.end(), [](auto a, auto b) { return place(*a) < place(*b); });
  std::vector<std::string_view> out;
  for (const document* d : order) {
    if (limit <= 0) break;
    out.push_back(cut(d->text, static_cast<std::size_t>(std::max<index_t>(limit, 16))).front());
    limit -= static_cast<index_t>(out.back().size());
  }
  return out;
}

/// f(i) for all i below n, on several threads, in any order; the first exception is thrown here.
template <class F>
void parallel(std::size_t n, int threads, F&& f) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex guard;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < n; i = next++) f(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      failure = std::current_exception();
      next = n;
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& t : others) t.join();
  if (failure) std::rethrow_exception(failure);
}

/// One part of a document, as tokens.
struct encoded {
  std::string_view text;
  std::size_t source;
  bool held_out;
  std::vector<std::int32_t> ids;
};

std::vector<encoded> encode(const std::vector<document>& all, const tokenizer& tokens,
                            const options& o) {
  std::vector<encoded> parts;
  // Short pieces in training, so that a batch holds many subjects; held-out text stays together.
  const index_t piece = std::min(o.piece_bytes, o.document_bytes);
  for (const document& d : all)
    for (const std::string_view part :
         cut(d.text, static_cast<std::size_t>(d.held_out ? o.document_bytes : piece)))
      parts.push_back({part, d.source, d.held_out, {}});
  dsr1::progress shown = bar("encode", parts.size());
  std::mutex guard;
  index_t done = 0;
  parallel(parts.size(), o.threads, [&](std::size_t i) {
    tokens.encode(parts[i].text, parts[i].ids);
    dsr1::expects(tokens.decode(parts[i].ids) == parts[i].text,
                  "the tokenizer does not give back a document of ", parts[i].text.size(),
                  " bytes");
    const std::lock_guard lock(guard);
    shown.update({.done = ++done, .amount = static_cast<double>(parts[i].text.size())});
  });
  return parts;
}

dsr1::data_split write_split(const std::vector<encoded>& parts, bool held_out, index_t vocab,
                             const fs::path& folder) {
  constexpr index_t shard_tokens = 1 << 24;
  dsr1::data_split out;
  std::unique_ptr<dsr1::shard_writer> shard;
  std::string name;
  const auto finish = [&] {
    if (!shard) return;
    const std::string hash = dsr1::hash_text(shard->commit());
    out.shards.push_back({name, shard->documents(), shard->tokens(), hash});
    shard.reset();
  };
  for (const encoded& part : parts) {
    if (part.held_out != held_out) continue;
    if (!shard) {
      name = fmt::format("{}-{:05}.tokens", held_out ? "held_out" : "train", out.shards.size());
      shard = std::make_unique<dsr1::shard_writer>(folder / name, vocab);
    }
    shard->add(part.ids);
    ++out.documents;
    out.tokens += static_cast<index_t>(part.ids.size());
    out.bytes += static_cast<index_t>(part.text.size());
    if (shard->tokens() >= shard_tokens) finish();
  }
  finish();
  return out;
}

void print_tables(const dsr1::data_manifest& m) {
  const auto row = [](const std::string& name, index_t documents, index_t bytes, index_t tokens,
                      const std::string& more) {
    fmt::print("{:<24} {:>9} {:>12} {:>11} {:>11}  {}\n", name, documents, bytes, tokens,
               tokens > 0
                   ? fmt::format("{:.3f}", static_cast<double>(bytes) / static_cast<double>(tokens))
                   : "-",
               more);
  };
  fmt::print("\n{:<24} {:>9} {:>12} {:>11} {:>11}  {}\n", "", "documents", "bytes", "tokens",
             "bytes/token", "licence");
  for (const dsr1::data_source& s : m.sources)
    row(s.name, s.documents, s.bytes, s.tokens, s.licence);
  row("train", m.train.documents, m.train.bytes, m.train.tokens, "");
  row("held out", m.held_out.documents, m.held_out.bytes, m.held_out.tokens, "");
  fmt::print("\n{:<24} {:>9} {:>12}\n", "files, by what became", "files", "bytes read");
  for (std::size_t i = 0; i < dsr1::text_rule_names.size(); ++i)
    if (m.cleaning.rules[i].documents > 0)
      fmt::print("{:<24} {:>9} {:>12}\n", dsr1::text_rule_names[i], m.cleaning.rules[i].documents,
                 m.cleaning.rules[i].bytes);
  fmt::print("\n");
}

void run(const options& o) {
  stopwatch watch;
  dsr1::data_manifest m;
  m.folder = o.out;
  std::error_code failure;
  fs::create_directories(m.folder, failure);
  dsr1::expects(!failure, "cannot create ", o.out, ": ", failure.message());
  fs::remove(m.folder / "manifest.json", failure);  // until the end there is no data set here

  const found_files found = find_files(o.inputs);
  m.sources = found.sources;
  std::vector<document> all = read_documents(found, m.cleaning);
  std::string dropped;
  for (std::size_t i = 1; i < dsr1::text_rule_names.size(); ++i)
    if (m.cleaning.rules[i].documents > 0)
      dropped += dsr1::text(", ", m.cleaning.rules[i].documents, " ", dsr1::text_rule_names[i]);
  dsr1::expects(!all.empty(), "no text: of ",
                found.files.size() + static_cast<std::size_t>(found.skipped),
                " files, none was kept (", found.skipped, " skipped for their names", dropped, ")");
  if (o.max_bytes > 0) limit_bytes(all, o.max_bytes);
  dsr1::expects(!all.empty(), "no document is shorter than --max-bytes ", o.max_bytes);
  split(all, o.held_out);
  const double read_seconds = watch.lap();

  const std::string model = train_tokenizer(sample(all, o.sample_bytes),
                                            {.vocab = o.vocab, .character_coverage = o.coverage});
  const tokenizer tokens(model, "the trained tokenizer");
  m.vocab = tokens.vocab();
  m.end_of_document = tokens.end_of_document();
  m.tokenizer = "tokenizer.model";
  dsr1::atomic_file file(m.folder / m.tokenizer);
  file.write(model);
  m.tokenizer_hash = dsr1::hash_text(file.hash());
  file.commit();
  const double train_seconds = watch.lap();

  const std::vector<encoded> parts = encode(all, tokens, o);
  const double encode_seconds = watch.lap();
  for (const encoded& p : parts) {
    dsr1::data_source& s = m.sources[p.source];
    ++s.documents;
    s.bytes += static_cast<index_t>(p.text.size());
    s.tokens += static_cast<index_t>(p.ids.size());
  }
  std::erase_if(m.sources, [](const dsr1::data_source& s) { return s.documents == 0; });
  m.train = write_split(parts, false, m.vocab, m.folder);
  m.held_out = write_split(parts, true, m.vocab, m.folder);
  m.options = {{"vocab", o.vocab},
               {"held_out", o.held_out},
               {"max_bytes", o.max_bytes},
               {"document_bytes", o.document_bytes},
               {"piece_bytes", o.piece_bytes},
               {"sample_bytes", o.sample_bytes},
               {"coverage", o.coverage}};
  const double write_seconds = watch.lap();
  if (!m.held_out.shards.empty()) m.baselines = measure_baselines(m);
  dsr1::write_manifest(m.folder, m);
  const double baseline_seconds = watch.lap();

  print_tables(m);
  if (!m.held_out.shards.empty()) fmt::print("{}", baselines_table(m));
  if (m.vocab < o.vocab)
    fmt::print("vocabulary: {} tokens; the text had no more pairs to merge\n", m.vocab);
  fmt::print(
      "seconds: {:.1f} read and clean, {:.1f} train tokenizer, {:.1f} encode, {:.1f} write, {:.1f} "
      "baselines\n",
      read_seconds, train_seconds, encode_seconds, write_seconds, baseline_seconds);
  fmt::print("{}\n", (m.folder / "manifest.json").string());
}

}  // namespace

void add_prepare(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "prepare", "Turn text files into token shards, a tokenizer and a manifest");
  const auto o = std::make_shared<options>();
  command->add_option("--out", o->out, "Folder to write")->required();
  command->add_option("--vocab", o->vocab, "Tokens of the vocabulary")
      ->capture_default_str()
      ->check(CLI::Range(512, 1000000));
  command
      ->add_option("--held-out", o->held_out,
                   "Share of the documents kept from training; 0 for none")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.5));
  command
      ->add_option("--max-bytes", o->max_bytes,
                   "Most bytes of cleaned text, a fair sample; 0 for all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--document-bytes", o->document_bytes, "Longer documents are cut at blank lines")
      ->capture_default_str()
      ->check(CLI::Range(1024, 1 << 26));
  command
      ->add_option("--piece-bytes", o->piece_bytes,
                   "Training documents are cut into pieces of at most this")
      ->capture_default_str()
      ->check(CLI::Range(1024, 1 << 26));
  command
      ->add_option("--sample-bytes", o->sample_bytes,
                   "Most training text that the tokenizer learns from")
      ->capture_default_str()
      ->check(CLI::Range(1024, 1 << 28));
  command->add_option("--coverage", o->coverage, "Share of characters with a token of their own")
      ->capture_default_str()
      ->check(CLI::Range(0.9, 1.0));
  command->add_option("--threads", o->threads, "Threads that encode")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  command->add_option("INPUT", o->inputs, "Folders and files")->required();
  command->callback([o] { run(*o); });
}

}  // namespace seed
