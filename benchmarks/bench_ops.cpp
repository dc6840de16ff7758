// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every operation group of the backend and every family of layers, beside the machine's limits
// measured in the same run. Optimizer steps are in bench_optim, whole training steps in
// bench_train_step. --json prints Google Benchmark's JSON; all its own options work too
// (--benchmark_filter=attention, say). What the counters mean: ops/harness.hpp.

#include <cstring>
#include <string>
#include <vector>

#include "ops/harness.hpp"

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  char json_format[] = "--benchmark_format=json";
  for (char*& a : arguments)
    if (std::strcmp(a, "--json") == 0) a = json_format;
  bench::add_machine();
  bench::add_tensor();
  bench::add_linear();
  bench::add_quant();
  bench::add_attention();
  bench::add_routing();
  bench::add_loss();
  bench::add_layers();
  bench::add_decode();
  bench::add_data();
  bench::add_wire();
  benchmark::AddCustomContext("instructions", std::string(dsr1::name_of(dsr1::chosen_isa())));
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
