#!/bin/bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Tries a make target from a fresh clone in an empty Debian 12 (debootstrap): nothing but git and make.
#
#     scripts/check_chroot.sh FOLDER [TARGET ...]        (as root; TARGET defaults to test)
#
# FOLDER is created when it does not exist and kept afterwards; the clone in it is made anew. The
# mirror is the one of this machine's own apt configuration.
set -euo pipefail
folder=${1:?folder of the chroot}
shift
targets=("${@:-test}")
source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2> /dev/null | head -1 | tr -d ' ' || true)
if [ ! -e "$folder/usr/bin/make" ]; then
  debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$folder" ${mirror:+"$mirror"} > /dev/null
fi
# The machine's own way to the packages (mirror, proxy, certificates).
cp -r /etc/apt/. "$folder/etc/apt/" 2> /dev/null || true
cp /etc/resolv.conf /etc/hosts "$folder/etc/" 2> /dev/null || true
[ -d /etc/ssl/certs ] && cp -rL /etc/ssl/certs/. "$folder/etc/ssl/certs/" 2> /dev/null || true
[ -d /usr/local/share/ca-certificates ] && cp -r /usr/local/share/ca-certificates/. "$folder/usr/local/share/ca-certificates/" 2> /dev/null || true
for m in proc sys dev; do mountpoint -q "$folder/$m" || mount --rbind "/$m" "$folder/$m"; done
trap 'for m in proc sys dev; do umount -l "$folder/$m" || true; done' EXIT
rm -rf "$folder/root/dsr1"
git clone -q "$source" "$folder/root/dsr1"
chroot "$folder" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
  make -C /root/dsr1 "${targets[@]}"
