#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""check_export.py FOLDER...: exported checkpoints in transformers, and the same logits in both.

For every folder: transformers opens it without custom code, and no tensor is missing or left over;
its logits for random tokens and its greedy continuation become golden values in a copy of the
folder, which check_checkpoint then compares. A tokenizer.json is read by the tokenizers library and
gives back the text that it was given. Needs torch, transformers and safetensors in the running
Python; not part of `make test`.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

TEXT = "A layer is any type with a nested `saved`; gradients accumulate.\n\nüber 12 %, naïve — \u4f60\u597d\n"


def golden(folder, target):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                       output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise SystemExit(f"{folder}: {kind}: {sorted(info[kind])[:5]}")
    model.eval()
    torch.manual_seed(0)
    ids = torch.randint(0, model.config.vocab_size, (2, 160))
    with torch.no_grad():
        out = model(ids, labels=ids)
        prompt = ids[0, :12]
        model.generation_config.eos_token_id = None  # on to the last token
        generated = model.generate(prompt[None], max_new_tokens=24, do_sample=False, use_cache=True, pad_token_id=0,
                                   attention_mask=torch.ones_like(prompt[None]))[0, 12:]
    save_file({"input_ids": ids, "logits": out.logits.contiguous(), "loss": out.loss.reshape(())},
              str(target / "golden.safetensors"))
    (target / "greedy.json").write_text(json.dumps({"prompt": prompt.tolist(), "generated": generated.tolist()}))
    scale = float(out.logits.abs().max())
    # Float against float: each loses about 1e-6 of the largest logit.
    error = 1e-6 * max(scale, 1)
    (target / "tolerances.json").write_text(json.dumps({"float32_vs_float64": {
        "logits": {"max_abs_error": error}, "loss": {"max_abs_error": 1e-6}}}))
    return scale


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/bin"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as scratch:
            copy = pathlib.Path(scratch) / "checkpoint"
            shutil.copytree(folder, copy)
            for old in ("golden.safetensors", "greedy.json", "tolerances.json"):
                (copy / old).unlink(missing_ok=True)
            scale = golden(folder, copy)
            checked = subprocess.run([options.bin / "check_checkpoint", "--float", copy], capture_output=True, text=True)
            print(f"{folder}: opened by transformers, largest logit {scale:.3g}")
            print("\n".join(checked.stdout.splitlines()[1:-1]), checked.stderr, sep="\n")
            failed += checked.returncode != 0
        if (folder / "tokenizer.json").exists():
            words = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
            ids = words(TEXT)["input_ids"]
            back = words.decode(ids, skip_special_tokens=True)
            print(f"  tokenizer: {len(ids)} tokens, text {'kept' if back == TEXT else 'CHANGED'}")
            failed += back != TEXT
    print("all equal" if not failed else f"{failed} FAILED")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
