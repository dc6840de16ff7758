#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Tests and measures the CUDA backend on the device at hand, with nvcc and g++ alone.
#
#     scripts/gpu.sh pack     on a machine with our packages: puts the few that are needed (Eigen,
#                             nlohmann-json, Catch2, Google Benchmark) into build/gpu/packages, to be
#                             carried to a machine that has none
#     scripts/gpu.sh build    compiles tests and benchmark for the device
#     scripts/gpu.sh test     runs them, the compute-sanitizer on a part; a log and a count
#     scripts/gpu.sh bench    runs the benchmark
#     scripts/gpu.sh          all three; each takes below ten minutes
#
# Leaves gpu.log and gpu.json in $OUT (build/gpu/out). Ends with 77 where there is no device.
set -euo pipefail
cd "$(dirname "$0")/.."
work=build/gpu
OUT=${OUT:-$work/out}
mkdir -p "$work" "$OUT"
log=$OUT/gpu.log
say() { echo "$@" | tee -a "$log"; }

pack() {
  mkdir -p $work/packages/include $work/packages/lib
  cp -rL /usr/include/eigen3/. /usr/include/nlohmann /usr/include/catch2 /usr/include/benchmark $work/packages/include/
  cp "$(g++ -print-file-name=libbenchmark.so)" $work/packages/lib/
  cp $work/packages/lib/libbenchmark.so $work/packages/lib/libbenchmark.so.1debian
  du -sh $work/packages
}

find_tools() {
  PATH=$PATH:/usr/local/cuda/bin
  command -v nvcc > /dev/null || { say "no nvcc"; exit 77; }
  command -v nvidia-smi > /dev/null && nvidia-smi -L > /dev/null 2>&1 || { say "no NVIDIA device"; exit 77; }
  device=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader | head -1)
  arch=sm_$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
  say "$(date -u +%FT%TZ) $device, $(nvcc --version | tail -2 | head -1), $(nproc) cores"
  flags=(-std=c++20 -O3 "-arch=$arch" --expt-relaxed-constexpr -diag-suppress=1675 -Iinclude -Itests -Iexamples/checkpoint
    "-DDSR1_TEST_GOLDEN=\"$PWD/tests/golden\"" -DDSR1_CATCH2_VERSION=2)
  for folder in $work/packages/include /usr/include/eigen3; do
    [ -d "$folder" ] && flags+=("-isystem=$folder")
  done
  for header in Eigen/Core nlohmann/json.hpp catch2/catch.hpp benchmark/benchmark.h; do
    echo "#include <$header>" | g++ -std=c++20 -E -x c++ -isystem $work/packages/include -isystem /usr/include/eigen3 - > /dev/null 2>&1 ||
      { say "missing: $header (run scripts/gpu.sh pack where it is, and carry build/gpu/packages)"; exit 1; }
  done
}

build() {
  local start=$SECONDS
  ls tests/cuda/*.cpp tests/main.cpp tests/golden.cpp benchmarks/bench_cuda.cpp |
    xargs -P "$(nproc)" -I{} sh -c 'o='$work'/$(echo {} | tr / _).o; nvcc "$@" -x cu -c {} -o $o || exit 255' sh "${flags[@]}" 2>&1 | tee -a "$log"
  nvcc "-arch=$arch" $work/tests_cuda_*.o $work/tests_main.cpp.o $work/tests_golden.cpp.o -o $work/test_cuda_device -lcublasLt
  nvcc "-arch=$arch" $work/benchmarks_bench_cuda.cpp.o -o $work/bench_cuda -L$work/packages/lib "-Xlinker=-rpath=$PWD/$work/packages/lib" -lbenchmark -lcublasLt -lpthread
  say "built in $((SECONDS - start)) s"
}

test_device() {
  local failed=0
  timeout 500 $work/test_cuda_device -d yes "[cuda]" > "$OUT/tests.txt" 2>&1 || failed=1
  tail -40 "$OUT/tests.txt" | tee -a "$log"
  if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck; do
      timeout 120 compute-sanitizer --tool $tool --error-exitcode 9 $work/test_cuda_device "cuda warp*,cuda launch: shared*,cuda row_ops*" 2>&1 |
        tail -3 | tee -a "$log" || failed=1
    done
  else
    say "skipped: compute-sanitizer is not here"
  fi
  printf '{"date": "%s", "device": "%s", "passed": %s, "summary": "%s"}\n' "$(date -u +%FT%TZ)" "$device" \
    "$([ $failed = 0 ] && echo true || echo false)" "$(grep -E 'passed|failed' "$OUT/tests.txt" | tail -1)" > "$OUT/tests.json"
  return $failed
}

bench() {
  timeout 550 $work/bench_cuda --json --benchmark_repetitions=3 --benchmark_report_aggregates_only=true > "$OUT/bench.json" 2>> "$log" || return 1
  say "benchmarks: $OUT/bench.json"
}

write_json() {
  { printf '{"device": "%s",\n "tests": ' "$device"
    cat "$OUT/tests.json" 2> /dev/null || echo null
    printf ',\n "benchmarks": '
    cat "$OUT/bench.json" 2> /dev/null || echo null
    echo "}"; } > "$OUT/gpu.json"
}

case ${1:-all} in
  pack) pack ;;
  build) find_tools; build ;;
  test) find_tools; test_device; write_json ;;
  bench) find_tools; bench; write_json ;;
  all)
    find_tools
    build
    status=0
    test_device || status=1
    bench || status=1
    write_json
    exit $status ;;
  *) sed -n '4,17p' "$0"; exit 2 ;;
esac
