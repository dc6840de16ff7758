#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""Writes dots1/: a tiny random dots.llm1 checkpoint and what transformers computes from it.

For examples/07_own_family.cpp. Needs torch, transformers, safetensors. Random numbers: no licence
applies to the data.
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import Dots1Config, Dots1ForCausalLM

folder = pathlib.Path(__file__).resolve().parent / "dots1"
torch.manual_seed(11)
torch.set_num_threads(1)
config = Dots1Config(vocab_size=96, hidden_size=32, intermediate_size=48, moe_intermediate_size=16,
                     num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                     n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=2, n_group=1,
                     topk_group=1, first_k_dense_replace=1, norm_topk_prob=True,
                     routed_scaling_factor=2.5, sliding_window=None, max_position_embeddings=256)
config._attn_implementation = "eager"
config._experts_implementation = "eager"
model = Dots1ForCausalLM(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.normal_(0, 0.25 if p.ndim > 1 else 0.1)
        if "norm" in name:
            p += 1
    for name, b in model.named_buffers():
        if "e_score_correction_bias" in name:
            b.normal_(0, 0.1)
model.save_pretrained(folder)
for extra in folder.glob("generation_config.json"):
    extra.unlink()
ids = torch.randint(0, 96, (2, 20))
wide = model.double()
with torch.no_grad():
    logits = wide(ids).logits
save_file({"input_ids": ids, "logits64": logits.contiguous()}, str(folder / "golden.safetensors"))
print(sorted(p.name for p in folder.iterdir()), float(logits.std()))
