#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Window attention and the loss of a large vocabulary against PyTorch, alternately on the same work.

    python3 -m venv venv && venv/bin/pip install torch
    benchmarks/compare_ops.py --python venv/bin/python

attention: 16,384 tokens with a window of 128 (ours with sinks, which scaled_dot_product_attention
has not); cross_entropy: 1,024 tokens, 200,000 words, gradients of head and tokens. Ratios (above 1:
we are ahead) of forward and backward together are taken inside a round; the median is reported.
`memory` is what a program needs besides the operands: for us the workspace, for PyTorch what the
process grew by. What the variants of the peer are: peers/torch_ops.py.
"""
import argparse, json, pathlib, platform, statistics, subprocess, sys, time

from load import other_load

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--python", default=sys.executable, help="an interpreter with torch")
ap.add_argument("--binary", default=str(here.parent / "build/bin/bench_ops"))
ap.add_argument("--threads", default="1,2")
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--json", action="store_true", help="print the table as JSON")
args = ap.parse_args()

OURS = {"attention": ("attention/window_128/16384/forward", "attention/window_128/16384/backward"),
        "cross_entropy": ("loss/head_200000_with_gradient",)}
PEERS = {"attention": ("masked", "banded", "flex"), "cross_entropy": ("plain", "compiled", "chunked")}


def ours(op, threads):
    """Seconds of forward, of both, and MiB of workspace."""
    pattern = "^(" + "|".join(OURS[op]) + f")/threads:{threads}/"
    r = subprocess.run([args.binary, f"--benchmark_filter={pattern}", "--benchmark_format=json"], capture_output=True, text=True)
    rows = json.loads(r.stdout[r.stdout.index("{"):])["benchmarks"]
    if len(rows) != len(OURS[op]):
        sys.exit(f"{args.binary} has no {OURS[op]}:\n{r.stderr}")
    unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
    seconds = [b["real_time"] * unit[b["time_unit"]] for b in rows]
    return seconds[0], sum(seconds), max(b.get("workspace_MiB", b.get("workspace_KiB", 0) / 1024) for b in rows)


def theirs(op, variant, threads):
    r = subprocess.run([args.python, here / "peers/torch_ops.py", op, variant, "--threads", threads], capture_output=True, text=True)
    if r.returncode != 0:
        print(f"{op}, {variant}: {r.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(r.stdout.strip().splitlines()[-1])


rows, version = [], None
for op in OURS:
    for threads in args.threads.split(","):
        mine, peers = [], {v: [] for v in PEERS[op]}
        with other_load() as load:
            for _ in range(args.rounds):
                mine.append(ours(op, threads))
                for v in list(peers):
                    result = theirs(op, v, threads)
                    if result is None:
                        del peers[v]
                    else:
                        peers[v].append(result)
                        version = result["torch"]
        for v, results in peers.items():
            whole = results[0]["seconds"] is not None
            a = [m[1 if whole else 0] for m in mine]
            b = [r["seconds" if whole else "forward_s"] for r in results]
            ratios = [y / x for x, y in zip(a, b)]
            rows.append(dict(work=f"{op}, {threads} threads, {v}" + ("" if whole else ", forward only"), unit="s",
                             ours=statistics.median(a), peer=statistics.median(b), ratio=statistics.median(ratios),
                             ratio_min=min(ratios), ratio_max=max(ratios), noise=(max(a) - min(a)) / statistics.median(a),
                             other_load=round(load.cores, 2), ours_MiB=mine[0][2], peer_MiB=results[0]["mib"]))
            r = rows[-1]
            if not args.json:
                print(f"{r['work']:52s} ours {r['ours']:7.3f}  peer {r['peer']:7.3f} s  ratio {r['ratio']:6.2f} "
                      f"({r['ratio_min']:.2f}..{r['ratio_max']:.2f})  noise {100 * r['noise']:.0f} %  "
                      f"memory {r['ours_MiB']:.1f}, {r['peer_MiB']:.0f} MiB  others {r['other_load']:.2f} cores", flush=True)
if args.json:
    print(json.dumps(dict(date=time.strftime("%Y-%m-%d"), machine=platform.processor() or platform.machine(),
                          torch=version, rounds=args.rounds, rows=rows), indent=1))
