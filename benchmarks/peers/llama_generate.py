#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp through the C interface of llama-cpp-python, for compare_llama.py.

    venv/bin/python benchmarks/peers/llama_generate.py model.gguf --threads 2

Takes commands like `bench_generate --serve`, one a line, and answers each with its seconds:
    prefill N [FA]              a sequence of N tokens from its start, logits for the last
    decode DEPTH BATCH N [FA]   N steps with one token of each of BATCH sequences behind DEPTH others
    logits N FILE               logits after each of N tokens, floats [N, vocab]
With --start it takes none: it prints the seconds from before the file is opened to the first token.
FA is llama.cpp's flash attention: -1 its own choice, 0 off, 1 on. Tokens are those of bench_generate.
"""
import argparse, ctypes, json, sys, time
import llama_cpp as ll

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("model")
ap.add_argument("--threads", type=int, default=1)
ap.add_argument("--capacity", type=int, default=2112, help="tokens of a sequence alone")
ap.add_argument("--batch-capacity", type=int, default=256, help="tokens of each of several")
ap.add_argument("--chunk", type=int, default=512)
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--start", action="store_true")
args = ap.parse_args()
MASK = (1 << 64) - 1


@ll.llama_log_callback
def quiet(level, text, data):
    pass


ll.llama_log_set(quiet, ctypes.c_void_p(0))
started = time.perf_counter()
ll.llama_backend_init()
model = ll.llama_model_load_from_file(args.model.encode(), ll.llama_model_default_params())
if not model:
    sys.exit(f"llama.cpp cannot load {args.model}")
vocab = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(model))


def token(slot, position):
    z = (args.seed * 0x9e3779b97f4a7c15 + slot * 1000003 + position * 0xbf58476d1ce4e5b9) & MASK
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9 & MASK
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb & MASK
    return (z >> 33) % vocab


def round_up(n, step=256):
    return -(-n // step) * step


class Sequences:
    """A context with so many sequences side by side."""

    def __init__(self, count, flash):
        p = ll.llama_context_default_params()
        p.n_ctx = count * round_up(args.capacity if count == 1 else args.batch_capacity)
        p.n_batch = p.n_ubatch = max(args.chunk, count)
        p.n_seq_max, p.n_threads, p.n_threads_batch = count, args.threads, args.threads
        p.flash_attn_type, p.no_perf = flash, True
        self.context = ll.llama_init_from_model(model, p)
        if not self.context:
            sys.exit(f"llama.cpp cannot make a context of {p.n_ctx} tokens")
        self.memory = ll.llama_get_memory(self.context)
        self.batch = ll.llama_batch_init(p.n_batch, 0, 1)
        self.length = [0] * count

    def feed(self, items, every=False):
        """items: (slot, number of tokens); all go on where they are."""
        b, i = self.batch, 0
        for slot, count in items:
            for k in range(count):
                b.token[i], b.pos[i] = token(slot, self.length[slot] + k), self.length[slot] + k
                b.n_seq_id[i], b.seq_id[i][0] = 1, slot
                b.logits[i] = every or k + 1 == count
                i += 1
            self.length[slot] += count
        b.n_tokens = i
        result = ll.llama_decode(self.context, b)
        if result != 0:
            sys.exit(f"llama_decode gave {result}")
        ll.llama_synchronize(self.context)
        return i

    def read(self, slot, count):
        while count > 0:
            count -= self.feed([(slot, min(count, args.chunk))])

    def go_to(self, slot, depth):
        if self.length[slot] > depth:
            if not ll.llama_memory_seq_rm(self.memory, slot, depth, -1):
                ll.llama_memory_seq_rm(self.memory, slot, -1, -1)
                depth, rest = 0, depth
                self.length[slot] = 0
                return self.read(slot, rest)
            self.length[slot] = depth
        self.read(slot, depth - self.length[slot])


opened = {}


def sequences(count, flash):
    key = count, int(flash)
    if key not in opened:
        opened[key] = Sequences(*key)
    return opened[key]


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return dict(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)


if args.start:
    sequences(1, -1).read(0, 1)
    print(json.dumps(dict(seconds=time.perf_counter() - started)))
    sys.exit()

for line in sys.stdin:
    what, *rest = line.split()
    if what == "prefill":
        s = sequences(1, rest[1] if len(rest) > 1 else -1)
        s.go_to(0, 0)
        answer = timed(lambda: s.read(0, int(rest[0])))
    elif what == "decode":
        depth, batch, steps = map(int, rest[:3])
        s = sequences(batch, rest[3] if len(rest) > 3 else -1)
        for slot in range(batch):
            s.go_to(slot, depth)
        everyone = [(slot, 1) for slot in range(batch)]
        answer = timed(lambda: [s.feed(everyone) for _ in range(steps)])
    elif what == "logits":
        s, count = sequences(1, -1), int(rest[0])
        s.go_to(0, 0)
        s.feed([(0, count)], every=True)
        with open(rest[1], "wb") as f:
            for i in range(count):
                f.write(ctypes.string_at(ll.llama_get_logits_ith(s.context, i), 4 * vocab))
        answer = dict(tokens=count, vocab=vocab)
    else:
        sys.exit(f"unknown command {line!r}")
    print(json.dumps(answer), flush=True)
