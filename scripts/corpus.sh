#!/usr/bin/env bash
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
# Gathers real text from Debian 12 packages into a folder, for `deepseek_r1 prepare`: about 80 MB of
# files; some 50 MB of text remain when markup and duplicates are gone. Few kinds of text, so that
# the minutes of a demo are enough to learn from each.
#
#     scripts/corpus.sh DIR
#
# Packages are downloaded with apt-get and unpacked with dpkg-deb; nothing is installed. Root (or sudo)
# is needed only where no package lists are there yet, for `apt-get update`. Running it again does
# what is missing. A package that cannot be had is left out with a warning, as long as 20 MB remain.
# DIR/<source>/ holds the files of one row below, DIR/sources.tsv the table that `prepare` stores.
set -euo pipefail

least_bytes=20000000

# source | package | licence (read in /usr/share/doc/PACKAGE/copyright) | kind | files in the package
# A pattern that begins with "!" removes what earlier ones took: change logs, generated tables, test
# data, and what would let one package dominate.
table='
manpages       | manpages           | GPL-2+, BSD, Linux-man-pages-copyleft, others | english | usr/share/man/man[1-8]/*
manpages-dev   | manpages-dev       | GPL-2+, BSD, Linux-man-pages-copyleft, others | english | usr/share/man/man[23]/*
handbook-en    | debian-handbook    | GPL-2+ or CC-BY-SA-3.0 | english | usr/share/doc/debian-handbook/html/en-US/*.html
reference-en   | debian-reference-en| GPL-2+               | english | usr/share/debian-reference/*.en.html
developers     | developers-reference| GPL-2               | english | usr/share/developers-reference/*.html
policy         | debian-policy      | GPL-2+, BSD-3-clause | english | usr/share/doc/debian-policy/policy.html/*.html
install-en     | installation-guide-amd64 | GPL-2          | english | usr/share/doc/installation-guide-amd64/en/*.html
python-doc     | python3.11-doc     | PSF-2                | english | usr/share/doc/python3.11/html/_sources/*/*.rst.txt !usr/share/doc/python3.11/html/_sources/whatsnew/* !usr/share/doc/python3.11/html/_sources/c-api/*
postgresql-doc | postgresql-doc-15  | PostgreSQL           | english | usr/share/doc/postgresql-doc-15/html/[a-g]*.html usr/share/doc/postgresql-doc-15/html/[s-z]*.html !usr/share/doc/postgresql-doc-15/html/features*.html !usr/share/doc/postgresql-doc-15/html/errcodes*.html !usr/share/doc/postgresql-doc-15/html/view-*.html
sqlite-doc     | sqlite3-doc        | public domain        | english | usr/share/doc/sqlite3/*.html !usr/share/doc/sqlite3/changes.html !usr/share/doc/sqlite3/*news*.html
perl-doc       | perl-doc           | GPL-1+ or Artistic   | english | usr/share/perl/*/pod/perl*.pod !usr/share/perl/*/pod/perl*delta.pod !usr/share/perl/*/pod/perltoc.pod !usr/share/perl/*/pod/perluniprops.pod !usr/share/perl/*/pod/perlapi.pod
handbook-de    | debian-handbook    | GPL-2+ or CC-BY-SA-3.0 | german | usr/share/doc/debian-handbook/html/de-DE/*.html
manpages-de    | manpages-de        | GPL-3+, and those of the originals | german | usr/share/man/de/man[1578]/*
handbook-fr    | debian-handbook    | GPL-2+ or CC-BY-SA-3.0 | french | usr/share/doc/debian-handbook/html/fr-FR/*.html
python         | libpython3.11-stdlib| PSF-2               | code    | usr/lib/python3.11/*.py usr/lib/python3.11/*/*.py usr/lib/python3.11/*/*/*.py !usr/lib/python3.11/encodings/* !usr/lib/python3.11/pydoc_data/* !usr/lib/python3.11/_sysconfigdata*
cpp-library    | libstdc++-12-dev   | GPL-3+ with GCC exception | code | usr/include/c++/12/bits/*.h usr/include/c++/12/bits/*.tcc usr/include/c++/12/[a-z]* !usr/include/c++/12/bits/*table*.h
'

say() { printf '%s\n' "$*" >&2; }
fail() { say "corpus.sh: $*"; exit 1; }

[ $# -eq 1 ] || fail "expected one argument, the folder to fill: scripts/corpus.sh DIR"
for program in apt-get dpkg-deb tar awk; do
  command -v "$program" > /dev/null || fail "needs $program; this is for Debian and its relatives"
done
mkdir -p "$1/.packages"
out=$(cd "$1" && pwd)
work=$(mktemp -d "$out/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
: > "$work/missing"

if ! apt-cache show manpages-dev > /dev/null 2>&1; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || fail "there are no package lists; run 'apt-get update' as root once"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq > "$work/log" 2>&1 ||
    fail "apt-get update: $(grep -m 1 '^[EW]:' "$work/log" || tail -n 1 "$work/log")"
fi

trim() { local s=$1; s=${s#"${s%%[![:space:]]*}"}; printf '%s' "${s%"${s##*[![:space:]]}"}"; }

# Downloads one package into .packages unless it is there, and prints the path of its file.
package_file() {
  local found
  found=$(find "$out/.packages" -name "$1_*.deb" | sort | tail -n 1)
  if [ -z "$found" ]; then
    # Root would hand the download to another user, who cannot write here: hence the sandbox option.
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$1") > "$work/log" 2>&1 || {
      grep -qx "$1" "$work/missing" || say "corpus.sh: left out: package $1: $(grep -m 1 '^[EW]:' "$work/log" || tail -n 1 "$work/log")"
      printf '%s\n' "$1" >> "$work/missing"
      return 1
    }
    mv "$work"/"$1"_*.deb "$out/.packages/"
    found=$(find "$out/.packages" -name "$1_*.deb" | sort | tail -n 1)
  fi
  printf '%s' "$found"
}

# Unpacks what the patterns name, and nothing else, from a package into a folder.
take() {
  local package=$1 deb=$2 to=$3 pattern wanted=() unwanted=()
  shift 3
  for pattern in "$@"; do
    case $pattern in
      !*) unwanted+=("--exclude=./${pattern#!}") ;;
      *) wanted+=("./$pattern") ;;
    esac
  done
  if [ ! -f "$work/$package.tar" ]; then
    rm -f "$work"/*.tar
    dpkg-deb --fsys-tarfile "$deb" > "$work/$package.tar" || fail "cannot unpack $deb; remove it and try again"
  fi
  mkdir -p "$to"
  # tar also complains of patterns that match nothing; what came out is counted by the caller.
  tar -x -f "$work/$package.tar" -C "$to" --no-same-owner --wildcards --no-wildcards-match-slash \
    ${unwanted[@]+"${unwanted[@]}"} "${wanted[@]}" 2> /dev/null || true
  find "$to" -type l -delete
}

rows=$(printf '%s\n' "$table" | grep -c '|')
done_rows=0
: > "$work/sources.tsv"
while IFS='|' read -r source package licence kind patterns; do
  source=$(trim "$source"); package=$(trim "$package"); licence=$(trim "$licence"); kind=$(trim "$kind")
  [ -n "$source" ] || continue
  done_rows=$((done_rows + 1))
  [ -t 2 ] && printf '\r%3d/%d %-16s' "$done_rows" "$rows" "$source" >&2
  # A row is done when its stamp has the row's very text: changing a row does it again.
  stamp="$out/.packages/$source.done"
  row="$source|$package|$licence|$kind|$(trim "$patterns")"
  if [ ! -d "$out/$source" ] || [ "$(cat "$stamp" 2> /dev/null)" != "$row" ]; then
    deb=$(package_file "$package") || continue
    rm -rf "${out:?}/$source" "$work/taken"
    set -f
    # shellcheck disable=SC2086 # the patterns are split into words on purpose
    take "$package" "$deb" "$work/taken" $patterns
    set +f
    if [ -z "$(find "$work/taken" -type f -print -quit)" ]; then
      say "corpus.sh: left out: package $package has none of the files of $source"
      continue
    fi
    mv "$work/taken" "$out/$source"
    printf '%s' "$row" > "$stamp"
  fi
  deb=$(find "$out/.packages" -name "${package}_*.deb" | sort | tail -n 1)
  version=$(if [ -n "$deb" ]; then dpkg-deb -f "$deb" Version; else echo unknown; fi)
  printf '%s\t%s\t%s\t%s\n' "$source" "$package $version" "$licence" "$kind" >> "$work/sources.tsv"
done <<< "$table"
[ -t 2 ] && printf '\r%40s\r' '' >&2
mv "$work/sources.tsv" "$out/sources.tsv"

bytes_of() { find "$1" -type f -printf '%s %f\n' | awk '{ s += ($2 ~ /\.gz$/) ? 2.5 * $1 : $1 } END { printf "%d", s }'; }
total=0
printf '%-16s %9s %6s  %-8s %s\n' source bytes files kind licence
while IFS=$'\t' read -r source _ licence kind; do
  bytes=$(bytes_of "$out/$source")
  total=$((total + bytes))
  printf '%-16s %9d %6d  %-8s %s\n' "$source" "$bytes" "$(find "$out/$source" -type f | wc -l)" "$kind" "$licence"
done < "$out/sources.tsv"
printf '%-16s %9d\n' "all, raw" "$total"
[ "$total" -ge "$least_bytes" ] || fail "only $total bytes of text in $out, expected at least $least_bytes; is the network there?"
