#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Our compressed all-reduce against MPI_Allreduce in fp32, on links of a known rate.

    ninja -C build bench_all_reduce && sudo benchmarks/compare_all_reduce.py [--json]

Ranks are processes, each in a network namespace of its own with one Ethernet link (veth) to a
bridge; a token bucket at both ends of a link holds sending and receiving to the rate. Needs root,
iproute2 and Open MPI; what it makes is gone afterwards, and nothing outside is touched. The rate
`loopback` means no namespaces: shared memory (and "tcp" TCP over the loopback device).

One job does both, alternately, on the same vector: round by round MPI_Allreduce, then ours. A job
is run for each of --algorithms of Open MPI (coll_tuned_allreduce_algorithm: 4 ring, 5 segmented
ring, 0 its own choice), and its best median counts. A round takes as long as its slowest rank.
The first round is not counted. Ratios (above 1: we are ahead) are medians over medians; the spread
is the smallest and the largest ratio inside a round. `bound` is what headers leave of the link:
2 (W-1)/W of the bytes / (rate x 0.957). `other_load` is what other programs took, in cores; above
--busy the script waits, at most --patience seconds.

The table says at which rate our code stops to help: at rates below the crossover it is faster. The
crossover is where the straight line through (1 / rate, seconds) of both meet, if they do.
"""
import argparse, json, os, pathlib, shlex, statistics, subprocess, sys, tempfile

from load import other_load, wait_until_idle

here = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--binary", default=str(here.parent / "build/bin/bench_all_reduce"))
ap.add_argument("--ranks", default="2,4")
ap.add_argument("--rates", default="100mbit,1gbit,10gbit,loopback", help="of tc, loopback or tcp")
ap.add_argument("--codes", default="int8", help="of ours: f32,bf16,fp8,int8,int4")
ap.add_argument("--bytes", type=int, default=64 << 20)
ap.add_argument("--segment", type=int, default=0, help="numbers that travel together; 0: as the library has it")
ap.add_argument("--piece", type=int, default=0, help="bytes of one MPI message of ours; 0: as the library has it")
ap.add_argument("--mca", nargs=2, action="append", default=[], help="a parameter of Open MPI, for both sides")
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--slow-rounds", type=int, default=3, help="at rates below 1 Gbit/s")
ap.add_argument("--algorithms", default="5,4")
ap.add_argument("--patience", type=int, default=0)
ap.add_argument("--busy", type=float, default=0.2)
ap.add_argument("--json", action="store_true")
args = ap.parse_args()

UNITS = {"mbit": 1e6, "gbit": 1e9}


def bits_per_second(rate):
    return next((float(rate[:-4]) * f for u, f in UNITS.items() if rate.endswith(u)), None)


def ip(*words, **more):
    subprocess.run(["ip", *words], check=True, **more)


class links:
    """Namespaces of `ranks` machines on a switch whose ports carry `rate`."""

    def __init__(self, ranks, rate):
        self.ranks, self.rate, self.tag = ranks, rate, f"dsr1-{os.getpid()}"
        self.folder = tempfile.TemporaryDirectory()

    def name(self, i):
        return f"{self.tag}-{i}"

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        switch = self.name("switch")
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "name", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for i in range(self.ranks):
            node = self.name(i)
            ip("netns", "add", node)
            ip("link", "add", "eth0", "netns", node, "type", "veth", "peer", "name", f"port{i}", "netns", switch)
            ip("-n", node, "addr", "add", f"10.83.0.{i + 1}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", node, "link", "set", device, "up")
            ip("-n", switch, "link", "set", f"port{i}", "master", "bridge", "up")
            # A bucket must hold what one tick of the timer lets through.
            burst = str(max(128 << 10, int(bits_per_second(self.rate) / 8 / 1000)))
            for space, device in ((node, "eth0"), (switch, f"port{i}")):
                ip("netns", "exec", space, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", self.rate,
                   "burst", burst, "latency", "50ms")
        # mpirun starts its daemons by "agent HOST COMMAND"; a host name of their own keeps them apart.
        self.agent = pathlib.Path(self.folder.name, "agent")
        self.agent.write_text(f"""#!/bin/sh
