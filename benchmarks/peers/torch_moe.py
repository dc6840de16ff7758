#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""The PyTorch peer of bench_train_step: the same model, token stream, optimizer and count of FLOP.

One step = forward + backward + clipping by the global norm (1.0) + AdamW, fp32. Variants:
  eager, grouped_mm   GptOssForCausalLM of transformers, with that implementation of the experts
  grouped             hand-written: rows sorted by expert, torch's grouped product, CPU flash attention
                      with the window as a mask and an exact sink
  compiled            torch.compile of `grouped`
Prints one line of JSON. `--save-init DIR` writes the first weights as a transformers checkpoint.
"""
import time
START = time.perf_counter()
import argparse, json, math, os, resource, statistics, sys

SHAPES = {
    "demo": dict(dim=128, layers=4, experts=32, topk=4, hidden=64, heads=4, kv=2, head_dim=32, window=128,
                 pattern="s", vocab=1024, seq=256, batch=8),
    "seed": dict(dim=256, layers=6, experts=128, topk=4, hidden=128, heads=8, kv=2, head_dim=32, window=128,
                 pattern="fs", vocab=4096, seq=512, batch=4),
}
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--shape", choices=list(SHAPES), default="demo")
ap.add_argument("--variant", choices=["eager", "grouped_mm", "grouped", "compiled"], default="eager")
ap.add_argument("--threads", type=int, default=1)
ap.add_argument("--steps", type=int, default=12)
ap.add_argument("--warmup", type=int, default=3)
ap.add_argument("--weights", help="model.safetensors to start from")
ap.add_argument("--save-init", help="write the first weights there and stop")
args = ap.parse_args()
# glibc keeps freed memory and uses huge pages: up to a quarter faster for the peer, so it gets it.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20),
         "MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
if not args.save_init and any(os.environ.get(k) != v for k, v in TUNED.items()):
    os.environ.update(TUNED)
    os.execv(sys.executable, [sys.executable] + sys.argv)

import torch
import torch.nn as nn
import torch.nn.functional as F
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
C = argparse.Namespace(**SHAPES[args.shape])
C.types = [C.pattern[i % len(C.pattern)] for i in range(C.layers)]
EPS, THETA, ALPHA, LIMIT = 1e-5, 10000.0, 1.702, 7.0


def token_stream(n, seed=1):
    """64-bit LCG; with 3/4 the next token is 5 cur + 17, else uniform."""
    mask, s, cur, out = (1 << 64) - 1, seed, 0, []
    for _ in range(n):
        s = (s * 6364136223846793005 + 1442695040888963407) & mask
        r = s >> 33
        cur = (5 * cur + 17) % C.vocab if (r & 3) else (r >> 2) % C.vocab
        out.append(cur)
    return out


def flops_per_token():
    att = C.dim * C.heads * C.head_dim * 2 + 2 * C.dim * C.kv * C.head_dim
    active = C.layers * (att + C.dim * C.experts + C.topk * 3 * C.dim * C.hidden) + C.dim * C.vocab
    score = sum(4 * sum(min(i + 1, C.window if t == "s" else C.seq) for i in range(C.seq)) / C.seq
                * C.heads * C.head_dim for t in C.types)
    return 6 * active + 3 * score


def transformers_model(experts="eager"):
    from transformers import GptOssConfig, GptOssForCausalLM
    c = GptOssConfig(
        num_hidden_layers=C.layers, num_local_experts=C.experts, vocab_size=C.vocab, hidden_size=C.dim,
        intermediate_size=C.hidden, head_dim=C.head_dim, num_attention_heads=C.heads,
        num_key_value_heads=C.kv, sliding_window=C.window, max_position_embeddings=max(C.seq, 512),
        num_experts_per_tok=C.topk, rope_parameters={"rope_type": "default", "rope_theta": THETA},
        use_cache=False, rms_norm_eps=EPS, swiglu_alpha=ALPHA, swiglu_limit=LIMIT,
        layer_types=["sliding_attention" if t == "s" else "full_attention" for t in C.types])
    c._attn_implementation = "eager"  # the only one with sinks
    c._experts_implementation = experts
    torch.manual_seed(1)
    return GptOssForCausalLM(c).float()


class FromTransformers(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.inner = model

    def forward(self, ids, labels):
        return self.inner(input_ids=ids, labels=labels, shift_labels=labels, use_cache=False).loss


class SinkAttention(torch.autograd.Function):
    """The CPU flash kernel with a sink: lse' = log(exp lse + exp sink), the output scaled to match.
    Given lse' and that output, the kernel's backward is exact; d sink = -sum p_sink <dO, O>."""
    @staticmethod
    def forward(q, k, v, sink, mask, causal, scale):
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, 0.0, causal, attn_mask=mask, scale=scale)
        s = sink.view(1, 1, -1) if lse.shape[1] != sink.numel() else sink.view(1, -1, 1)
        lse2 = torch.logaddexp(lse, s)
        return out * torch.exp(lse - lse2).unsqueeze(-1), lse2

    @staticmethod
    def setup_context(ctx, inputs, output):
        q, k, v, sink, mask, causal, scale = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(q, k, v, sink, mask, *output)
        ctx.causal, ctx.scale = causal, scale

    @staticmethod
    def backward(ctx, dout, _):
        q, k, v, sink, mask, out, lse2 = ctx.saved_tensors
        dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            dout, q, k, v, out, lse2, 0.0, ctx.causal, attn_mask=mask, scale=ctx.scale)
        p = torch.exp(sink.view(1, -1, 1) - lse2)
        return dq, dk, dv, -(p * (dout * out).sum(-1)).sum((0, 2)), None, None, None


class Gather(torch.autograd.Function):
    """Rows by a permutation; its backward is the inverse permutation (and a sum over the k copies)."""
    @staticmethod
    def forward(x, index, back, k):
        return x.index_select(0, index // k if k > 1 else index)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[2])
        ctx.k = inputs[3]

    @staticmethod
    def backward(ctx, g):
        g = g.index_select(0, ctx.saved_tensors[0])
        return (g.view(-1, ctx.k, g.shape[-1]).sum(1) if ctx.k > 1 else g), None, None, None


class Attention(nn.Module):
    def __init__(self, windowed):
        super().__init__()
        self.windowed = windowed
        self.q_proj = nn.Linear(C.dim, C.heads * C.head_dim)
        self.k_proj = nn.Linear(C.dim, C.kv * C.head_dim)
        self.v_proj = nn.Linear(C.dim, C.kv * C.head_dim)
        self.o_proj = nn.Linear(C.heads * C.head_dim, C.dim)
        self.sinks = nn.Parameter(torch.zeros(C.heads))

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        rep = C.heads // C.kv
        turn = lambda y: torch.cat((y[..., :C.head_dim // 2] * cos - y[..., C.head_dim // 2:] * sin,
                                    y[..., C.head_dim // 2:] * cos + y[..., :C.head_dim // 2] * sin), -1)
        wide = lambda y: y.unsqueeze(3).expand(b, t, C.kv, rep, C.head_dim).reshape(
            b, t, C.heads, C.head_dim).transpose(1, 2)
        q = turn(self.q_proj(x).view(b, t, C.heads, C.head_dim)).transpose(1, 2)
        k = wide(turn(self.k_proj(x).view(b, t, C.kv, C.head_dim)))
        v = wide(self.v_proj(x).view(b, t, C.kv, C.head_dim))
        m = mask if self.windowed and C.window < t else None
        o, _ = SinkAttention.apply(q, k, v, self.sinks, m, True, C.head_dim ** -0.5)
        return self.o_proj(o.transpose(1, 2).reshape(b, t, -1))


class Router(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(C.experts, C.dim))
        self.bias = nn.Parameter(torch.zeros(C.experts))


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(C.experts, C.dim, 2 * C.hidden))
        self.gate_up_proj_bias = nn.Parameter(torch.zeros(C.experts, 2 * C.hidden))
        self.down_proj = nn.Parameter(torch.empty(C.experts, C.hidden, C.dim))
        self.down_proj_bias = nn.Parameter(torch.zeros(C.experts, C.dim))


class Moe(nn.Module):
    def __init__(self):
        super().__init__()
        self.router, self.experts = Router(), Experts()

    def forward(self, x):
        b, t, d = x.shape
        x = x.reshape(-1, d)
        val, idx = torch.topk(F.linear(x, self.router.weight, self.router.bias), C.topk, dim=-1)
        score = torch.softmax(val, -1)
        ids, perm = torch.sort(idx.reshape(-1), stable=True)
        inv = torch.empty_like(perm)
        inv.scatter_(0, perm, torch.arange(perm.numel()))
        ends = torch.searchsorted(ids, torch.arange(C.experts), right=True).to(torch.int32)
        e = self.experts
        lin = lambda y, w, bias: F.grouped_mm(y, w, offs=ends) + bias.index_select(0, ids)
        h = lin(Gather.apply(x, perm, inv, C.topk), e.gate_up_proj, e.gate_up_proj_bias)
        gate, up = h.view(h.shape[0], -1, 2).unbind(-1)
        gate, up = gate.clamp(max=LIMIT), up.clamp(min=-LIMIT, max=LIMIT)
        y = lin((up + 1) * gate * torch.sigmoid(gate * ALPHA), e.down_proj, e.down_proj_bias)
        y = y * Gather.apply(score.reshape(-1, 1), perm, inv, 1)
        return Gather.apply(y, inv, perm, 1).view(-1, C.topk, d).sum(1).view(b, t, d)


class Layer(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.self_attn, self.mlp = Attention(kind == "s"), Moe()
        self.input_layernorm, self.post_attention_layernorm = (nn.RMSNorm(C.dim, EPS) for _ in range(2))

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(C.vocab, C.dim)
        self.model.layers = nn.ModuleList([Layer(t) for t in C.types])
        self.model.norm = nn.RMSNorm(C.dim, EPS)
        self.lm_head = nn.Linear(C.dim, C.vocab, bias=False)
        angle = torch.arange(C.seq).float()[:, None] / THETA ** (torch.arange(0, C.head_dim, 2).float() / C.head_dim)
        far = torch.arange(C.seq)[:, None] - torch.arange(C.seq)[None, :]
        self.register_buffer("cos", angle.cos()[:, None, :], persistent=False)
        self.register_buffer("sin", angle.sin()[:, None, :], persistent=False)
        self.register_buffer("mask", torch.zeros(C.seq, C.seq).masked_fill((far < 0) | (far >= C.window), -math.inf),
                             persistent=False)

    def forward(self, ids, labels):
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        logits = self.lm_head(self.model.norm(x))
        return F.cross_entropy(logits.view(-1, C.vocab), labels.reshape(-1))


if args.save_init:
    transformers_model().save_pretrained(args.save_init)
    sys.exit(0)
model = FromTransformers(transformers_model(args.variant)) if args.variant in ("eager", "grouped_mm") else Grouped()
if args.weights:
    from safetensors.torch import load_file
    (model.inner if hasattr(model, "inner") else model).load_state_dict(load_file(args.weights))
model.train()
params = list(model.parameters())
opt = torch.optim.AdamW(params, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, fused=True)
forward = torch.compile(model, dynamic=False) if args.variant == "compiled" else model
stream = torch.tensor(token_stream(C.batch * (C.seq + 1) * args.steps)).view(args.steps, C.batch, C.seq + 1)
times, cpu, losses, norms, first = [], [], [], [], 0.0
for i in range(args.steps):
    t, c = time.perf_counter(), time.process_time()
    loss = forward(stream[i, :, :-1].contiguous(), stream[i, :, 1:].contiguous())
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in params])
    opt.grad_scale = torch.clamp(norm + 1e-6, min=1.0)  # fused AdamW divides by it: clipping to 1
    opt.step()
    opt.zero_grad(set_to_none=True)
    losses.append(float(loss.detach()))
    norms.append(float(norm))
    times.append(time.perf_counter() - t)
    cpu.append(time.process_time() - c)
    if i == 0:
        first = time.perf_counter() - START
step, cpu_step = statistics.median(times[args.warmup:]), statistics.median(cpu[args.warmup:])
tokens = C.batch * C.seq
print(json.dumps(dict(shape=args.shape, variant=args.variant, threads=args.threads, tokens_per_s=tokens / step,
                      tokens_per_cpu_s=tokens / cpu_step,
                      gflops=flops_per_token() * tokens / step / 1e9, step_s=times, loss=losses, grad_norm=norms,
                      peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      start_to_first_step_s=first, torch=torch.__version__)))
