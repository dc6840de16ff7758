#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""check_checkpoint_tools.py BIN GOLDEN WORK: generate and convert on the golden checkpoints.

generate must give the golden greedy tokens, packed and unpacked, cut into small chunks, and with
the guesses of a multi-token-prediction layer; with activations of 8 bits chunks and threads change
no token; a conversion that loses nothing must keep every
golden value; one that loses must load, run, and be smaller; what cannot be coded must be named.
"""
import json
import pathlib
import shutil
import subprocess
import sys

binaries, golden, work = (pathlib.Path(a) for a in sys.argv[1:4])


def run(name, *arguments, fails=False):
    done = subprocess.run([binaries / name, *map(str, arguments)], capture_output=True, text=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"{name} {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def generated(folder, expected, *options):
    ids = ",".join(map(str, expected["prompt"]))
    out = run("generate", folder, "--ids", ids, "--temperature", 0, "--tokens", len(expected["generated"]), "--context", 64, *options)
    return [int(t) for t in out.split(",")]


def greedy(folder, expected, *options):
    got = generated(folder, expected, *options)
    if got != expected["generated"]:
        sys.exit(f"generate {folder} {options}: {got}, expected {expected['generated']}")


def convert(source, name, *options):
    target = work / name
    run("convert", source, target, *options)
    return target


shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
if (binaries / "generate").exists():
    for case in sorted(p.parent for p in golden.glob("models/*/greedy.json")):
        expected = json.loads((case / "greedy.json").read_text())
        greedy(case, expected)
        greedy(case, expected, "--unpacked", "--chunk", 3)
        if json.loads((case / "config.json").read_text()).get("num_nextn_predict_layers"):
            for guesses in (1, 3):
                greedy(case, expected, "--draft", guesses)
    case = golden / "models/gpt_oss_mxfp4"
    expected = json.loads((case / "greedy.json").read_text())
    greedy(case, expected, "--experts", "host", "--expert-memory", "100k")
    message = run("generate", case, "--ids", 1, "--expert-memory", 10, fails=True)
    if "10 bytes, expected at least" not in message:
        sys.exit(f"generate --expert-memory 10 says: {message}")
    texts = [generated(case, expected, "--int8-activations", "--chunk", chunk, "--threads", threads)
             for chunk in (1, 3, 64) for threads in (1, 2)]
    if any(t != texts[0] for t in texts):
        sys.exit(f"generate --int8-activations: chunks or threads change tokens: {texts}")

def check_exact(target, case):
    for extra in ("golden.safetensors", "tolerances.json", "greedy.json"):
        shutil.copy(golden / "models" / case / extra, target)
    run("check_checkpoint", target)


for case, options in (("qwen3_moe", ("--experts", "f32", "--dense", "f32")),
                      ("deepseek_v3_fp8", ("--experts", "f32", "--dense", "f32")),
                      ("deepseek_v3_mtp", ("--experts", "f32")),
                      ("gpt_oss_mxfp4", ("--experts", "bf16", "--dense", "f32"))):
    check_exact(convert(golden / "models" / case, f"{case}-exact", *options), case)
# What MXFP4 holds, bf16 holds; and back.
check_exact(convert(work / "gpt_oss_mxfp4-exact", "gpt_oss_mxfp4-again", "--experts", "mxfp4", "--dense", "bf16"), "gpt_oss_mxfp4")

for case, options in (("gpt_oss_mxfp4", ("--experts", "int4", "--dense", "int8")),
                      ("mixtral", ("--experts", "int8", "--dense", "bf16")),
                      ("deepseek_v3", ("--experts", "int8", "--dense", "fp8")),
                      ("gpt_oss", ("--experts", "int8"))):
    name = "-".join((case, *options)).replace("--", "")
    target = convert(golden / "models" / case, name, *options)
    before, after = ((f / "model.safetensors").stat().st_size for f in (golden / "models" / case, target))
    if after >= before:
        sys.exit(f"{target}: {after} bytes, the source has {before}")
    run("check_checkpoint", target)
    if (binaries / "generate").exists():
        run("generate", target, "--ids", "1,2,3", "--tokens", 4, "--context", 16)

message = run("convert", golden / "models/gpt_oss", work / "refused", "--experts", "mxfp4", fails=True)
if "48 columns, expected a multiple of 32" not in message or "gate_up_proj" not in message:
    sys.exit(f"convert of 48 columns to mxfp4 says: {message}")
shutil.rmtree(work)
print("ok")
