#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Generation with dsr1 against llama.cpp, alternately on the same work, from the same weights.

    python3 -m venv venv && venv/bin/pip install llama-cpp-python gguf
    venv/bin/python benchmarks/make_random_gpt_oss.py model
    venv/bin/python benchmarks/make_random_gpt_oss.py model-int8 --dense int8
    venv/bin/python benchmarks/gguf_of_folder.py model model.gguf
    benchmarks/compare_llama.py model-int8 model.gguf --llama-python venv/bin/python

Both files keep the experts in MXFP4, and table, attention and head in 8 bits with a half per 32
numbers: as many bytes, and the same values to the bit. (build/bin/convert IN OUT --experts keep
--dense int8 makes as many bytes of any folder, but chooses scales of its own.) Routers are bf16
for us, floats for llama.cpp. llama.cpp computes with activations of 8 bits and a cache of halves,
dsr1 with floats, or with activations of 8 bits, too (--int8-activations).

A round is ours, peer, ours, peer for each work; both programs stay loaded and have run each work
once before. Ratios (above 1: we are ahead) are taken inside a round, between the means of its two
runs each; the median over the rounds is reported, with the range. `noise` is the median difference
of our two runs of a round: a ratio nearer to 1 than that says nothing. Behind a context, llama.cpp
runs with flash attention as it chooses and without, and its better median counts. `other_load` is
what other programs took meanwhile, in cores; above --busy before a round the script waits, at most
--patience seconds, and then gives up (or goes on, with --anyway).

`start` is another program each time, with the files in the page cache: from its start (of llama.cpp
only from the opening of the file) to the first token.

