#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building, testing and the demo need, and that are missing.
#
#     scripts/install_debian.sh [more packages ...]
#
# Quiet and instant when nothing is missing. Needs root or sudo otherwise; says what is missing when
# it has neither. On other systems install the same things and set DSR1_NO_INSTALL=1.
set -euo pipefail
[ -n "${DSR1_NO_INSTALL:-}" ] && exit 0
packages=(g++ cmake ninja-build ccache pkg-config python3
  libeigen3-dev nlohmann-json3-dev                      # the library
  libpcre2-dev libutf8proc-dev                          # its component text
  openmpi-bin libopenmpi-dev mpich libmpich-dev         # its component mpi, tested with both
  catch2 libbenchmark-dev                               # tests and benchmarks
  libcli11-dev libfmt-dev libsentencepiece-dev zlib1g-dev  # examples
  gzip xz-utils "$@")
if ! command -v dpkg-query > /dev/null; then
  echo "this is no Debian; install by hand (and set DSR1_NO_INSTALL=1): ${packages[*]}" >&2
  exit 1
fi
missing=()
for p in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2> /dev/null)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo > /dev/null; then
    as_root=(sudo)
  else
    echo "missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
    exit 1
  fi
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
