#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Trains a small mixture-of-experts model on real text and shows what it learned.
#
#     scripts/demo.sh [MINUTES [FOLDER]]        9 minutes of training, in build/demo
#
# Builds the program, gathers text (scripts/corpus.sh), prepares it, trains. Text and prepared data
# are used again by the next call; the run of this call is FOLDER/run, the one before it
# FOLDER/run.previous.
set -euo pipefail
minutes=${1:-9}
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${2:-build/demo}
cd "$root"
if ! [[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || [[ $minutes =~ ^[0.]+$ ]]; then
  echo "demo.sh: MINUTES is \"$minutes\", expected a number above 0" >&2
  exit 2
fi
mkdir -p "$folder"
program=build/bin/deepseek_r1

heading() {
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then printf '\n\033[1m%s\033[0m\n\n' "$*"; else printf '\n%s\n\n' "$*"; fi
}
# Output only when it fails.
quietly() { "$@" > "$folder/log.txt" 2>&1 || { cat "$folder/log.txt" >&2; exit 1; }; }

heading "1/4  Build"
[ -f build/build.ninja ] || quietly cmake -S . -B build -G Ninja
if [ -t 1 ]; then build() { "$@"; }; else build() { quietly "$@"; }; fi
build cmake --build build -j "${JOBS:-$(nproc)}" --target deepseek_r1
echo "$program"

heading "2/4  Text from Debian packages"
scripts/corpus.sh "$folder/corpus" > "$folder/corpus.txt"
echo "$(($(wc -l < "$folder/corpus.txt") - 2)) sources in $folder/corpus; their licences are in $folder/corpus/sources.tsv"

heading "3/4  Tokens"
# About as much as 9 minutes of training can read.
prepare=(prepare --out "$folder/data" --max-bytes 30000000 "$folder/corpus")
stamp="${prepare[*]} $(cksum < "$folder/corpus/sources.tsv")"
if [ -f "$folder/data/manifest.json" ] && [ "$(cat "$folder/data/.stamp" 2> /dev/null)" = "$stamp" ]; then
  echo "as prepared before: $folder/data"
else
  "$program" "${prepare[@]}"
  printf '%s' "$stamp" > "$folder/data/.stamp"
fi

heading "4/4  Train for $minutes minutes"
if [ -e "$folder/run" ]; then
  rm -rf "$folder/run.previous"
  mv "$folder/run" "$folder/run.previous"
fi
"$program" pretrain --data "$folder/data" --out "$folder/run" --size demo --minutes "$minutes" \
  --sample "The following example shows how to" --sample "template <typename T>"

cat << END

More text:    $program generate $folder/run --prompt "To install the package"
Train again:  make demo MINUTES=20
END
