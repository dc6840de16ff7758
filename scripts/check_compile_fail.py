#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""A file of tests/compile_fail must not compile, must say the sentence of its first line, and must
compile with -DDSR1_FIXED (so that the sentence is about the one line that differs).

    scripts/check_compile_fail.py FILE COMPILER [FLAGS...]
"""
import pathlib, subprocess, sys

source, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
first = source.read_text().splitlines()[0]
if not first.startswith("// expect: "):
    sys.exit(f"{source}: the first line is \"{first}\", expected \"// expect: <sentence>\"")
sentence = first.removeprefix("// expect: ")
compile_it = command + ["-std=c++20", "-fsyntax-only", str(source)]
broken = subprocess.run(compile_it, capture_output=True, text=True)
if broken.returncode == 0:
    sys.exit(f"{source} compiles, expected an error")
if sentence not in broken.stderr:
    sys.exit(f"{source}: the errors do not say \"{sentence}\":\n{broken.stderr[:3000]}")
fixed = subprocess.run(compile_it + ["-DDSR1_FIXED"], capture_output=True, text=True)
if fixed.returncode != 0:
    sys.exit(f"{source} does not compile with -DDSR1_FIXED either:\n{fixed.stderr[:3000]}")
print(f"ok: {sentence}")
