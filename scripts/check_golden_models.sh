#!/bin/sh
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# check_golden_models.sh CHECK_CHECKPOINT FOLDER [options]: every case under FOLDER/models (DSR1_GOLDEN
# overrides FOLDER), with both dialects of its configuration.
set -eu
check=$1 root=${DSR1_GOLDEN:-$2}
shift 2
for config in "$root"/models/*/config.published.json; do
  [ -e "$config" ] || { echo "no case under $root/models"; exit 1; }
  set -- "$@" "$(dirname "$config")"
done
"$check" "$@"
"$check" --float --config config.published.json "$@" > /dev/null
