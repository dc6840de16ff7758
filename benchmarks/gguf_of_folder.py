#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""The GGUF file of a folder that make_random_gpt_oss.py wrote, for llama.cpp: the same values.

    python3 -m venv venv && venv/bin/pip install gguf
    venv/bin/python benchmarks/gguf_of_folder.py model model.gguf

Experts stay MXFP4 (gate and up apart, codes j and j + 16 in a byte); attention, table and head
become Q8_0, exactly when they are whole multiples of one power of two, as the recipe's are; the
rest is F32. The tokenizer is a filler: the file is for measuring. A folder with bf16 numbers is
needed; llama.cpp always rounds YaRN's bounds, so "truncate" must be true.
"""
import json, mmap, pathlib, struct, sys
import gguf
import numpy as np

if len(sys.argv) != 3:
    sys.exit(__doc__)
folder, target = pathlib.Path(sys.argv[1]), sys.argv[2]
config = json.loads((folder / "config.json").read_text())
if not config["rope_scaling"].get("truncate", True):
    sys.exit(f"{folder}: \"truncate\" is false; llama.cpp would compute something else")
stored = {}
for path in sorted(folder.glob("*.safetensors")):
    with open(path, "rb") as f:
        data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    size = struct.unpack("<Q", data[:8])[0]
    for name, t in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            stored[name] = (t, np.frombuffer(data, np.uint8)[8 + size:])


def raw(name):
    t, data = stored[name]
    first, last = t["data_offsets"]
    kind = {"U8": np.uint8, "BF16": np.uint16}[t["dtype"]]
    return data[first:last].view(kind).reshape(t["shape"])


def floats(name):
    return (raw(name).astype(np.uint32) << 16).view(np.float32)


def q8_0(x):
    """Codes and one scale for all, when that is exact; else as the package quantizes."""
    lowest, top = 2.0 ** -40, float(np.abs(x).max())
    scale = next((s for s in (2.0 ** -k for k in range(40)) if top <= 127 * s and not np.any(x[:64] % s)), lowest)
    codes = x / np.float32(scale)
    if top > 127 * scale or np.any(codes != np.rint(codes)):
        return gguf.quants.quantize(x, gguf.GGMLQuantizationType.Q8_0)
    blocks = codes.astype(np.int8).reshape(x.shape[0], -1, 32).view(np.uint8)
    scales = np.broadcast_to(np.array([scale], np.float16).view(np.uint8), (*blocks.shape[:2], 2))
    return np.concatenate([scales, blocks], -1).reshape(x.shape[0], -1)


def mxfp4(blocks, scales):
    codes = np.stack([blocks & 15, blocks >> 4], -1).reshape(*scales.shape, 32)
    packed = codes[..., :16] | codes[..., 16:] << 4
    return np.concatenate([scales[..., None], packed], -1).reshape(*scales.shape[:2], -1)


Q8_0, MXFP4 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.MXFP4
w, c = gguf.GGUFWriter(target, "gpt-oss"), config
vocab, yarn = c["vocab_size"], c["rope_scaling"]
w.add_name("random")
w.add_block_count(c["num_hidden_layers"])
w.add_context_length(c["max_position_embeddings"])
w.add_embedding_length(c["hidden_size"])
w.add_vocab_size(vocab)
w.add_feed_forward_length(c["intermediate_size"])
w.add_expert_feed_forward_length(c["intermediate_size"])
w.add_expert_count(c["num_local_experts"])
w.add_expert_used_count(c["num_experts_per_tok"])
w.add_head_count(c["num_attention_heads"])
w.add_head_count_kv(c["num_key_value_heads"])
w.add_key_length(c["head_dim"])
w.add_value_length(c["head_dim"])
w.add_layer_norm_rms_eps(c["rms_norm_eps"])
w.add_sliding_window(c["sliding_window"])
w.add_rope_freq_base(float(c["rope_theta"]))
w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
w.add_rope_scaling_factor(yarn["factor"])
w.add_rope_scaling_orig_ctx_len(yarn["original_max_position_embeddings"])
w.add_rope_scaling_yarn_beta_fast(yarn["beta_fast"])
w.add_rope_scaling_yarn_beta_slow(yarn["beta_slow"])
letters = [chr(b) if 33 <= b < 127 else chr(256 + b) for b in range(256)]
words = letters + [f"<|fill_{i}|>" for i in range(256, vocab - 1)] + ["<|end|>"]
w.add_tokenizer_model("gpt2")
w.add_tokenizer_pre("gpt-4o")
w.add_token_list(words)
w.add_token_types([gguf.TokenType.NORMAL] * (vocab - 1) + [gguf.TokenType.CONTROL])
w.add_token_merges([letters[97] + " " + letters[98]])
w.add_bos_token_id(vocab - 1)
w.add_eos_token_id(vocab - 1)
w.add_add_bos_token(False)

w.add_tensor("token_embd.weight", q8_0(floats("model.embed_tokens.weight")), raw_dtype=Q8_0)
for i in range(c["num_hidden_layers"]):
    here, there = f"model.layers.{i}.", f"blk.{i}."
    for a, b in (("q_proj", "attn_q"), ("k_proj", "attn_k"), ("v_proj", "attn_v"), ("o_proj", "attn_output")):
        w.add_tensor(f"{there}{b}.weight", q8_0(floats(f"{here}self_attn.{a}.weight")), raw_dtype=Q8_0)
        w.add_tensor(f"{there}{b}.bias", floats(f"{here}self_attn.{a}.bias"))
    for a, b in (("self_attn.sinks", "attn_sinks.weight"), ("input_layernorm.weight", "attn_norm.weight"),
                 ("post_attention_layernorm.weight", "post_attention_norm.weight"),
                 ("mlp.router.weight", "ffn_gate_inp.weight"), ("mlp.router.bias", "ffn_gate_inp.bias"),
                 ("mlp.experts.down_proj_bias", "ffn_down_exps.bias")):
        w.add_tensor(there + b, floats(here + a))
    codes, scales = (raw(f"{here}mlp.experts.gate_up_proj_{x}") for x in ("blocks", "scales"))
    for k, part in enumerate(("gate", "up")):  # rows take turns
        w.add_tensor(f"{there}ffn_{part}_exps.weight", mxfp4(codes[:, k::2], scales[:, k::2]), raw_dtype=MXFP4)
        w.add_tensor(f"{there}ffn_{part}_exps.bias",
                     np.ascontiguousarray(floats(f"{here}mlp.experts.gate_up_proj_bias")[:, k::2]))
    w.add_tensor(f"{there}ffn_down_exps.weight",
                 mxfp4(raw(f"{here}mlp.experts.down_proj_blocks"), raw(f"{here}mlp.experts.down_proj_scales")), raw_dtype=MXFP4)
w.add_tensor("output_norm.weight", floats("model.norm.weight"))
w.add_tensor("output.weight", q8_0(floats("lm_head.weight")), raw_dtype=Q8_0)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
