#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the umbrella headers anew after a header was added or removed; keeps their line 3."""
import pathlib

include = pathlib.Path(__file__).resolve().parent.parent / "include/dsr1"
HEAD = "// SPDX-FileCopyrightText: The dsr1 authors\n// SPDX-License-Identifier: Apache-2.0\n"


def write(name, purpose, included):
    path = include / f"{name}.{'cuh' if name == 'cuda' else 'hpp'}"  # whose headers need nvcc
    if path.exists():
        purpose = path.read_text().splitlines()[2]
    text = HEAD + purpose + "\n#pragma once\n\n" + "".join(f"#include <dsr1/{i}>\n" for i in sorted(included))
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        print("wrote", path.name)


folders = sorted(p.name for p in include.iterdir() if p.is_dir() and any(p.glob("*.hpp")))
for folder in folders:
    write(folder, f"// All headers of {folder}/.", [f"{folder}/{p.name}" for p in (include / folder).iterdir() if p.suffix in (".hpp", ".cuh")])
apart = {"testing", "text", "cuda", "mpi", "nccl"}  # components of their own
write("dsr1", "// Everything that runs on the host.", [f"{f}.hpp" for f in folders if f not in apart])
