#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# The restart loop: restarts failures, not success, not for ever, and not what was terminated.
#
#     tests/house/restart_loop.sh SCRATCH
set -u
loop=$(cd "$(dirname "$0")/../.." && pwd)/scripts/restart_loop.sh
rm -rf "$1"; mkdir -p "$1"; cd "$1" || exit 1
export RESTART_SECONDS=0
wrong=0
expect() {  # what is found wanted
  [ "$2" = "$3" ] || { echo "$1: $2, expected $3"; cat err; wrong=1; }
}

# Fails twice with 7, and then succeeds.
echo 'echo x >> runs; [ "$(wc -l < runs)" -ge 3 ] && exit 0; exit 7' > third_time.sh
RESTARTS=5 "$loop" bash third_time.sh 2> err
expect "status after two failures" $? 0
expect "runs until success" "$(wc -l < runs)" 3
expect "words about restarts" "$(grep -c 'status 7; restart [12] of 5' err)" 2

rm runs; RESTARTS=1 "$loop" bash third_time.sh 2> err
expect "status when given up" $? 7
expect "runs until given up" "$(wc -l < runs)" 2
expect "words when given up" "$(grep -c 'gave up after 1 restarts; the last status was 7' err)" 1

# Success without the file that proves it is none; arguments keep their spaces.
echo 'echo "$1" >> arguments; [ -e first ] && touch finished; touch first; exit 0' > file.sh
DONE_FILE=finished RESTARTS=3 "$loop" bash file.sh "a b" 2> err
expect "status with the file" $? 0
expect "runs until the file" "$(grep -c '^a b$' arguments)" 2

"$loop" 2> err
expect "status without a command" $? 2

# Terminated, it takes the command along and starts no other.
echo 'echo x >> started; exec sleep 1000' > long.sh
RESTARTS=5 "$loop" bash long.sh 2> err & pid=$!
until [ -s started ]; do sleep 0.05; done
kill -TERM $pid
wait $pid
expect "status when terminated" $? 130
expect "runs when terminated" "$(wc -l < started)" 1
[ "$wrong" -eq 0 ] && echo ok
exit $wrong
