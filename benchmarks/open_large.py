#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""How long a large checkpoint takes to open, and how much memory.

    benchmarks/open_large.py DIR --python venv/bin/python      venv: pip install numpy

Makes a folder of the exact published layout of gpt-oss-20b with random weights in DIR (13.8 GB; kept
when it is there already, removed afterwards with --delete) and opens it with bench_generate, whose
clock starts with the program: until all is opened, until the first layer's first product, until the
first token. With --cold the files' pages are first taken out of memory (what other programs have
there stays; how much of the files was still in memory is told).
"""
import argparse, ctypes, json, mmap, os, pathlib, shutil, statistics, subprocess, sys

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("folder", type=pathlib.Path)
ap.add_argument("--python", default=sys.executable, help="an interpreter with numpy")
ap.add_argument("--binary", default=str(here.parent / "build/bin/bench_generate"))
ap.add_argument("--preset", default="20b", help="of make_random_gpt_oss.py")
ap.add_argument("--threads", default="0")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--cold", action=argparse.BooleanOptionalAction, default=True)
ap.add_argument("--delete", action="store_true", help="remove the folder afterwards")
ap.add_argument("--goal", type=float, default=2.0, help="seconds before the first layer runs")
ap.add_argument("--json", action="store_true")
args = ap.parse_args()

NEEDED = {"20b": 13_800_000_000}.get(args.preset, 3_000_000_000)
index = args.folder / "model.safetensors.index.json"


def make():
    near = next(p for p in [args.folder.absolute(), *args.folder.absolute().parents] if p.exists())
    free = shutil.disk_usage(near).free
    if free < NEEDED * 1.05:
        sys.exit(f"{near} has {free / 1e9:.1f} GB free, {NEEDED * 1.05 / 1e9:.1f} are needed")
    command = [args.python, here / "make_random_gpt_oss.py", args.folder, "--preset", args.preset, "--shard-gb", "4.8"]
    subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)


def in_memory(path):
    """Bytes of the file that are in the page cache; None where that cannot be asked."""
    try:
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as m:
            pages = -(-len(m) // mmap.PAGESIZE)
            at = (ctypes.c_char * len(m)).from_buffer(m)
            seen = (ctypes.c_ubyte * pages)()
            ok = ctypes.CDLL(None).mincore(ctypes.byref(at), ctypes.c_size_t(len(m)), seen) == 0
            del at
            return sum(b & 1 for b in bytes(seen)) * mmap.PAGESIZE if ok else None
    except (OSError, AttributeError, ValueError):
        return None


def evict(files):
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def open_once(cold):
    files = sorted(args.folder.glob("*.safetensors"))
    if cold:
        evict(files)
    before = [in_memory(p) for p in files]
    r = subprocess.run([args.binary, str(args.folder), "--only-open", "--json", "--threads", args.threads],
                       capture_output=True, text=True)
    if r.returncode != 0:
        sys.exit(r.stderr[-2000:])
    return dict(json.loads(r.stdout)["opening"], cold=cold, cached_before=None if None in before else sum(before))


if not index.exists():
    make()
size = sum(p.stat().st_size for p in args.folder.glob("*.safetensors"))
results = [open_once(cold) for cold in ([True, False] if args.cold else [False]) for _ in range(args.rounds)]
rows = []
for cold in ([True, False] if args.cold else [False]):
    some = [r for r in results if r["cold"] == cold]

    def typical(get):
        return statistics.median(map(get, some))
    rows.append(dict(
        work=f"open {size / 1e9:.1f} GB, {'out of' if cold else 'in'} the page cache", unit="s",
        opened=typical(lambda r: r["opened_s"]), first_layer=typical(lambda r: r["first_layer_s"]),
        first_token=typical(lambda r: r["first_token_s"]),
        worst_first_layer=max(r["first_layer_s"] for r in some), goal=args.goal,
        MiB_opened=typical(lambda r: r["memory_opened"]["VmRSS"]),
        MiB_opened_own=typical(lambda r: r["memory_opened"]["RssAnon"]),
        MiB_first_token=typical(lambda r: r["memory_first_token"]["VmRSS"]),
        MiB_touched=some[0]["first_token_weight_MiB"],
        MiB_first_token_own=typical(lambda r: r["memory_first_token"]["RssAnon"]),
        cached_before=some[0]["cached_before"]))
if args.json:
    print(json.dumps(dict(rows=rows), indent=1))
else:
    for r in rows:
        cached = "" if r["cached_before"] is None else f", {r['cached_before'] / 1e9:.2f} GB of it cached before"
        print(f"{r['work']}{cached}: opened {r['opened']:.2f} s, first layer {r['first_layer']:.2f} s "
              f"(goal {r['goal']:g}, worst {r['worst_first_layer']:.2f}), first token {r['first_token']:.2f} s; resident "
              f"{r['MiB_opened']:.0f} MiB opened ({r['MiB_opened_own']:.0f} own), {r['MiB_first_token']:.0f} after a token "
              f"({r['MiB_first_token_own']:.0f} own, {r['MiB_touched']:.0f} of weights computed with)")
if args.delete:
    shutil.rmtree(args.folder)