node={self.tag}-$((${{1##*.}} - 1)); shift
exec ip netns exec $node unshare -u sh -c "hostname $node; $*"
""")
        self.agent.chmod(0o755)

    def __exit__(self, *_):
        for i in [*range(self.ranks), "switch"]:
            subprocess.run(["ip", "netns", "del", self.name(i)], stderr=subprocess.DEVNULL)
        self.folder.cleanup()

    def mpirun(self):
        hosts = ",".join(f"10.83.0.{i + 1}:1" for i in range(self.ranks))
        net = "10.83.0.0/24"
        inner = ["mpirun", "--host", hosts, "--mca", "plm_rsh_agent", str(self.agent), "--mca", "plm_rsh_no_tree_spawn", "1",
                 "--mca", "oob_tcp_if_include", net, "--mca", "btl_tcp_if_include", net, "--mca", "btl", "tcp,self"]
        return ["ip", "netns", "exec", self.name(0), "unshare", "-u", "sh", "-c", 'hostname "$0"; exec "$@"', self.name(0), *inner]


class local:
    def __init__(self, tcp):
        self.tcp = tcp

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def mpirun(self):
        return ["mpirun"] + (["--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo"] if self.tcp else [])


def job(net, ranks, rounds, algorithm):
    command = net.mpirun() + ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks), "--mca", "pml", "ob1"]
    if algorithm != "0":
        command += ["--mca", "coll_tuned_use_dynamic_rules", "1", "--mca", "coll_tuned_allreduce_algorithm", algorithm]
    for name, value in args.mca:
        command += ["--mca", name, value]
    command += [args.binary, str(args.bytes), str(rounds), *args.codes.split(",")]
    if args.segment:
        command.append(f"segment={args.segment}")
    if args.piece:
        command.append(f"piece={args.piece}")
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if run.returncode != 0:
        sys.exit(f"{shlex.join(command)} ended with {run.returncode}:\n{run.stderr[-2000:]}")
    return {r["work"]: r for r in (json.loads(l) for l in run.stdout.splitlines() if l.startswith("{"))}


rows, points = [], {}
for ranks in map(int, args.ranks.split(",")):
    for rate in args.rates.split(","):
        bits = bits_per_second(rate)
        wait_until_idle(args.patience, args.busy)
        with other_load() as load, (links(ranks, rate) if bits else local(rate == "tcp")) as net:
            rounds = args.slow_rounds if bits and bits < 1e9 else args.rounds
            results = [(a, job(net, ranks, rounds, a)) for a in args.algorithms.split(",")]
        best, result = min(results, key=lambda r: statistics.median(r[1]["mpi fp32"]["seconds"]))
        peer = result["mpi fp32"]["seconds"]
        peer_bytes = 2 * (ranks - 1) / ranks * args.bytes
        for code in args.codes.split(","):
            # Ours ran beside every algorithm; all of its rounds count.
            ours = [s for _, r in results for s in r[code]["seconds"]]
            pairs = [p / o for p, o in zip(peer, result[code]["seconds"])]
            sent = result[code]["bytes_sent"]
            row = {"work": f"{code} all-reduce of {args.bytes >> 20} MiB, {ranks} ranks, {rate}",
                   "ours": statistics.median(ours), "peer": statistics.median(peer), "unit": "s"}
            row["ratio"] = row["peer"] / row["ours"]
            row |= {"spread": [min(pairs), max(pairs)], "ours_all": ours, "peer_all": peer, "algorithm": best,
                    "bytes_sent": sent, "fewer_bytes": peer_bytes / sent, "error": result[code]["error"], "other_load": load.cores}
            if bits:
                row["ours_of_bound"] = row["ours"] / (sent * 8 / bits / 0.957)
                row["peer_of_bound"] = row["peer"] / (peer_bytes * 8 / bits / 0.957)
                points.setdefault((code, ranks), []).append((1 / bits, row["ours"], row["peer"]))
            rows.append(row)
            if not args.json:
                bound = f", {row['ours_of_bound']:.2f} and {row['peer_of_bound']:.2f} of the bound" if bits else ""
                print(f"{row['work']:46} ours {row['ours']:.3f} s, peer {row['peer']:.3f} s (algorithm {best}): {row['ratio']:.2f}x "
                      f"({min(pairs):.2f} to {max(pairs):.2f}){bound}; {row['fewer_bytes']:.2f}x fewer bytes; "
                      f"others {load.cores:.1f} cores", flush=True)


def crossover(data):
    """The rate at which seconds = a + b / rate of both are equal; None when no such rate is above zero."""
    def line(which):
        xs, ys = [d[0] for d in data], [d[which] for d in data]
        mx, my = statistics.mean(xs), statistics.mean(ys)
        slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)
        return my - slope * mx, slope
    (a, b), (c, d) = line(1), line(2)
    return (d - b) / (a - c) if a > c and d > b else None


for (code, ranks), data in points.items():
    if len(data) < 2:
        continue
    rate = crossover(data)
    rows.append({"work": f"{code} helps below, {ranks} ranks", "ours": rate and rate / 1e9, "peer": None, "ratio": None, "unit": "Gbit/s"})
    if not args.json:
        print(f"{code}, {ranks} ranks: " + (f"helps below about {rate / 1e9:.1f} Gbit/s" if rate else "no crossover among these rates"))
if args.json:
    print(json.dumps({"rows": rows}, indent=1))
