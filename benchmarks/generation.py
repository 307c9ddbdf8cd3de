"""R9: generation alone, against `generate` of Hugging Face transformers."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.envs.stateful import IntArray
from rewardsmith.envs.text.calculator import Calculator

CONVERSATIONS = 64


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    torch.set_num_threads(1)
    n, tokens = (4, 8) if quick else (CONVERSATIONS, 128)
    policy = Policy.load("tiny", device="cpu", key_value_heads=1)
    prompts = _prompts(policy, n)
    for name, temperature in (("greedy", 0.0), ("drawn at temperature 1", 1.0)):
        sampling = Sampling(temperature, max_new_tokens=tokens)
        yield Contest(
            f"{n} conversations, {tokens} tokens each, {name}",
            _ours(policy, prompts, sampling),
            _theirs(policy, prompts, sampling),
            Target("faster", 3.0),
        )


def _prompts(policy: Policy, n: int) -> list[IntArray]:
    chat, dialogue = Chat(policy.tokenizer), Calculator(1).dialogue
    return [chat.opening(None, dialogue.begin(seed).observation) for seed in range(n)]


def _made(ids: IntArray, sampling: Sampling) -> Outcome:
    """What was written: the tokens where they are the same, else how many."""
    return {"ids": ids} if sampling.temperature == 0 else {"tokens": ids.shape}


def _ours(policy: Policy, prompts: list[IntArray], sampling: Sampling) -> Side:
    generator = CachedGenerator(policy, (), slots=len(prompts), sampling=sampling)

    def run() -> Outcome:
        for slot, prompt in enumerate(prompts):
            generator.feed(slot, prompt)
        turns = sorted(generator.run(len(prompts)), key=lambda turn: turn.slot)
        for turn in turns:
            generator.close(turn.slot)
        return _made(np.stack([turn.span.ids for turn in turns]), sampling)

    return Side(run)


def _theirs(policy: Policy, prompts: list[IntArray], sampling: Sampling) -> Side:
    longest = max(map(len, prompts))
    ids = torch.zeros((len(prompts), longest), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, -len(prompt) :] = torch.from_numpy(prompt)
        mask[row, -len(prompt) :] = 1
    config = copy.deepcopy(policy.model.generation_config)
    config.update(max_new_tokens=sampling.max_new_tokens, eos_token_id=None, pad_token_id=0)
    if sampling.temperature > 0:
        config.update(do_sample=True, top_k=0)

    def run() -> Outcome:
        with torch.inference_mode():
            written = policy.model.generate(ids, attention_mask=mask, generation_config=config)
        return _made(written[:, longest:].numpy(), sampling)

    return Side(run)


RACE = Race(
    "R9",
    "Generation",
    f"""\
CPU time of writing 128 tokens in each of {CONVERSATIONS} conversations whose prompts differ in
length, with the tiny Llama (2 layers, width 64). Peer: `generate` of Hugging Face transformers on
the left-padded batch, with SDPA attention and its dynamic cache: here the static cache was no
faster, and `torch.compile` over it slower. Under greedy decoding both write the same tokens, which
every round checks; drawn tokens are counted. Ours also hands over the
log-probability of every token.""",
    contests,
)
