// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Pre-training on several ranks: threads of one program, and processes under mpirun.

#include "program.hpp"

#include <dsr1/io/json.hpp>
#include <dsr1/monitor/metrics.hpp>
#include <dsr1/train/checkpoint.hpp>

#include "seed_model.hpp"

using namespace program_test;
using dsr1::index_t;

namespace {

std::vector<double> losses(const fs::path& run) {
  std::vector<double> out;
  for (const auto& r : dsr1::read_metrics((run / "metrics.jsonl").string()))
    if (const double loss = r.get("loss"); std::isfinite(loss)) out.push_back(loss);
  return out;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

std::string weights(const fs::path& run, index_t step) {
  return read(dsr1::checkpoint::path_of(run / "checkpoints", step) / "model.safetensors");
}

void train(const folder& f, const std::string& out, int steps, const std::string& more) {
  const int status = run(f, small_run(out, steps, "--rate 1e-2 " + more));
  INFO(more << ": " << read(f / "err.txt"));
  REQUIRE(status == 0);
}

}  // namespace

TEST_CASE("ranks: the curve of one rank, whatever their number and wherever the experts lie") {
  const folder f;
  make_data(f);
  train(f, "one", 10, "");
  const std::vector<double> one = losses(f / "one");
  for (const char* way :
       {"--ranks 2", "--ranks 3", "--ranks 4 --shard-optimizer", "--ranks 2 --expert-ranks 0",
        "--ranks 4 --expert-ranks 2", "--ranks 4 --expert-ranks 0 --rebalance-steps 3"}) {
    INFO(way);
    train(f, "many", 10, way);
    CHECK(mentions(read(f / "out.txt"), "ranks of ", "Load of the experts", "What it writes"));
    CHECK(largest_difference(losses(f / "many"), one) < 1e-4);
    fs::remove_all(f / "many");
  }
}

TEST_CASE("ranks: the metrics say what was sent, and that is what the size of the model predicts") {
  const folder f;
  make_data(f);
  train(f, "two", 3, "--ranks 2");
  const auto manifest = dsr1::read_manifest(f / "data");
  seed::model_size size = seed::find_size("nano")->size;
  size.vocab = manifest.vocab;
  for (const auto& r : dsr1::read_metrics((f / "two/metrics.jsonl").string())) {
    if (!std::isfinite(r.get("loss"))) continue;
    CHECK(r.get("sent_gradient") == static_cast<double>(size.gradient_traffic(2)));
    CHECK(r.get("communication_s") >= 0);
    CHECK(r.get("exposed_s") >= 0);
    CHECK(r.get("rank_imbalance") == 1);
  }
}

TEST_CASE(
    "ranks: coded gradients go on after a kill to the same bits, and on other numbers of ranks") {
  const folder f;
  make_data(f);
  const std::string way = "--gradients int8 --error-feedback --save-steps 4";
  train(f, "whole", 12, way + " --ranks 2");
  {
    process p(f, small_run("killed", 12, "--rate 1e-2 --ranks 2 " + way));
    p.wait_until(
        [&] { return fs::exists(dsr1::checkpoint::path_of(f / "killed/checkpoints", 4)); });
    p.send(SIGKILL);
    p.wait();
  }
  fs::copy(f / "killed", f / "other", fs::copy_options::recursive);
  REQUIRE(run(f, "pretrain --out killed --resume --ranks 2") == 0);
  const bool same = weights(f / "killed", 12) == weights(f / "whole", 12);
  CHECK(same);
  REQUIRE(run(f, "pretrain --out other --resume --ranks 3") == 0);
  CHECK(largest_difference(losses(f / "other"), losses(f / "whole")) < 0.05);
}

TEST_CASE("ranks: bad input is said once, by whoever notices") {
  const folder f;
  make_data(f);
  CHECK(run(f, small_run("x", 2, "--ranks 4 --expert-ranks 3")) == 1);
  CHECK(mentions(read(f / "err.txt"), "experts spread over groups of 3 ranks, but there are 4"));
  CHECK(run(f, small_run("y", 2, "--ranks 2 --gradients int2")) > 1);
  REQUIRE(run(f, small_run("z", 2, "--ranks 2")) == 0);
  CHECK(run(f, small_run("z", 2, "--ranks 2")) == 1);
  CHECK(mentions(read(f / "err.txt"), "z holds a run already"));
}

#ifdef DEEPSEEK_R1_MPIRUN
TEST_CASE("ranks: mpirun gives the bits of threads, and a process that dies spoils nothing") {
  const folder f;
  make_data(f);
  const auto under_mpi = [&](int n, const std::string& arguments) {
    return std::system(dsr1::text("cd ", f.path.string(), " && timeout 120 ", DEEPSEEK_R1_MPIRUN,
                                  ' ', n, " ", DEEPSEEK_R1, " ", arguments, " > out.txt 2> err.txt")
                           .c_str());
  };
  train(f, "threads", 12, "--ranks 2");
  const int status = under_mpi(2, small_run("mpi", 12, "--rate 1e-2"));
  INFO(read(f / "err.txt"));
  REQUIRE(status == 0);
  const bool same = weights(f / "mpi", 12) == weights(f / "threads", 12);
  CHECK(same);
  CHECK(largest_difference(losses(f / "mpi"), losses(f / "threads")) == 0);

  // Rank 1 is killed after the first checkpoint: the other ends too, and the run can go on.
  write(f / "killed.sh",
        dsr1::text("rank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}\n", DEEPSEEK_R1, " ",
                   small_run("killed", 2000, "--rate 1e-2 --save-steps 4"),
                   " &\nchild=$!\nif [ \"$rank\" = 1 ]; then\n"
                   "  while [ ! -e killed/checkpoints/step-00000004 ]; do sleep 0.01; done\n"
                   "  kill -KILL $child\nfi\nwait $child\n"));
  CHECK(std::system(dsr1::text("cd ", f.path.string(), " && timeout 120 ", DEEPSEEK_R1_MPIRUN,
                               " 2 sh killed.sh > out.txt 2> err.txt")
                        .c_str()) != 0);
  const auto saved = dsr1::checkpoint::steps(f / "killed/checkpoints");
  REQUIRE(!saved.empty());
  CHECK(saved.back() < 2000);
  dsr1::checkpoint::verify(dsr1::checkpoint::path_of(f / "killed/checkpoints", saved.back()));
}
#endif
