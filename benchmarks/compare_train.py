#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Training steps of dsr1 against PyTorch, alternately on the same work, from the same weights.

    python3 -m venv venv && venv/bin/pip install torch transformers
    benchmarks/compare_train.py --python venv/bin/python

Per shape and number of threads: `rounds` times ours, then every variant of the peer. A ratio is
taken inside a round (above 1: we are ahead) and the median over the rounds is reported, because the
speed of a shared machine drifts. `noise` is the spread of our own figure over the rounds,
`other_load` the number of cores that other programs used meanwhile: above some tenths the figures
for two threads say little, because PyTorch's threads wait for one another at every barrier.
With one thread, times are CPU seconds, so that other programs count less.

The losses of the first three steps are compared; a difference above 3e-4 ends the run. (PyTorch's own
two implementations differ by 1.4e-4 there. Later steps drift apart: a router near a tie picks another
expert after the last bit of a weight.)
"""
import argparse, json, pathlib, platform, statistics, subprocess, sys, tempfile, time

from load import other_load, wait_until_idle

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--python", default=sys.executable, help="an interpreter with torch and transformers")
ap.add_argument("--binary", default=str(here.parent / "build/bin/bench_train_step"))
ap.add_argument("--shapes", default="demo,seed")
ap.add_argument("--threads", default="1,2")
ap.add_argument("--variants", default="eager,grouped_mm,grouped")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--steps", type=int, default=8)
ap.add_argument("--patience", type=int, default=0, help="seconds to wait for an idle machine before each round")
ap.add_argument("--json", action="store_true", help="print the table as JSON")
args = ap.parse_args()


def run(command):
    r = subprocess.run(command, capture_output=True, text=True)
    if r.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{r.stderr[-2000:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


def speed_of(result, threads):
    """Tokens per second; with one thread, per second of its CPU time."""
    return result["tokens_per_cpu_s" if threads == "1" else "tokens_per_s"]


rows, details = [], []
peer_script = str(here / "peers/torch_moe.py")
for shape in args.shapes.split(","):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([args.python, peer_script, "--shape", shape, "--save-init", folder], check=True,
                       capture_output=True)
        weights = folder + "/model.safetensors"
        for threads in args.threads.split(","):
            ours, peers = [], {v: [] for v in args.variants.split(",")}
            common = ["--shape", shape, "--threads", threads, "--steps", str(args.steps), "--weights", weights]
            with other_load() as load:
                for _ in range(args.rounds):
                    wait_until_idle(args.patience)
                    ours.append(run([args.binary, "--json"] + common))
                    for v in peers:
                        peers[v].append(run([args.python, peer_script, "--variant", v] + common))
            for v, results in peers.items():
                gap = max(abs(a - b) for a, b in zip(ours[0]["loss"][:3], results[0]["loss"]))
                if gap > 3e-4:
                    sys.exit(f"{shape}: the losses differ by {gap}:\n{ours[0]['loss']}\n{results[0]['loss']}")
                speed, theirs = [speed_of(r, threads) for r in ours], [speed_of(r, threads) for r in results]
                ratios = [a / b for a, b in zip(speed, theirs)]
                rows.append(dict(
                    work=f"train step, {shape}, {threads} threads, {v}", unit="tokens/s",
                    ours=statistics.median(speed), peer=statistics.median(theirs),
                    ratio=statistics.median(ratios), ratio_min=min(ratios), ratio_max=max(ratios),
                    noise=(max(speed) - min(speed)) / statistics.median(speed),
                    other_load=round(load.cores, 2), loss_gap=gap,
                    fraction_of_peak=statistics.median(r["fraction_of_peak"] for r in ours),
                    start_ratio=statistics.median(b["start_to_first_step_s"] / a["start_to_first_step_s"]
                                                  for a, b in zip(ours, results)),
                    memory_ratio=results[0]["peak_rss_mib"] / ours[0]["peak_rss_mib"]))
                details.append(results[0].get("torch"))
                if not args.json:
                    r = rows[-1]
                    print(f"{r['work']:45s} ours {r['ours']:8.0f}  peer {r['peer']:8.0f} tokens/s  ratio {r['ratio']:5.2f} "
                          f"({r['ratio_min']:.2f}..{r['ratio_max']:.2f})  noise {100 * r['noise']:.0f} %  "
                          f"{100 * r['fraction_of_peak']:.0f} % of peak  first step {r['start_ratio']:.1f}x earlier  "
                          f"memory 1/{r['memory_ratio']:.1f}  others {r['other_load']:.1f} cores", flush=True)
if args.json:
    print(json.dumps(dict(date=time.strftime("%Y-%m-%d"), machine=platform.processor() or platform.machine(),
                          torch=details[0] if details else None, rounds=args.rounds, rows=rows), indent=1))
