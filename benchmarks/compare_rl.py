#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""GRPO updates of dsr1 against TRL's GRPOTrainer, alternately on the same work, from the same weights.

    python3 -m venv venv && venv/bin/pip install torch transformers accelerate datasets "trl==1.16"
    benchmarks/compare_rl.py --python venv/bin/python

Both open the demo model of examples/deepseek_r1 as a gpt-oss checkpoint in fp32, which has learned from
solutions (bench_rl --prepare) so that answers end by themselves, and learn sums: the same prompts' form,
reward, group size, answers per update and length limit, one epoch of one step, AdamW, no reference
model. Rewards and lengths of both are printed: they agree when the work is the same.

Per number of threads: `rounds` times ours, then every implementation of the peer's experts. A ratio is
taken inside a round (above 1: we are ahead) between the medians of its updates; the median over the
rounds is reported. With one thread, times are CPU seconds, so that other programs count less;
`other_load` is the number of cores that other programs used meanwhile. PyTorch's threads wait for one
another at every barrier; by default they spin there, which on a busy machine can cost it a factor of ten,
so --wait passive lets them sleep. On an idle machine --wait active is the better setting for it.
"""
import argparse, json, os, pathlib, platform, statistics, subprocess, sys, tempfile, time

from load import other_load, wait_until_idle

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--python", default=sys.executable, help="an interpreter with torch, transformers and trl")
ap.add_argument("--binary", default=str(here.parent / "build/bin/bench_rl"))
ap.add_argument("--weights", default="", help="folder of bench_rl --prepare; without it made first")
ap.add_argument("--threads", default="1,2")
ap.add_argument("--experts", default="grouped_mm", help="of the peer: grouped_mm, eager")
ap.add_argument("--wait", choices=["active", "passive"], default="passive", help="OMP_WAIT_POLICY of the peer")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--updates", type=int, default=5, help="counted, of a round")
ap.add_argument("--answers", type=int, default=64, help="of an update")
ap.add_argument("--group", type=int, default=8)
ap.add_argument("--max-answer", type=int, default=16, help="tokens")
ap.add_argument("--patience", type=int, default=0, help="seconds to wait for an idle machine before each round")
ap.add_argument("--json", action="store_true", help="print the table as JSON")
args = ap.parse_args()


def run(command, **environment):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **environment})
    if r.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{r.stderr[-2000:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


def per_second(result, threads):
    return 1 / statistics.median(result["cpu_seconds" if threads == "1" else "seconds"])


def mean(results, key):
    return statistics.mean(x for r in results for x in r[key])


rows, versions = [], {}
with tempfile.TemporaryDirectory() as folder:
    weights = args.weights or folder
    if not args.weights:
        subprocess.run([args.binary, "--prepare", folder], check=True, stderr=subprocess.DEVNULL)
    common = ["--updates", args.updates, "--warmup", 1, "--answers", args.answers, "--group", args.group,
              "--max-answer", args.max_answer, "--rate", 1e-4]
    for threads in args.threads.split(","):
        ours, peers = [], {e: [] for e in args.experts.split(",")}
        with other_load() as load:
            for _ in range(args.rounds):
                wait_until_idle(args.patience)
                ours.append(run([args.binary, "--json", "--weights", weights, "--parts", "grpo", "--epochs", 1,
                                 "--minibatches", 1, "--threads", threads] + common)["rows"][0])
                for e in peers:
                    peers[e].append(run([args.python, here / "peers/trl_grpo.py", weights, "--experts", e,
                                         "--threads", threads] + common, OMP_WAIT_POLICY=args.wait))
        for e, results in peers.items():
            speed, theirs = [per_second(r, threads) for r in ours], [per_second(r, threads) for r in results]
            ratios = [a / b for a, b in zip(speed, theirs)]
            versions = {k: results[0][k] for k in ("trl", "transformers", "torch")}
            rows.append(dict(
                work=f"GRPO update, {args.answers} answers, {threads} threads, TRL with {e}, {args.wait} waiting", unit="updates/s",
                ours=statistics.median(speed), peer=statistics.median(theirs), ratio=statistics.median(ratios),
                ratio_min=min(ratios), ratio_max=max(ratios),
                noise=(max(speed) - min(speed)) / statistics.median(speed), other_load=round(load.cores, 2),
                reward=mean(ours, "reward"), peer_reward=mean(results, "reward"),
                answer_tokens=mean(ours, "answer_tokens"), peer_answer_tokens=mean(results, "answer_tokens")))
            r = rows[-1]
            if not args.json:
                print(f"{r['work']:70s} ours {r['ours']:6.2f}  peer {r['peer']:6.3f} updates/s  ratio {r['ratio']:6.2f} "
                      f"({r['ratio_min']:.2f}..{r['ratio_max']:.2f})  noise {100 * r['noise']:.0f} %  "
                      f"reward {r['reward']:.2f}, {r['peer_reward']:.2f}  tokens {r['answer_tokens']:.1f}, "
                      f"{r['peer_answer_tokens']:.1f}  others {r['other_load']:.1f} cores", flush=True)
if args.json:
    print(json.dumps(dict(date=time.strftime("%Y-%m-%d"), machine=platform.processor() or platform.machine(),
                          rounds=args.rounds, **versions, rows=rows), indent=1))
