#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Trains a small mixture-of-experts model on real text and shows what it learned; then teaches it sums,
# first by demonstrations, then by reward.
#
#     scripts/demo.sh [MINUTES [FOLDER]]        9 minutes of pre-training, in build/demo
#
# Builds the program, gathers text (scripts/corpus.sh), prepares it, trains. Text and prepared data
# are used again by the next call; the run of this call is FOLDER/run, with FOLDER/tuned and
# FOLDER/rewarded, those before it are called .previous. Reinforcement makes 20 updates for each minute.
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

heading "1/6  Build"
[ -f build/build.ninja ] || quietly cmake -S . -B build -G Ninja
if [ -t 1 ]; then build() { "$@"; }; else build() { quietly "$@"; }; fi
build cmake --build build -j "${JOBS:-$(nproc)}" --target deepseek_r1
echo "$program"

heading "2/6  Text from Debian packages"
scripts/corpus.sh "$folder/corpus" > "$folder/corpus.txt"
echo "$(($(wc -l < "$folder/corpus.txt") - 2)) sources in $folder/corpus; their licences are in $folder/corpus/sources.tsv"

heading "3/6  Tokens"
# About as much as 9 minutes of training can read.
prepare=(prepare --out "$folder/data" --max-bytes 30000000 "$folder/corpus")
stamp="${prepare[*]} $(cksum < "$folder/corpus/sources.tsv")"
if [ -f "$folder/data/manifest.json" ] && [ "$(cat "$folder/data/.stamp" 2> /dev/null)" = "$stamp" ]; then
  echo "as prepared before: $folder/data"
else
  "$program" "${prepare[@]}"
  printf '%s' "$stamp" > "$folder/data/.stamp"
fi

heading "4/6  Train for $minutes minutes"
for run in run tuned rewarded; do
  [ -e "$folder/$run" ] || continue
  rm -rf "$folder/$run.previous"
  mv "$folder/$run" "$folder/$run.previous"
done
"$program" pretrain --data "$folder/data" --out "$folder/run" --size demo --minutes "$minutes" \
  --sample "The following example shows how to" --sample "template <typename T>"

# What share of 500 held-out sums a run solves, with its most likely answers.
solves() {
  "$program" sample "$1" --test --count 500 --task arithmetic --prompt 16 --answer 24 --out "$folder/answers.jsonl" |
    sed -n 's/.*, \([0-9.]* %\) reach all levels$/\1/p'
}

heading "5/6  Fine-tune by 2000 demonstrations of sums"
"$program" examples --task arithmetic --count 2000 --out "$folder/sums.jsonl"
"$program" sft --from "$folder/run" --examples "$folder/sums.jsonl" --out "$folder/tuned" --steps 200 --tokens 2048 \
  --rate 3e-3 --patience 0

heading "6/6  Reinforce: PPO on other sums, judged and not shown"
updates=$(awk "BEGIN { n = int(20 * $minutes + 0.5); print n < 1 ? 1 : n }")
"$program" rl --from "$folder/tuned/best" --out "$folder/rewarded" --task arithmetic --algorithm ppo --updates "$updates" \
  --prompts 512 --rate 3e-4 --entropy 0 --kl 0 --prompt 16 --answer 24 --problems 500

cat << END

Held-out sums solved (pass@1)
  after pre-training                  $(solves "$folder/run")
  after supervised fine-tuning        $(solves "$folder/tuned/best")
  after reinforcement                 $(solves "$folder/rewarded/policy")

More text:    $program generate $folder/run --prompt "To install the package"
More sums:    $program generate $folder/rewarded/policy --prompt "27+61:" --temperature 0
Train again:  make demo MINUTES=20
END
