#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""All benchmarks, into benchmarks/results/<date>-<cpu>-<instructions>.json and a table beside it (.md).

    benchmarks/run_all.py --python venv/bin/python     venv: pip install torch transformers

Parts (--parts): ops, optim, train (bench_train_step alone), compare (compare_train.py), compare_ops
(compare_ops.py), compile (compile_time.py), generate (bench_generate alone; --model), llama and
llama_int8 (compare_llama.py; --model, --gguf and --llama-python), open (open_large.py; --large). A part that cannot run is named as missing in the results and does not stop the
others. Before each part the machine is waited for to be idle, --patience seconds at most; how busy
other programs were stands in the results.
"""
import argparse, json, os, pathlib, platform, re, subprocess, sys, time

from load import other_load, wait_until_idle

here = pathlib.Path(__file__).resolve().parent
root = here.parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--bin", default=str(root / "build/bin"), help="folder of the benchmark programs")
ap.add_argument("--python", default="", help="an interpreter with torch and transformers; without it no compare")
ap.add_argument("--parts", default="ops,optim,train,compare,compare_ops,compile,generate,llama,llama_int8,open")
ap.add_argument("--patience", type=int, default=120)
ap.add_argument("--rounds", type=int, default=5, help="of compare_train.py and compile_time.py")
ap.add_argument("--threads", default="1,2" if (os.cpu_count() or 1) > 1 else "1", help="of train and compare")
ap.add_argument("--model", default="", help="folder of make_random_gpt_oss.py --dense int8")
ap.add_argument("--gguf", default="", help="the same model for llama.cpp")
ap.add_argument("--llama-python", default="", help="an interpreter with llama-cpp-python")
ap.add_argument("--large", default="", help="folder for gpt-oss-20b's layout, 13.8 GB; made when it is not there")
ap.add_argument("--note", default="", help="a sentence for the head of the results")
ap.add_argument("--add-to", default="", help="a result (.json) whose other parts are kept")
ap.add_argument("--output", default="", help="folder, default benchmarks/results")
args = ap.parse_args()
parts = args.parts.split(",")
threads = args.threads.split(",")


def json_of(command):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=root)
    if r.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {(r.stderr or r.stdout)[-500:]}")
    text = r.stdout
    return json.loads(text[text.index("{"):])


def cpu_name():
    m = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return m.group(1).strip() if m else platform.machine()


def train():
    return [json_of([f"{args.bin}/bench_train_step", "--json", "--shape", s, "--threads", t, "--steps", 12])
            for s in ("demo", "seed") for t in threads]


def compare():
    if not args.python:
        raise RuntimeError("no --python with torch and transformers")
    return json_of([here / "compare_train.py", "--python", args.python, "--binary", f"{args.bin}/bench_train_step",
                    "--threads", args.threads, "--rounds", args.rounds,
                    "--patience", args.patience, "--json"])


def generate():
    if not args.model:
        raise RuntimeError("no --model")
    return [json_of([f"{args.bin}/bench_generate", args.model, "--json", "--threads", t]) for t in threads]


def compare_ops():
    if not args.python:
        raise RuntimeError("no --python with torch")
    return json_of([here / "compare_ops.py", "--python", args.python, "--binary", f"{args.bin}/bench_ops",
                    "--threads", args.threads, "--rounds", args.rounds, "--json"])


def llama(*options):
    if not (args.model and args.gguf and args.llama_python):
        raise RuntimeError("no --model, --gguf and --llama-python")
    return json_of([here / "compare_llama.py", args.model, args.gguf, "--llama-python", args.llama_python, "--binary",
                    f"{args.bin}/bench_generate", "--threads", args.threads, "--rounds", args.rounds,
                    "--patience", args.patience, "--anyway", "--json", *options])


def open_large():
    if not args.large:
        raise RuntimeError("no --large")
    return json_of([here / "open_large.py", args.large, "--binary", f"{args.bin}/bench_generate", "--json"] +
                   (["--python", args.python] if args.python else []))


RUN = {"generate": generate, "llama": llama, "llama_int8": lambda: llama("--int8-activations"), "open": open_large,
       "ops": lambda: json_of([f"{args.bin}/bench_ops", "--json"]),
       "optim": lambda: json_of([f"{args.bin}/bench_optim", "--json"]),
       "train": train, "compare": compare, "compare_ops": compare_ops,
       "compile": lambda: json_of([root / "scripts/compile_time.py", "--rounds", args.rounds, "--json"])}
results = dict(date=time.strftime("%Y-%m-%d"), cpu=cpu_name(), cores=os.cpu_count(), note=args.note, missing={}, load={})
if args.add_to:
    results = json.loads(pathlib.Path(args.add_to).read_text())
for part in parts:
    results["missing"].pop(part, None)
    print(f"{part} ...", file=sys.stderr, flush=True)
    wait_until_idle(args.patience)
    try:
        with other_load() as load:
            results[part] = RUN[part]()
        results["load"][part] = round(load.cores, 2)
    except (RuntimeError, ValueError, OSError) as e:
        results["missing"][part] = str(e).replace(str(root), ".")
        print(f"{part}: {e}", file=sys.stderr)


def name_of(benchmark):
    return re.sub(r"/(min_time:[\d.]+|manual_time|real_time)", "", benchmark["name"])


def table():
    out = [f"# {results['cpu']}, {results['cores']} cores, {results['date']}", ""]
    if results["note"]:
        out += [results["note"], ""]
    out += ["Cores used by other programs meanwhile: " +
            ", ".join(f"{p} {c}" for p, c in results["load"].items()) + ".", ""]
    out += [f"Missing: {p} ({e.splitlines()[0]})." for p, e in results["missing"].items()]
    if "compare" in results:
        out += ["## Training steps beside PyTorch " + str(results["compare"].get("torch")), "",
                "| work | ours | peer | ratio (min..max) | others' cores |", "|---|---|---|---|---|"]
        out += [f"| {r['work']} | {r['ours']:.0f} | {r['peer']:.0f} {r['unit']} | {r['ratio']:.2f} "
                f"({r['ratio_min']:.2f}..{r['ratio_max']:.2f}) | {r['other_load']:.2f} |" for r in results["compare"]["rows"]] + [""]
    if "compare_ops" in results:
        out += ["## Operations beside PyTorch", "", "| work | ours, s | peer, s | ratio (min..max) | others' cores |", "|---|---|---|---|---|"]
        out += [f"| {r['work']} | {r['ours']:.3f} | {r['peer']:.3f} | {r['ratio']:.2f} ({r['ratio_min']:.2f}..{r['ratio_max']:.2f}) | "
                f"{r['other_load']:.2f} |" for r in results["compare_ops"]["rows"]] + [""]
    for part, title in (("llama", ""), ("llama_int8", ", ours with activations of 8 bits, too")):
        if part not in results:
            continue
        out += [f"## Generation beside llama.cpp{title}", "",
                "| work | ours | peer | ratio (min..max) | noise | others' cores |", "|---|---|---|---|---|---|"]
        out += [f"| {r['work']} | {r['ours']:.1f} | {r['peer']:.1f} {r['unit']} | {r['ratio']:.2f} "
                f"({r['ratio_min']:.2f}..{r['ratio_max']:.2f}) | {100 * r['noise']:.0f} % | {r['other_load']:.2f} |"
                for r in results[part]["rows"]] + [""]
    if "generate" in results:
        out += ["## Generation", "", "| work | threads | tokens/s | MB of weights a token | GB/s read | of the best read, of the median |",
                "|---|---|---|---|---|---|"]
        for g in results["generate"]:
            for r in g["rows"]:
                read = f"{r['read_GB_per_s']:.1f} | {r['of_read_best']:.2f}, {r['of_read_median']:.2f}" if "read_GB_per_s" in r else " | "
                out.append(f"| {r['work']} | {g['threads']} | {r['tokens_per_s']:.1f} | {r['weight_bytes_per_token'] / 1e6:.1f} | {read} |")
        out.append("")
    if "open" in results:
        out += ["## Opening a large checkpoint", "",
                "| work | opened, s | first layer, s | first token, s | MiB opened | MiB after a token |", "|---|---|---|---|---|---|"]
        out += [f"| {r['work']} | {r['opened']:.2f} | {r['first_layer']:.2f} | {r['first_token']:.2f} | {r['MiB_opened']:.0f} | "
                f"{r['MiB_first_token']:.0f} |" for r in results["open"]["rows"]] + [""]
    if "train" in results:
        out += ["## Training steps", "", "| shape | threads | tokens/s | GFLOP/s | of peak | MiB |", "|---|---|---|---|---|---|"]
        out += [f"| {r['shape']} | {r['threads']} | {r['tokens_per_s']:.0f} | {r['gflops']:.1f} | {r['fraction_of_peak']:.2f} of "
                f"{r['peak_gflops']:.0f} | {r['peak_rss_mib']:.0f} |" for r in results["train"]] + [""]
    for part in ("ops", "optim"):
        if part not in results:
            continue
        head = f", {results[part]['context'].get('instructions', '')}" if part == "ops" else ""
        out += [f"## bench_{part}{head}", "", "| | time, us | rate | of the limit (fastest call) | more |", "|---|---|---|---|---|"]
        for b in results[part]["benchmarks"]:
            unit = {"us": 1, "ms": 1e3, "ns": 1e-3, "s": 1e6}[b["time_unit"]]
            rate = f"{b['GFLOP/s']:.1f} GFLOP/s" if "GFLOP/s" in b else f"{b['GB/s']:.1f} GB/s" if "GB/s" in b else \
                f"{b['bytes_per_second'] * 1e-9:.1f} GB/s" if "bytes_per_second" in b else \
                f"{b['FLOP/s'] * 1e-9:.1f} GFLOP/s" if "FLOP/s" in b else ""
            limit = b.get("of_peak", b.get("of_memory"))
            limit = f"{limit:.2f} ({b['best']:.2f})" if limit is not None else ""
            keys = ("us/token", "memory", "workspace_KiB", "workspace_MiB", "logits_MiB", "tokens/s", "ns/token", "read_GB/s", "copy_GB/s")
            more = ", ".join(f"{k} {b[k]:.4g}" for k in keys if k in b)
            out.append(f"| {name_of(b)} | {b['real_time'] * unit:.0f} | {rate} | {limit} | {more} |")
        out.append("")
    if "compile" in results:
        c = results["compile"]
        out += [f"## Compile time: {c['compiler']}", "",
                "| | lines | -fsyntax-only, CPU s | of empty | of Eigen | -O2, CPU s | of empty | of Eigen |", "|---|---|---|---|---|---|---|---|"]
        out += [f"| {r['unit']} | {r['lines']} | " + " | ".join(
            f"{r[m]['seconds']:.2f} | {r[m]['of_empty']:.0f} | {r[m]['of_eigen']:.2f}" for m in ("syntax", "O2")) + " |" for r in c["rows"]]
    return "\n".join(out) + "\n"


folder = pathlib.Path(args.output) if args.output else here / "results"
folder.mkdir(parents=True, exist_ok=True)
instructions = results.get("ops", {}).get("context", {}).get("instructions") or \
    (results.get("train") or [{}])[0].get("instructions") or "unknown"
name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|processor|cpu", "", results["cpu"].lower())).strip("-")
target = folder / f"{results['date']}-{name}-{instructions}"
for part in ("ops", "optim"):  # names of machine and folders are nobody's business
    if part in results:
        for key in ("host_name", "executable", "load_avg"):
            results[part]["context"].pop(key, None)
target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
target.with_suffix(".md").write_text(table())
print(target.with_suffix(".md"))
