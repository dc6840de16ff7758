#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Single operations in PyTorch, for compare_ops.py: forward and backward of one, the median of some.

    venv/bin/python benchmarks/peers/torch_ops.py attention banded --threads 2

attention      16,384 tokens, 8 heads and 2 of keys and values of 32, a window of 128, no sinks
    masked     scaled_dot_product_attention with the mask as a matrix of booleans
    banded     the same by blocks of 128 queries with 256 keys each: only the band is computed
    flex       flex_attention with a block mask, compiled (forward only where it has no backward)
cross_entropy  1,024 tokens of 256 numbers, a head of 200,000 words; gradients of both
    plain      linear and cross_entropy
    compiled   the same, compiled
    chunked    the same for 128 tokens at a time, so that the logits of 128 exist
"""
import argparse, json, resource, statistics, time

import torch
import torch.nn.functional as F

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("op", choices=["attention", "cross_entropy"])
ap.add_argument("variant")
ap.add_argument("--threads", type=int, default=1)
ap.add_argument("--repeats", type=int, default=5)
args = ap.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)


def grouped(k, heads):
    return k.repeat_interleave(heads // k.shape[0], 0)


def masked(q, k, v, window):
    n = q.shape[1]
    i = torch.arange(n)
    seen = (i[:, None] >= i[None, :]) & (i[:, None] - i[None, :] < window)
    return lambda: F.scaled_dot_product_attention(q[None], grouped(k, q.shape[0])[None], grouped(v, q.shape[0])[None], attn_mask=seen)[0]


def banded(q, k, v, window):
    heads, n, d = q.shape
    blocks = n // window
    i, j = torch.arange(window), torch.arange(2 * window) - window
    seen = (i[:, None] >= j[None, :]) & (i[:, None] - j[None, :] < window)
    seen = seen.expand(blocks, window, 2 * window).clone()
    seen[0, :, :window] = False

    def two(x):
        x = grouped(x, heads).view(heads, blocks, window, d)
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return torch.cat([before, x], 2)

    def run():
        y = F.scaled_dot_product_attention(q.view(heads, blocks, window, d), two(k), two(v), attn_mask=seen)
        return y.view(heads, n, d)
    return run


def flex(q, k, v, window):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    n = q.shape[1]
    mask = create_block_mask(lambda b, h, i, j: (i >= j) & (i - j < window), None, None, n, n, device="cpu")
    call = torch.compile(flex_attention, dynamic=False)
    return lambda: call(q[None], k[None], v[None], block_mask=mask, enable_gqa=True)[0]


def attention(n, window=128, heads=8, kv_heads=2, d=32):
    q, k, v = (torch.randn(h, n, d, requires_grad=args.variant != "flex") for h in (heads, kv_heads, kv_heads))
    return {"masked": masked, "banded": banded, "flex": flex}[args.variant](q, k, v, window), (q, k, v)


def cross_entropy(tokens=1024, dim=256, vocab=200_000):
    h = torch.randn(tokens, dim, requires_grad=True)
    w = (torch.randn(vocab, dim) / 16).requires_grad_()
    ids = torch.randint(vocab, (tokens,))

    def plain():
        return F.cross_entropy(F.linear(h, w), ids)

    def chunked():
        for i in range(0, tokens, 128):
            (F.cross_entropy(F.linear(h[i:i + 128], w), ids[i:i + 128], reduction="sum") / tokens).backward()
    return {"plain": plain, "compiled": torch.compile(plain, dynamic=False), "chunked": chunked}[args.variant], (h, w)


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if args.op == "attention" and args.variant == "banded":  # the band is the mask
    torch.manual_seed(2)
    q, k, v = (torch.randn(h, 512, 32) for h in (8, 2, 2))
    torch.testing.assert_close(banded(q, k, v, 128)(), masked(q, k, v, 128)(), rtol=1e-4, atol=1e-5)

run, leaves = attention(16_384) if args.op == "attention" else cross_entropy()
before = peak_mib()
forward, both = [], []
for i in range(args.repeats + 1):
    for x in leaves:
        x.grad = None
    t0 = time.perf_counter()
    y = run()
    t1 = time.perf_counter()
    if y is not None and y.requires_grad:
        y.sum().backward() if y.dim() else y.backward()
    t2 = time.perf_counter()
    if i > 0:
        forward.append(t1 - t0)
        both.append(t2 - t0)
print(json.dumps(dict(op=args.op, variant=args.variant, threads=args.threads, forward_s=statistics.median(forward),
                      seconds=None if args.variant == "flex" else statistics.median(both),
                      mib=peak_mib() - before, torch=torch.__version__)))
