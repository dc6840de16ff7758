#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Builds tests/consumer in one of its ways and runs it.
#
#     scripts/check_consumer.sh WAY SOURCE BUILD SCRATCH
#
# WAY: installed, build-tree, subdirectory, fetch, text or mpi (the installed component; when it was not built, asking
# for it must fail with our message), or unknown-component (must fail with our message).
set -euo pipefail
way=$1 source=$2 build=$3 scratch=$4/$1
rm -rf "$scratch"
mkdir -p "$scratch"
quiet() { "$@" > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }; }
generator=(-G Ninja -DCMAKE_BUILD_TYPE=Release)
command -v ccache > /dev/null && generator+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

case $way in
  installed)
    quiet cmake --install "$build" --prefix "$scratch/prefix"
    if grep -rE 'INTERFACE_COMPILE_(OPTIONS|DEFINITIONS)' "$scratch/prefix"; then
      echo "the installed package exports compile options or definitions"; exit 1
    fi
    options=(-DWAY=package "-DCMAKE_PREFIX_PATH=$scratch/prefix") ;;
  build-tree) options=(-DWAY=package "-Ddsr1_DIR=$build") ;;
  subdirectory) options=(-DWAY=subdirectory "-DDSR1_SOURCE=$source") ;;
  fetch) options=(-DWAY=fetch "-DDSR1_SOURCE=$source" -DFETCHCONTENT_FULLY_DISCONNECTED=ON) ;;
  text | mpi)
    quiet cmake --install "$build" --prefix "$scratch/prefix"
    options=("-DWAY=$way" "-DCMAKE_PREFIX_PATH=$scratch/prefix")
    if [ ! -e "$scratch/prefix/share/cmake/dsr1/dsr1-$way-targets.cmake" ]; then
      if cmake -S "$source/tests/consumer" -B "$scratch/build" "${generator[@]}" "${options[@]}" > "$scratch/log" 2>&1; then
        echo "a component that was not built was found"; exit 1
      fi
      grep -q "built without its component \"$way\"" <(tr -s ' \n' ' ' < "$scratch/log") || { cat "$scratch/log"; exit 1; }
      echo "ok: not built, and says so"; exit 0
    fi ;;
  unknown-component)
    mkdir -p "$scratch/project"
    printf 'cmake_minimum_required(VERSION 3.25)\nproject(x CXX)\nfind_package(dsr1 REQUIRED COMPONENTS nonsense)\n' > "$scratch/project/CMakeLists.txt"
    if cmake -S "$scratch/project" -B "$scratch/x" "${generator[@]}" "-Ddsr1_DIR=$build" > "$scratch/log" 2>&1; then
      echo "an unknown component was accepted"; exit 1
    fi
    grep -q 'no component "nonsense"; it has: core' <(tr -s ' \n' ' ' < "$scratch/log") || { cat "$scratch/log"; exit 1; }
    echo ok; exit 0 ;;
  *) echo "unknown way $way"; exit 2 ;;
esac
quiet cmake -S "$source/tests/consumer" -B "$scratch/build" "${generator[@]}" "${options[@]}"
quiet cmake --build "$scratch/build" -j 2
find "$scratch/build" -name consumer -type f -exec {} \;
"$(find "$scratch/build" -name consumer -type f | head -1)" > /dev/null
