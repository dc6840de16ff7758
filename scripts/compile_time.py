#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""What including the library costs to compile, as a ratio to an empty file and to <Eigen/Core>.

    scripts/compile_time.py [--cxx g++] [--rounds 5] [--json]

Units: an empty one, <Eigen/Core>, <nlohmann/json.hpp>, the standard headers that dsr1.hpp ends up
with, every umbrella, and numbered examples (a whole model as a type; its training, so that
everything is compiled, also with the CPU backend compiled elsewhere). Each is compiled
`rounds` times with -fsyntax-only and with -O2 -c, all units in turn; figures are medians of the CPU
seconds (user + system) of the compiler and its children, so that other load on the machine counts
little. `lines` is the size after preprocessing.
"""
import argparse, json, os, pathlib, re, resource, shutil, statistics, subprocess, sys, tempfile, time

root = pathlib.Path(__file__).resolve().parent.parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--cxx", default=os.environ.get("CXX", "g++"))
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--eigen", default="/usr/include/eigen3", help="folder of Eigen/Core")
ap.add_argument("--only", default="", help="regular expression over the units")
ap.add_argument("--json", action="store_true")
args = ap.parse_args()

compiler = shutil.which(args.cxx) or sys.exit(f"no compiler {args.cxx}")
version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
flags = ["-std=c++20", f"-I{root / 'include'}", "-isystem", args.eigen]
MODES = {"syntax": ["-fsyntax-only"], "O2": ["-O2", "-c", "-o", "/dev/null"]}


def lines_after_preprocessing(code):
    text = subprocess.run([compiler, *flags, "-E", "-x", "c++", "-"], input=code, capture_output=True, text=True, check=True).stdout
    return sum(1 for l in text.splitlines() if l.strip() and not l.startswith("#"))


def standard_headers():
    """What our headers include themselves, besides our own and the two libraries."""
    found = set()
    for path in (root / "include").rglob("*.hpp"):
        found.update(re.findall(r"^#include <(\w+(?:\.h)?|sys/\w+\.h)>", path.read_text(), re.M))
    return sorted(found)


def cpu_seconds(source, mode):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([compiler, *flags, *MODES[mode], str(source)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


units = {"empty": "", "<Eigen/Core>": "#include <Eigen/Core>\n", "<nlohmann/json.hpp>": "#include <nlohmann/json.hpp>\n",
         "standard headers": "".join(f"#include <{h}>\n" for h in standard_headers() if h not in ("immintrin.h",)),
         "<immintrin.h>": "#include <immintrin.h>\n"}
umbrellas = sorted(p.name for p in (root / "include/dsr1").glob("*.hpp"))
for name in sorted(umbrellas, key=lambda n: n == "dsr1.hpp"):
    units[f"dsr1/{name}"] = f"#include <dsr1/{name}>\n"
example = root / "examples/03_model_as_type.cpp"
if example.exists():
    units["example: a whole model"] = f'#include "{example}"\n'
example = root / "examples/04_train.cpp"
if example.exists():
    units["example: training"] = f'#include "{example}"\n'
    units["it, backend elsewhere"] = f'#define DSR1_CPU_COMPILED_ONCE\n#include "{example}"\n'
units = {k: v for k, v in units.items() if k in ("empty", "<Eigen/Core>") or re.search(args.only, k)}

times = {u: {m: [] for m in MODES} for u in units}
with tempfile.TemporaryDirectory() as folder:
    for i, code in enumerate(units.values()):
        pathlib.Path(folder, f"{i}.cpp").write_text(code)
    for r in range(args.rounds):
        for i, u in enumerate(units):
            for m in MODES:
                times[u][m].append(cpu_seconds(pathlib.Path(folder, f"{i}.cpp"), m))

rows = []
for u, code in units.items():
    row = dict(unit=u, lines=lines_after_preprocessing(code))
    for m in MODES:
        t = statistics.median(times[u][m])
        row[m] = dict(seconds=round(t, 3), of_empty=round(t / statistics.median(times["empty"][m]), 1),
                      of_eigen=round(t / statistics.median(times["<Eigen/Core>"][m]), 2),
                      spread=round((max(times[u][m]) - min(times[u][m])) / t, 2))
    rows.append(row)
if args.json:
    print(json.dumps(dict(compiler=version, rounds=args.rounds, date=time.strftime("%Y-%m-%d"), rows=rows), indent=1))
else:
    print(f"{version}, {args.rounds} rounds, medians of CPU seconds\n")
    print(f"{'':26s} {'lines':>8s}   {'-fsyntax-only':>14s} {'/ empty':>8s} {'/ Eigen':>8s}   {'-O2':>7s} {'/ empty':>8s} {'/ Eigen':>8s}")
    for r in rows:
        s, o = r["syntax"], r["O2"]
        print(f"{r['unit']:26s} {r['lines']:8d}   {s['seconds']:12.2f} s {s['of_empty']:8.1f} {s['of_eigen']:8.2f}   "
              f"{o['seconds']:5.2f} s {o['of_empty']:8.1f} {o['of_eigen']:8.2f}")
