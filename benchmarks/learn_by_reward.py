#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""What reinforcement learning adds to supervised fine-tuning: pass@1 on held-out problems, from scratch.

    benchmarks/learn_by_reward.py --task arithmetic --seeds 1,2,3

For each seed: a model with random weights learns from a few demonstrations (`sft`); from there `rl`
practises on other problems of the training split, judged but not shown; and, as the control, `sft` goes
on with the same demonstrations for as many seconds as `rl` took. All three are asked the same held-out
problems, most likely answer. Seeds draw weights, order and answers; problems are the same for all.

The tokenizer is learned from this project's docs; the model is the size `mini` (2.5 M parameters of
which 0.2 M work on a token). Nothing is read from the network. Times are wall times of the commands,
`other_load` is the number of cores that other programs used meanwhile.
"""
import argparse, json, pathlib, re, subprocess, sys, tempfile, time

from load import other_load

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--binary", default=str(here.parent / "build/bin/deepseek_r1"))
ap.add_argument("--task", default="arithmetic")
ap.add_argument("--task-options", default="{}", help="as JSON")
ap.add_argument("--seeds", default="1,2,3")
ap.add_argument("--threads", type=int, default=0)
ap.add_argument("--demonstrations", type=int, default=2000)
ap.add_argument("--steps", type=int, default=300, help="of the first sft")
ap.add_argument("--sft-rate", type=float, default=6e-3)
ap.add_argument("--algorithm", default="ppo")
ap.add_argument("--updates", type=int, default=600)
ap.add_argument("--prompts", type=int, default=512)
ap.add_argument("--minibatches", type=int, default=2)
ap.add_argument("--rate", type=float, default=3e-4)
ap.add_argument("--entropy", type=float, default=0)
ap.add_argument("--kl", type=float, default=0)
ap.add_argument("--prompt", type=int, default=16, help="tokens")
ap.add_argument("--answer", type=int, default=16, help="tokens")
ap.add_argument("--problems", type=int, default=1000, help="held out")
ap.add_argument("--folder", default="", help="where runs are kept; otherwise they are deleted")
ap.add_argument("--json", action="store_true")
args = ap.parse_args()


def call(*words):
    """Seconds and output of a command of deepseek_r1."""
    begin = time.time()
    p = subprocess.run([args.binary, *map(str, words)], capture_output=True, text=True)
    if p.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {p.stdout}{p.stderr}")
    return time.time() - begin, p.stdout


def asked(run, folder):
    """Share of the held-out problems that a run solves."""
    out = call("sample", run, "--test", "--count", args.problems, "--task", args.task, "--task-options", args.task_options,
               "--prompt", args.prompt, "--answer", args.answer, "--threads", args.threads, "--out", folder / "asked.jsonl")[1]
    return float(re.search(r"([\d.]+) % reach all levels", out)[1]) / 100


def one(seed, folder):
    data, shown = folder / "data", folder / "shown.jsonl"
    if not data.exists():
        call("prepare", "--out", data, "--vocab", 512, here.parent / "docs")
        call("examples", "--task", args.task, "--task-options", args.task_options, "--count", args.demonstrations, "--out", shown)
    sft = ("--examples", shown, "--tokens", 2048, "--balance-rate", 0.1, "--patience", 0, "--threads", args.threads, "--seed", seed)
    first, learned, more = (folder / f"{name}-{seed}" for name in ("sft", "rl", "more"))
    t_first, _ = call("sft", "--data", data, "--size", "mini", "--steps", args.steps, "--rate", args.sft_rate, "--out", first, *sft)
    with other_load() as load:
        t_rl, _ = call("rl", "--from", first / "best", "--out", learned, "--task", args.task, "--task-options", args.task_options,
                       "--algorithm", args.algorithm, "--updates", args.updates, "--prompts", args.prompts, "--minibatches",
                       args.minibatches, "--rate", args.rate, "--entropy", args.entropy, "--kl", args.kl, "--prompt", args.prompt,
                       "--answer", args.answer, "--evaluate-updates", max(1, args.updates // 10), "--threads", args.threads,
                       "--seed", seed, "--save-updates", args.updates)
    steps = max(1, round(args.steps * t_rl / t_first))
    t_more, _ = call("sft", "--from", first / "best", "--steps", steps, "--rate", args.sft_rate / 6, "--out", more, *sft)
    row = dict(seed=seed, sft=asked(first / "best", folder), rl=asked(learned / "policy", folder),
               more_sft=max(asked(more / "best", folder), asked(more, folder)),
               seconds=dict(sft=t_first, rl=t_rl, more_sft=t_more), more_steps=steps, other_load=load.cores)
    print(json.dumps(row), file=sys.stderr)
    return row


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(args.folder or temporary).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = [one(int(s), folder) for s in args.seeds.split(",")]
if args.json:
    print(json.dumps(dict(options=vars(args), rows=rows), indent=1))
else:
    print(f"{args.task} {args.task_options}, {args.problems} held-out problems, {args.algorithm}, {args.updates} updates\n")
    print("seed   after sft   after rl   sft for as long   seconds of sft, rl")
    for r in rows:
        print(f"{r['seed']:4d} {100 * r['sft']:9.1f} % {100 * r['rl']:8.1f} % {100 * r['more_sft']:15.1f} % "
              f"{r['seconds']['sft']:12.0f}, {r['seconds']['rl']:.0f}")
