#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""check_generate_on_device.py GENERATE GENERATE_CUDA GOLDEN: generate --device cuda.

GENERATE_CUDA must give the golden greedy tokens (the CPU's), packed and unpacked in small chunks, and
with guesses; GENERATE, built without CUDA, must say what is missing; both must name the devices.
"""
import json
import pathlib
import subprocess
import sys

without, program, golden = sys.argv[1:4]


def run(command, folder, prompt, *options):
    ids = ",".join(map(str, prompt))
    return subprocess.run([command, folder, "--ids", ids, "--temperature", "0", "--context", "64", *map(str, options)],
                          capture_output=True, text=True)


def refused(command, expected, *options):
    done = run(command, cases[0].parent, [1], *options)
    if done.returncode == 0 or expected not in done.stderr + done.stdout:
        sys.exit(f"{command} {options}: exit status {done.returncode}, {done.stderr}, expected '{expected}'")


cases = sorted(pathlib.Path(golden).glob("models/*/greedy.json"))
if not cases:
    sys.exit(f"no case under {golden}/models")
for case in cases:
    expected = json.loads(case.read_text())
    forms = [(), ("--unpacked", "--chunk", 3)]
    if json.loads((case.parent / "config.json").read_text()).get("num_nextn_predict_layers"):
        forms.append(("--draft", 2))
    if case.parent.name == "gpt_oss_mxfp4":
        forms += [("--experts", where, "--expert-memory", "100k") for where in ("host", "file")]
    for form in forms:
        done = run(program, case.parent, expected["prompt"], "--device", "cuda", "--tokens", len(expected["generated"]), *form)
        if done.returncode != 0 or [int(t) for t in done.stdout.split(",")] != expected["generated"]:
            sys.exit(f"{case.parent} {form}: {done.stdout}{done.stderr}, expected {expected['generated']}")
refused(without, "this program was built without CUDA; build the target generate_cuda", "--device", "cuda")
refused(without, "tpu not in {cpu,cuda}", "--device", "tpu")
refused(program, "activations int8, expected exact", "--device", "cuda", "--int8-activations")
print("ok")