First the logits of some tokens are compared: a median relative difference above --tolerance ends
the run, because then the two files are not one model (two models differ by 1.4; activations of 8 bits
make 0.015 in two layers and 0.3 in twelve, where some tokens get other experts). With --llama-bench instead of --llama-python,
that program is started for each run; it has no batches, and logits are not compared.
"""
import argparse, array, json, math, pathlib, platform, statistics, subprocess, sys, tempfile, time

from load import other_load, wait_until_idle

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("folder", help="the checkpoint for us")
ap.add_argument("gguf", help="the same model for llama.cpp")
ap.add_argument("--llama-python", default="", help="an interpreter with llama-cpp-python")
ap.add_argument("--llama-bench", default="", help="llama.cpp's own program")
ap.add_argument("--binary", default=str(here.parent / "build/bin/bench_generate"))
ap.add_argument("--int8-activations", action="store_true", help="ours rounds activations, as llama.cpp does")
ap.add_argument("--threads", default="2,1")
ap.add_argument("--works", default="prefill,decode,depth,batch,start")
ap.add_argument("--prefill", type=int, default=512)
ap.add_argument("--decode", type=int, default=64)
ap.add_argument("--depth", type=int, default=2048)
ap.add_argument("--batch", type=int, default=16)
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--logits", type=int, default=48, help="tokens whose logits are compared, 0: none")
ap.add_argument("--tolerance", type=float, default=0.7)
ap.add_argument("--patience", type=int, default=600)
ap.add_argument("--busy", type=float, default=0.1, help="cores of other programs that are too many")
ap.add_argument("--anyway", action="store_true", help="measure on a busy machine, too")
ap.add_argument("--json", action="store_true", help="print the table as JSON")
args = ap.parse_args()
if bool(args.llama_python) == bool(args.llama_bench):
    ap.error("give one of --llama-python and --llama-bench")

WORKS = {  # name: (title, command, tokens, settings of flash attention)
    "prefill": (f"prefill {args.prefill}", f"prefill {args.prefill}", args.prefill, (-1,)),
    "decode": (f"decode {args.decode}, depth 0", f"decode 0 1 {args.decode}", args.decode, (-1,)),
    "depth": (f"decode {args.decode}, depth {args.depth}", f"decode {args.depth} 1 {args.decode}", args.decode, (-1, 0)),
    "batch": (f"decode {args.decode}, batch {args.batch}", f"decode 0 {args.batch} {args.decode}",
              args.decode * args.batch, (-1,)),
    "start": ("start to first token", "", 1, (-1,))}
OURS = ["--int8-activations"] if args.int8_activations else []
FLASH = {-1: "auto", 0: "off", 1: "on"}


class server:
    """A program that answers commands of the standard input."""

    def __init__(self, command):
        self.command = list(map(str, command))
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.command[0]} ended at {line!r} ({self.process.wait()})")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def seconds_of(command, *path):
    r = subprocess.run(command, capture_output=True, text=True)
    if r.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{r.stderr[-2000:]}")
    out = json.loads(r.stdout.strip().splitlines()[-1])
    for key in path:
        out = out[key]
    return out


class ours(server):
    def __init__(self, threads):
        self.threads = threads
        super().__init__([args.binary, args.folder, "--serve", "--threads", threads, "--prefill", args.prefill,
                          "--decode", args.decode, "--depths", f"0,{args.depth}"] + OURS)

    def run(self, work, flash=None):
        if work == "start":
            return seconds_of([*self.command[:2], "--only-open", "--json", "--threads", self.threads], "opening", "first_token_s")
        return self.ask(WORKS[work][1])["seconds"]


class llama_python(server):
    def __init__(self, threads):
        super().__init__([args.llama_python, here / "peers/llama_generate.py", args.gguf, "--threads", threads,
                          "--capacity", max(args.prefill, args.depth + args.decode),
                          "--batch-capacity", args.decode])

    def run(self, work, flash):
        if work == "start":
            return seconds_of(self.command + ["--start"], "seconds")
        return self.ask(f"{WORKS[work][1]} {flash}")["seconds"]


class llama_bench:
    def __init__(self, threads):
        self.threads, self.process = threads, None

    def run(self, work, flash):
        sizes = {"prefill": ["-p", args.prefill, "-n", 0], "decode": ["-p", 0, "-n", args.decode],
                 "depth": ["-p", 0, "-n", args.decode, "-d", args.depth]}[work]
        command = [args.llama_bench, "-m", args.gguf, "-t", self.threads, "-fa", FLASH[flash], "-r", 1, "-o", "json", *sizes]
        r = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if r.returncode != 0:
            sys.exit(f"{args.llama_bench} failed:\n{r.stderr[-2000:]}")
        return WORKS[work][2] / json.loads(r.stdout)[0]["avg_ts"]

    def close(self):
        pass


def logits_gap():
    """The median relative difference of the logits, token by token."""
    with tempfile.TemporaryDirectory() as folder:
        a, b = folder + "/a", folder + "/b"
        subprocess.run([args.binary, args.folder, *OURS, "--logits", str(args.logits), "--logits-file", a], check=True)
        peer = llama_python(2)
        vocab = peer.ask(f"logits {args.logits} {b}")["vocab"]
        peer.close()
        rows = []
        for path in (a, b):
            x = array.array("f", pathlib.Path(path).read_bytes())
            rows.append([x[i * vocab:(i + 1) * vocab] for i in range(args.logits)])
        gaps = [math.sqrt(sum((p - q) ** 2 for p, q in zip(u, v)) / sum(q * q for q in v)) for u, v in zip(*rows)]
        return statistics.median(gaps)


def wait():
    if not wait_until_idle(args.patience if args.anyway else max(args.patience, 4), args.busy) and not args.anyway:
        sys.exit(f"other programs use more than {args.busy} cores; --patience SECONDS waits, --anyway goes on")


gap = None
if args.logits and args.llama_python:
    gap = logits_gap()
    if not gap < args.tolerance:
        sys.exit(f"the logits differ by {gap:.3f} (median over tokens): the two files hold different models")

rows, works = [], args.works.split(",")
if args.llama_bench and {"batch", "start"} & set(works):
    works = [w for w in works if w not in ("batch", "start")]
    print("llama-bench has no batches and tells no start: these works are left out", file=sys.stderr)
for threads in args.threads.split(","):
    wait()
    us, peer = ours(threads), (llama_python if args.llama_python else llama_bench)(threads)
    pids = [p.process.pid for p in (us, peer) if p.process]
    speed = {w: dict(ours=[], aa=[], peer={f: [] for f in WORKS[w][3]}) for w in works}
    for w in works:  # once, not counted
        us.run(w)
        for f in WORKS[w][3]:
            peer.run(w, f)
    loads = {w: [] for w in works}
    for _ in range(args.rounds):
        if not args.anyway:
            wait()
        for w in works:
            tokens, pair, theirs = WORKS[w][2], [], {f: [] for f in WORKS[w][3]}
            with other_load(pids) as load:
                for _ in range(2):
                    pair.append(tokens / us.run(w))
                    for f in theirs:
                        theirs[f].append(tokens / peer.run(w, f))
            loads[w].append(load.cores)
            speed[w]["ours"].append(statistics.mean(pair))
            speed[w]["aa"].append(abs(pair[0] - pair[1]) / statistics.mean(pair))
            for f in theirs:
                speed[w]["peer"][f].append(statistics.mean(theirs[f]))
    us.close()
    peer.close()
    for w in works:
        s = speed[w]
        best = max(s["peer"], key=lambda f: statistics.median(s["peer"][f]))
        ratios = [a / b for a, b in zip(s["ours"], s["peer"][best])]
        rows.append(dict(
            work=f"{WORKS[w][0]}, {threads} threads", unit="1/s" if w == "start" else "tokens/s", ours=statistics.median(s["ours"]),
            peer=statistics.median(s["peer"][best]), ratio=statistics.median(ratios), ratio_min=min(ratios),
            ratio_max=max(ratios), noise=statistics.median(s["aa"]), other_load=round(statistics.mean(loads[w]), 2),
            peer_flash=FLASH[best], peer_all={FLASH[f]: statistics.median(v) for f, v in s["peer"].items()}))
        r = rows[-1]
        if not args.json:
            print(f"{r['work']:36s} ours {r['ours']:7.1f}  peer {r['peer']:7.1f} {r['unit']} (flash attention {r['peer_flash']})  "
                  f"ratio {r['ratio']:.2f} ({r['ratio_min']:.2f}..{r['ratio_max']:.2f})  noise {100 * r['noise']:.0f} %  "
                  f"others {r['other_load']:.2f} cores", flush=True)
if args.json:
    print(json.dumps(dict(date=time.strftime("%Y-%m-%d"), machine=platform.processor() or platform.machine(),
                          rounds=args.rounds, logits_gap=gap, int8_activations=args.int8_activations, rows=rows), indent=1))
elif gap is not None:
    print(f"logits of {args.logits} tokens: median relative difference {gap:.2g}")
