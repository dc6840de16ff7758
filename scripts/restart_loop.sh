#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Runs a command again when it ends with a failure: for programs that go on from their last checkpoint.
#
#     scripts/restart_loop.sh COMMAND...
#
#     RESTARTS=10        how many times at most (0: never)
#     RESTART_SECONDS=5  how long to wait before each, so that ports and devices are free again
#     DONE_FILE=         a file that the command makes when it is finished: without it, status 0 is a failure too
#
# Ends with the status of the last run, or with 1 when that was 0 and the file is missing. Interrupted or terminated, it
# ends the command and does not start it again.
set -u
restarts=${RESTARTS:-10} seconds=${RESTART_SECONDS:-5} done_file=${DONE_FILE:-}
[ $# -gt 0 ] || { echo "usage: ${0##*/} COMMAND..." >&2; exit 2; }
command=
trap 'trap - INT TERM; [ -n "$command" ] && kill -TERM "$command" 2> /dev/null && wait "$command"; exit 130' INT TERM
for ((run = 0; ; ++run)); do
  "$@" &
  command=$!
  wait "$command"
  status=$?
  command=
  if [ "$status" -eq 0 ] && [ -n "$done_file" ] && [ ! -e "$done_file" ]; then
    echo "${0##*/}: the command ended with status 0, and $done_file is missing" >&2
    status=1
  fi
  [ "$status" -eq 0 ] && exit 0
  if [ "$run" -ge "$restarts" ]; then
    echo "${0##*/}: gave up after $run restarts; the last status was $status" >&2
    exit "$status"
  fi
  echo "${0##*/}: status $status; restart $((run + 1)) of $restarts in $seconds s" >&2
  sleep "$seconds"
done
