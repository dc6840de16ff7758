// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints: resumed equals uninterrupted to the bit; damage and full disks are named.

#include <csignal>
#include <fstream>

#include <sys/resource.h>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/optim/muon.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace dsr1;
using namespace small_model;
namespace fs = std::filesystem;

namespace {

struct folder {
  fs::path path = fs::temp_directory_path() /
                  ("dsr1-test-" + std::to_string(::getpid()) + "-" + std::to_string(next++));
  folder() { fs::create_directories(path); }
  ~folder() { fs::remove_all(path); }
  static inline int next = 0;
};

template <class Policy>
struct run {
  context<cpu> ctx{{.threads = 2, .seed = 3}};
  small_lm<float, false> model;
  std::optional<trainer<context<cpu>, small_lm<float, false>, Policy>> t;

  run() {
    initialize(ctx, model);
    t.emplace(ctx, model, Policy{});
  }
  void steps(index_t n) {
    for (index_t i = 0; i < n; ++i) {
      const auto in = ids(40, 13, static_cast<std::uint64_t>(10 + t->steps())),
                 out = ids(40, 13, 5);
      const training_batch b[] = {
          {{view<const std::int32_t, 1>(in.data(), 40), sequence_layout(40)},
           view<const std::int32_t, 1>(out.data(), 40)}};
      t->step(b, 1e-2);
    }
  }
  std::vector<float> everything() {
    std::vector<float> all;
    model.for_each_parameter([&](const parameter_name&, auto& p) {
      all.insert(all.end(), p.values().begin(), p.values().end());
    });
    t->optimizer().for_each_state(
        [&](const std::string&, auto& b) { all.insert(all.end(), b.begin(), b.end()); });
    return all;
  }
};

template <class Policy>
void resume_equals_uninterrupted() {
  folder f;
  run<Policy> whole, first, second;
  whole.steps(7);
  first.steps(4);
  const auto path = checkpoint::save(first.ctx, f.path, *first.t, {{"position", 17}});
  second.steps(2);  // whatever it was before
  CHECK(checkpoint::load(second.ctx, path, *second.t)["position"] == 17);
  CHECK(second.t->steps() == 4);
  second.steps(3);
  CHECK(second.everything() == whole.everything());
}

void edit(const fs::path& file, const std::function<void(std::string&)>& change) {
  std::ifstream in(file, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  change(text);
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("checkpoint: resumed equals uninterrupted, bit for bit") {
  resume_equals_uninterrupted<adamw>();
  resume_equals_uninterrupted<muon>();
}

TEST_CASE("checkpoint: the newest are kept") {
  folder f;
  run<adamw> r;
  for (int i = 0; i < 4; ++i) {
    r.steps(1);
    checkpoint::save(r.ctx, f.path, *r.t, {}, 2);
  }
  CHECK(checkpoint::steps(f.path) == std::vector<index_t>{3, 4});
  fs::create_directories(f.path / "step-00000009.tmp");  // what a killed process leaves
  fs::create_directories(f.path / "notes");
  CHECK(checkpoint::steps(f.path) == std::vector<index_t>{3, 4});
  CHECK(checkpoint::steps(f.path / "nowhere").empty());
}

TEST_CASE("checkpoint: truncated, edited or missing files are named") {
  folder f;
  run<adamw> r;
  r.steps(1);
  const auto fresh = [&] {
    fs::remove_all(f.path);
    return checkpoint::save(r.ctx, f.path, *r.t, {});
  };
  const auto message = [&](const fs::path& p) {
    return message_of([&] { checkpoint::load(r.ctx, p, *r.t); });
  };
  auto p = fresh();
  edit(p / "model.safetensors", [](std::string& s) { s[s.size() / 2] ^= 1; });
  CHECK(mentions(message(p), "model.safetensors", "truncated or edited"));
  p = fresh();
  edit(p / "optimizer.safetensors", [](std::string& s) { s.resize(s.size() - 5); });
  CHECK(mentions(message(p), "optimizer.safetensors", "truncated or edited"));
  p = fresh();
  edit(p / "state.json", [](std::string& s) { s.resize(s.size() / 2); });
  CHECK(mentions(message(p), "state.json", "not valid JSON"));
  p = fresh();
  edit(p / "state.json",
       [](std::string& s) { s.replace(s.find("\"format\": 2"), 11, "\"format\": 7"); });
  CHECK(mentions(message(p), "format 7", "reads 2"));
  p = fresh();
  fs::remove(p / "model.safetensors");
  CHECK(mentions(message(p), "model.safetensors", "No such file"));
}

TEST_CASE("checkpoint: another shape, another optimizer") {
  folder f;
  run<adamw> r;
  r.steps(1);
  const auto p = checkpoint::save(r.ctx, f.path, *r.t, {});
  run<muon> other;
  CHECK(mentions(message_of([&] { checkpoint::load(other.ctx, p, *other.t); }),
                 "the optimizer was adamw", "is muon"));
  context<cpu> ctx({.threads = 1});
  using wider = causal_lm<body<float>, lm_shape{.vocab = 14, .dim = 8}>;
  wider m;
  initialize(ctx, m);
  trainer t(ctx, m, adamw{});
  CHECK(mentions(message_of([&] { checkpoint::load(ctx, p, t); }), "embedding.weight"));
  using tied = causal_lm<body<float>, lm_shape{.vocab = 13, .dim = 8, .tied = true}>;
  tied n;
  initialize(ctx, n);
  trainer u(ctx, n, adamw{});
  CHECK(mentions(message_of([&] { checkpoint::load(ctx, p, u); }), "holds", "another model"));
}

TEST_CASE("checkpoint: a disk that fills up while saving leaves the old checkpoint") {
  folder f;
  run<adamw> r;
  r.steps(1);
  checkpoint::save(r.ctx, f.path, *r.t, {{"old", true}});
  r.steps(1);
  // A limit on the size of files stands for the full disk; its signal must not end the program.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight = before;
  tight.rlim_cur = 9000;
  setrlimit(RLIMIT_FSIZE, &tight);
  const std::string message = message_of([&] { checkpoint::save(r.ctx, f.path, *r.t, {}); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(mentions(message, "cannot write", "File too large"));
  CHECK(checkpoint::steps(f.path) == std::vector<index_t>{1});
  CHECK(std::distance(fs::directory_iterator(f.path), fs::directory_iterator()) == 1);
  CHECK(checkpoint::load(r.ctx, checkpoint::path_of(f.path, 1), *r.t)["old"] == true);
}
