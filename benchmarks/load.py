# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""How busy other programs keep the machine: what a timing is worth depends on it (Linux; else 0)."""
import contextlib, os, sys, time, types


def cpu_seconds_of(pid):
    """CPU seconds of a process that runs; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def _busy(pids=()):
    """CPU seconds of the whole machine since it started, and of this process, its ended children,
    and those of `pids`."""
    try:
        with open("/proc/stat") as f:
            fields = [int(x) for x in f.readline().split()[1:9]]
    except OSError:
        return 0.0, 0.0
    user, nice, system, _, _, irq, softirq, steal = fields
    own = os.times()
    return ((user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"),
            own.user + own.system + own.children_user + own.children_system + sum(map(cpu_seconds_of, pids)))


@contextlib.contextmanager
def other_load(pids=()):
    """After the block, `.cores` is the mean number of cores that other programs (and the host) used;
    `pids` are children that were running before and still are."""
    result, start, (machine, own) = types.SimpleNamespace(cores=0.0), time.time(), _busy(pids)
    try:
        yield result
    finally:
        machine2, own2 = _busy(pids)
        result.cores = max(0.0, ((machine2 - machine) - (own2 - own)) / max(time.time() - start, 1e-3))


def wait_until_idle(patience, limit=0.1, quiet=3.0):
    """Returns when others used less than `limit` cores for `quiet` seconds, or after `patience` seconds."""
    end = time.time() + patience
    while time.time() < end:
        with other_load() as load:
            time.sleep(quiet)
        if load.cores < limit:
            return True
    if patience > 0:
        print(f"others still use {load.cores:.2f} cores after {patience} s of waiting", file=sys.stderr)
    return False
