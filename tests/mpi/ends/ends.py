#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Rank 1 of 3 comes to a bad end: all ranks must end, with a failure and words that say why.

    ends.py MPIRUN PROGRAM [WAY ...]
"""
import re, subprocess, sys

BOUND = 60  # seconds: far above what is needed, as it is here to find what hangs
ARGUED = r"the ranks do different things: rank \d is in .*, rank \d in .*"
# way: (what must be said, by how many ranks at least)
SAID = {
    "throws": [(r"^rank 1 of 3: no more disk", 1), (r"^rank [02] of 3: rank 1 ended with an error: no more disk", 1)],
    "throws in a part": [(r"^rank 1 of 3: no more disk", 1), (r"^rank [02] of 3: rank 1 ended with an error: no more disk", 1)],
    "pending": [(r"^rank 1 of 3: no more disk", 1), (r"^rank [02] of 3: .*rank 1 ended with an error", 1)],
    "returns": [(r"^rank [02] of 3: rank 1 left the group, while rank \d is in all_reduce of 30000 float32", 1)],
    "hangs": [(r"^rank [02] of 3: rank \d waited 2 s in all_reduce of 30000 float32, exchange 40 for rank 1", 1)],
    "mismatch": [(r"^rank \d of 3: " + ARGUED, 2)],
    "too much": [(r"^rank \d of 3: " + ARGUED, 2)],
    "exits with 0": [(r"^rank 1 of 3: exit was called before the end of MPI", 1)],
    "exits with 3": [],  # MPICH says nothing at times
    "killed": [(r"[Kk]illed", 1)],
    "vanishes": None,  # _Exit(0): MPICH ends all, at times with the status 0
    "": None,
}


def end_of(command, way):
    """Status and output; None when it does not end."""
    run = subprocess.Popen(command + ["-n", "3", program, way], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        return run.communicate(timeout=BOUND)[0], run.returncode
    except subprocess.TimeoutExpired:
        run.terminate()
        return run.communicate()[0], None


mpirun, program = sys.argv[1:3]
problems = 0
for way in sys.argv[3:] or SAID:
    output, status = end_of([mpirun], way)
    wrong = []
    if status is None:
        wrong.append(f"did not end within {BOUND} s")
    if SAID[way] is None:
        if way == "" and status != 0:
            wrong.append(f"status {status}, expected 0")
    else:
        if status == 0:
            wrong.append("status 0, expected a failure")
        for pattern, times in SAID[way]:
            found = len(re.findall(pattern, output, re.M))
            if found < times:
                wrong.append(f"{found} lines like {pattern!r}, expected {times}")
    print(f"{way or 'no bad end'}: status {status}", *wrong, sep=", ")
    if wrong:
        print(output)
        problems += 1
sys.exit(1 if problems else 0)
