#!/usr/bin/env python3
# SPDX-FileCopyrightText: The dsr1 authors
# SPDX-License-Identifier: Apache-2.0
"""The TRL peer of bench_rl: GRPO updates on sums, of the same weights, with the same reward.

Opens a checkpoint that bench_rl --prepare wrote (gpt-oss layout), in fp32 on the CPU. One update =
prompts x group answers sampled by generate(), judged, and learned from in one step of AdamW, without
a reference model. Prints one line of JSON: seconds of each update, mean rewards, tokens of an answer.
"""
import os, sys
# glibc keeps freed memory and uses huge pages: faster for PyTorch, so it gets it.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20),
         "MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "TOKENIZERS_PARALLELISM": "false",
         "HF_HUB_OFFLINE": "1"}
if any(os.environ.get(k) != v for k, v in TUNED.items()):
    os.environ.update(TUNED)
    os.execv(sys.executable, [sys.executable] + sys.argv)
import argparse, json, random, re, tempfile, time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("weights", help="folder of the checkpoint")
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--updates", type=int, default=5)
ap.add_argument("--warmup", type=int, default=2)
ap.add_argument("--answers", type=int, default=64)
ap.add_argument("--group", type=int, default=8)
ap.add_argument("--max-answer", type=int, default=16)
ap.add_argument("--largest", type=int, default=99)
ap.add_argument("--rate", type=float, default=1e-4)
ap.add_argument("--experts", default="grouped_mm", help="experts of transformers: grouped_mm or eager")
ap.add_argument("--seed", type=int, default=1)
args = ap.parse_args()

import torch
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
import datasets, transformers, trl
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

ALPHABET = "0123456789=:+"  # tokens 1.., as in bench_rl; token 0 begins and ends a text
datasets.disable_progress_bars()
transformers.logging.set_verbosity_error()


def tokenizer(vocab):
    tokens = ["<end>", *ALPHABET] + [f"<{i}>" for i in range(len(ALPHABET) + 1, vocab)]
    t = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token=tokens[-2]))
    t.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    t.decoder = decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<end>", pad_token=tokens[-1])


def reward_of(prompt, answer):
    """The levels of `arithmetic`, weighed 0.2, 0.3, 0.5; a level counts when those below it are reached."""
    statement = prompt.removeprefix("<end>").removesuffix(":") + "="
    number = "(0|[1-9][0-9]*)"
    if not re.fullmatch(rf"{number}\+{number}=-?{number}", answer):
        return 0.0
    if not answer.startswith(statement):
        return 0.2
    a, b = statement[:-1].split("+")
    return 1.0 if answer[len(statement):] == str(int(a) + int(b)) else 0.5


rewards, lengths, ends = [], [], []


def reward(prompts, completions, completion_ids, **_):
    values = [reward_of(p, c) for p, c in zip(prompts, completions)]
    rewards.append(sum(values) / len(values))
    lengths.append(sum(map(len, completion_ids)) / len(values))
    return values


class Clock(transformers.TrainerCallback):
    def on_train_begin(self, *_, **__):
        ends.append((time.perf_counter(), time.process_time()))

    def on_step_end(self, *_, **__):
        ends.append((time.perf_counter(), time.process_time()))


model = transformers.AutoModelForCausalLM.from_pretrained(args.weights, dtype=torch.float32,
                                                          attn_implementation="eager",  # has sinks
                                                          experts_implementation=args.experts)
draw = random.Random(args.seed)
updates = args.warmup + args.updates
prompts = [f"<end>{draw.randint(0, args.largest)}+{draw.randint(0, args.largest)}:"
           for _ in range(updates * args.answers // args.group)]
with tempfile.TemporaryDirectory() as folder:
    config = trl.GRPOConfig(
        output_dir=folder, use_cpu=True, bf16=False, seed=args.seed, report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True, gradient_checkpointing=False, dataloader_pin_memory=False,
        per_device_train_batch_size=args.answers, gradient_accumulation_steps=1, steps_per_generation=1,
        num_iterations=1, num_generations=args.group, max_completion_length=args.max_answer, max_steps=updates,
        temperature=1.0, top_p=1.0, top_k=0, beta=0.0, loss_type="grpo", scale_rewards="group", epsilon=0.2,
        learning_rate=args.rate, lr_scheduler_type="constant", weight_decay=0.0, adam_beta2=0.95,
        max_grad_norm=1.0, shuffle_dataset=False, pad_to_multiple_of=None)
    trainer = trl.GRPOTrainer(model=model, reward_funcs=reward, args=config, callbacks=[Clock()],
                              train_dataset=datasets.Dataset.from_dict({"prompt": prompts}),
                              processing_class=tokenizer(model.config.vocab_size))
    trainer.train()
wall, cpu = ([b[i] - a[i] for a, b in zip(ends, ends[1:])][args.warmup:] for i in (0, 1))
print(json.dumps(dict(seconds=wall, cpu_seconds=cpu, reward=rewards, answer_tokens=lengths, threads=args.threads,
                      experts=args.experts, trl=trl.__version__, transformers=transformers.__version__,
                      torch=torch.__version__)))
