#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint folder of the gpt-oss layout with random weights: config.json, shards, their index.

    benchmarks/make_random_gpt_oss.py DIR                 the model of compare_llama.py, 2.1 GB
    benchmarks/make_random_gpt_oss.py DIR --preset 20b    the published layout of gpt-oss-20b, 13.8 GB
    benchmarks/make_random_gpt_oss.py DIR --preset tiny   2 layers, for comparing logits

Needs numpy. Tensors are made and written piece by piece: memory stays at some hundred MiB.

The values are those of the peer's recipe (seed and shape alike), so the GGUF file that the recipe
writes holds the same model; benchmarks/gguf_of_folder.py makes such a file from the folder, too.
  rng(tensor)   PCG64 seeded with [seed, crc32(name)], so no value depends on the order of writing;
                the table is called "embed", the last norm "norm", the head "lm_head"
  dense         attention, table, head: clip(rint(32 normal), -127, 127) * 2^round(log2(std / 32)),
                std 1 for the table, columns^-0.5 for the others: exact in bf16 and in blocks of int8
  experts       random MXFP4 codes, then scales 127 + round(log2(1 / (2.93 sqrt(columns)))) + {-1, 0, 1}
  the rest      mean + std * normal, cut to bf16
--preset 20b has YaRN without rounding as published; the others round ("truncate"), as llama.cpp does.
"""
import argparse, json, math, pathlib, struct, zlib
import numpy as np

PRESETS = {  # layers hidden experts top_k ffn heads kv_heads head_dim vocab window
    "bench": (12, 1024, 128, 4, 768, 16, 4, 64, 32768, 128),
    "tiny": (2, 256, 32, 4, 192, 8, 2, 64, 1024, 32),
    "20b": (24, 2880, 32, 4, 2880, 64, 8, 64, 201088, 128)}
SIZES = "layers hidden experts top_k ffn heads kv_heads head_dim vocab window".split()
TOTALS = {"20b": (459, 13_761_264_768)}  # tensors and their bytes, of the published model
PIECE = 1 << 24  # numbers made at a time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("folder", type=pathlib.Path)
ap.add_argument("--preset", choices=PRESETS, default="bench")
for size in SIZES:
    ap.add_argument("--" + size.replace("_", "-"), type=int, help="instead of the preset's")
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--router-std", type=float, default=2.0, help="deviation of the router's logits")
ap.add_argument("--dense", choices=["bf16", "int8"], default="bf16", help="int8: dsr1's, the same values exactly")
ap.add_argument("--shard-gb", type=float, default=1.0, help="largest file, unless one tensor is larger")
args = ap.parse_args()
s = argparse.Namespace(**{name: getattr(args, name) or value for name, value in zip(SIZES, PRESETS[args.preset])})
if s.hidden % 32 or s.ffn % 32:
    ap.error("--hidden and --ffn must be multiples of 32, the block of MXFP4")


def rng(name):
    return np.random.default_rng([args.seed, zlib.crc32(name.encode())])


def pieces(count, multiple=1):
    step = max(PIECE // multiple, 1) * multiple
    for first in range(0, count, step):
        yield min(step, count - first)


def upper_half(x):
    """float32 numbers cut to bfloat16."""
    return (np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def dense(tensor, name, rows, columns, std):
    """The tensor, or its codes and their scales."""
    r, scale = rng(name), np.float32(2.0 ** round(math.log2(std / 32)))

    def codes():
        for n in pieces(rows * columns):
            yield np.clip(np.rint(r.standard_normal(n, dtype=np.float32) * 32), -127, 127).astype(np.int8)
    if args.dense == "bf16":
        yield tensor, "BF16", (rows, columns), (upper_half(c * scale) for c in codes())
        return
    yield tensor, "I8", (rows, columns), codes()
    blocks = (rows, -(-columns // 32))
    yield tensor + "_scale", "F16", blocks, (np.full(n, scale, np.float16) for n in pieces(math.prod(blocks)))


def numbers(name, count, std, mean=0.0):
    yield upper_half(mean + std * rng(name).standard_normal(count, dtype=np.float32))


def codes_and_scales(name, rows, columns):
    """Two generators that share one stream: the second must be run after the first."""
    r, blocks = rng(name), s.experts * rows * columns // 32
    base = 127 + round(math.log2(1 / (2.93 * math.sqrt(columns))))

    def codes():
        for n in pieces(blocks * 16, 64):
            yield np.frombuffer(r.bytes(n), np.uint8)

    def scales():
        for n in pieces(blocks):
            yield (base + r.integers(-1, 2, n)).astype(np.uint8)
    return codes(), scales()


def plan():
    """(name, dtype, shape, generator of pieces) of every tensor, in the order of the files."""
    table = (s.vocab, s.hidden)
    yield from dense("model.embed_tokens.weight", "embed", *table, 1.0)
    q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
    for i in range(s.layers):
        p = f"model.layers.{i}."
        vectors = [("self_attn.sinks", (s.heads,), 1.0, 0.0), ("input_layernorm.weight", (s.hidden,), 0.1, 1.0),
                   ("post_attention_layernorm.weight", (s.hidden,), 0.1, 1.0),
                   ("mlp.router.weight", (s.experts, s.hidden), args.router_std * s.hidden ** -0.5, 0.0),
                   ("mlp.router.bias", (s.experts,), 0.02, 0.0)]
        for part, rows, columns in (("q", q, s.hidden), ("k", kv, s.hidden), ("v", kv, s.hidden), ("o", s.hidden, q)):
            n = f"{p}self_attn.{part}_proj."
            yield from dense(n + "weight", n + "weight", rows, columns, columns ** -0.5)
            vectors.append((f"self_attn.{part}_proj.bias", (rows,), 0.02, 0.0))
        for part, rows, columns in (("gate_up_proj", 2 * s.ffn, s.hidden), ("down_proj", s.hidden, s.ffn)):
            n = f"{p}mlp.experts.{part}"
            codes, scales = codes_and_scales(n, rows, columns)
            yield n + "_blocks", "U8", (s.experts, rows, columns // 32, 16), codes
            yield n + "_scales", "U8", (s.experts, rows, columns // 32), scales
            vectors.append((f"mlp.experts.{part}_bias", (s.experts, rows), 0.02, 0.0))
        for name, shape, std, mean in vectors:
            flat = numbers(p + name, math.prod(shape), std, mean)
            yield p + name, "BF16", shape, flat
    yield "model.norm.weight", "BF16", (s.hidden,), numbers("norm", s.hidden, 0.1, 1.0)
    yield from dense("lm_head.weight", "lm_head", *table, s.hidden ** -0.5)


def bytes_of(tensor):
    return math.prod(tensor[2]) * (1 if tensor[1] in ("U8", "I8") else 2)


def shards(tensors):
    """Tensors in their order, cut into files; codes and their scales stay in one file."""
    out, size = [[]], 0
    for t in tensors:
        if out[-1] and size + bytes_of(t) > args.shard_gb * 1e9 and not t[0].endswith(("_scale", "_scales")):
            out.append([])
            size = 0
        out[-1].append(t)
        size += bytes_of(t)
    return out


def write_shard(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for t in tensors:
        header[t[0]] = {"dtype": t[1], "shape": t[2], "data_offsets": [at, at + bytes_of(t)]}
        at += bytes_of(t)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors:
            start = f.tell()
            for piece in t[3]:
                piece.tofile(f)
            assert f.tell() - start == bytes_of(t), t[0]


def config():
    whole = args.preset == "20b"
    end = 200002 if s.vocab > 200002 else s.vocab - 1
    return dict(
        architectures=["GptOssForCausalLM"], model_type="gpt_oss", torch_dtype="bfloat16", attention_bias=True,
        attention_dropout=0.0, hidden_act="silu", hidden_size=s.hidden, intermediate_size=s.ffn,
        num_hidden_layers=s.layers, num_attention_heads=s.heads, num_key_value_heads=s.kv_heads, head_dim=s.head_dim,
        num_local_experts=s.experts, num_experts_per_tok=s.top_k, experts_per_token=s.top_k, vocab_size=s.vocab,
        sliding_window=s.window, layer_types=[("sliding", "full")[i % 2] + "_attention" for i in range(s.layers)],
        rms_norm_eps=1e-5, rope_theta=150000, swiglu_limit=7.0, initial_context_length=4096, initializer_range=0.02,
        rope_scaling=dict(rope_type="yarn", factor=32.0, beta_fast=32.0, beta_slow=1.0,
                          original_max_position_embeddings=4096, truncate=not whole),
        max_position_embeddings=131072, tie_word_embeddings=False, output_router_logits=False, use_cache=True,
        router_aux_loss_coef=0.9, eos_token_id=end, pad_token_id=199999 if s.vocab > 200002 else s.vocab - 1,
        quantization_config=dict(quant_method="dsr1", experts="mxfp4", dense="int8")
        if args.dense == "int8" else dict(quant_method="mxfp4", modules_to_not_convert=[
            "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]))


tensors = list(plan())
total = sum(map(bytes_of, tensors))
given = any(getattr(args, size) is not None for size in SIZES)
if args.preset in TOTALS and not given and args.dense == "bf16":
    assert (len(tensors), total) == TOTALS[args.preset], (len(tensors), total)
args.folder.mkdir(parents=True, exist_ok=True)
files, index = shards(tensors), {}
for number, part in enumerate(files, 1):
    name = f"model-{number:05d}-of-{len(files):05d}.safetensors"
    index.update({t[0]: name for t in part})
    write_shard(args.folder / name, part)
(args.folder / "model.safetensors.index.json").write_text(
    json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=1) + "\n")
(args.folder / "config.json").write_text(json.dumps(config(), indent=1) + "\n")
print(f"{args.folder}: {len(tensors)} tensors, {total} bytes in {len(files)} files")
