# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""How busy other programs keep the machine: what a timing is worth depends on it (Linux; else 0)."""
import contextlib, os, sys, time, types


def _busy():
    """CPU seconds of the whole machine since it started, and of this process and its ended children."""
    try:
        with open("/proc/stat") as f:
            fields = [int(x) for x in f.readline().split()[1:9]]
    except OSError:
        return 0.0, 0.0
    user, nice, system, _, _, irq, softirq, steal = fields
    own = os.times()
    return ((user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"),
            own.user + own.system + own.children_user + own.children_system)


@contextlib.contextmanager
def other_load():
    """After the block, `.cores` is the mean number of cores that other programs (and the host) used."""
    result, start, (machine, own) = types.SimpleNamespace(cores=0.0), time.time(), _busy()
    try:
        yield result
    finally:
        machine2, own2 = _busy()
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
        print(f"others still use {load.cores:.2f} cores; going on", file=sys.stderr)
    return False
