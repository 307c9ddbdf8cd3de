"""R9: generation alone, against `generate` of Hugging Face transformers."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.envs.stateful import IntArray
from rewardsmith.envs.text.calculator import Calculator

SLOTS, TOKENS, QUEUED = 64, 128, 256
REFILL = 8  # slots are filled again when one in so many is free: encoding some together is cheaper
SHARPENED = 10.0
SENTENCE_ENDS = ".!?"


@dataclass(frozen=True)
class Work:
    """Turns to write: one after each prompt, at most so many at once."""

    policy: Policy
    prompts: Sequence[IntArray]
    slots: int
    sampling: Sampling
    stops: Sequence[int] = ()

    def outcome(self, written: Sequence[IntArray]) -> Outcome:
        """What was written: the tokens where they are the same, else how many."""
        sizes = [len(ids) for ids in written]
        greedy = self.sampling.temperature == 0
        return {"sizes": sizes} | ({"ids": np.concatenate(written)} if greedy else {})


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    torch.set_num_threads(1)
    slots, queued, tokens = (4, 8, 8) if quick else (SLOTS, QUEUED, TOKENS)
    policy = Policy.load("tiny", device="cpu", key_value_heads=1)
    for name, temperature in (("greedy", 0.0), ("drawn at temperature 1", 1.0)):
        sampling = Sampling(temperature, max_new_tokens=tokens)
        work = Work(policy, _prompts(policy, slots), slots, sampling)
        yield _contest(f"{slots} conversations, {tokens} tokens each, {name}", work)
    sharp, sampling = _sharpened(policy), Sampling(0.0, max_new_tokens=tokens)
    stops = sharp.tokenizer.convert_tokens_to_ids(list(SENTENCE_ENDS))
    prompts = sorted(_prompts(policy, queued), key=len)  # spares the peer padding
    work = Work(sharp, prompts, slots, sampling, stops)
    sizes = np.array(_ours(work).run()["sizes"])
    told = f"median {np.median(sizes):.0f}, mean {sizes.mean():.0f}, longest {sizes.max()}"
    name = f"{queued} conversations, {slots} at a time, turns that end by themselves, greedy"
    yield _contest(f"{name} (tokens: {told})", work)


def _contest(name: str, work: Work) -> Contest:
    return Contest(name, _ours(work), _theirs(work), Target("faster", 3.0))


def _prompts(policy: Policy, n: int) -> list[IntArray]:
    chat, dialogue = Chat(policy.tokenizer), Calculator(1).dialogue
    return [chat.opening(None, dialogue.begin(seed).observation) for seed in range(n)]


def _sharpened(policy: Policy) -> Policy:
    """Returns the policy with larger weights: its most probable text is varied."""
    model = copy.deepcopy(policy.model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(SHARPENED)
    return Policy(model, policy.tokenizer, device="cpu")


def _ours(work: Work) -> Side:
    slots = work.slots
    generator = CachedGenerator(work.policy, work.stops, slots=slots, sampling=work.sampling)

    def run() -> Outcome:
        waiting, free = deque(enumerate(work.prompts)), list(range(slots))
        held: dict[int, int] = {}
        written: dict[int, IntArray] = {}
        while waiting or held:
            while waiting and free:
                slot = free.pop()
                held[slot], prompt = waiting.popleft()
                generator.feed(slot, prompt)
            for turn in generator.run(max(1, slots // REFILL)):
                generator.close(turn.slot)
                free.append(turn.slot)
                written[held.pop(turn.slot)] = turn.span.ids
        return work.outcome([written[i] for i in range(len(work.prompts))])

    return Side(run)


def _theirs(work: Work) -> Side:
    model, stops, sampling = work.policy.model, list(work.stops), work.sampling
    batches = [
        _left_padded(work.prompts[first : first + work.slots])
        for first in range(0, len(work.prompts), work.slots)
    ]
    config = copy.deepcopy(model.generation_config)
    config.update(
        max_new_tokens=sampling.max_new_tokens, eos_token_id=stops or None, pad_token_id=0
    )
    if sampling.temperature > 0:
        config.update(do_sample=True, top_k=0)

    def run() -> Outcome:
        written = []
        for ids, mask in batches:
            with torch.inference_mode():
                made = model.generate(ids, attention_mask=mask, generation_config=config)
            written += [_turn(row, stops) for row in made[:, ids.shape[1] :].numpy()]
        return work.outcome(written)

    return Side(run)


def _left_padded(prompts: Sequence[IntArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the ids and the mask of some prompts, (n, longest) each."""
    ids = torch.zeros((len(prompts), max(map(len, prompts))), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, -len(prompt) :] = torch.from_numpy(prompt)
        mask[row, -len(prompt) :] = 1
    return ids, mask


def _turn(row: IntArray, stops: Sequence[int]) -> IntArray:
    """Cuts what was generated after the first id that ends a turn."""
    ends = np.flatnonzero(np.isin(row, stops))
    return row[: ends[0] + 1] if len(ends) else row


RACE = Race(
    "R9",
    "Generation",
    f"""\
CPU time of writing turns with the tiny Llama (2 layers, width 64) after prompts that differ in
length: {TOKENS} tokens in each of {SLOTS} conversations; and, as rollouts do it, turns that end by
themselves, after at most {TOKENS} tokens, in {QUEUED} conversations of which at most {SLOTS} are
held at once. There a period, an exclamation or a question mark ends a turn, and the weights are
{SHARPENED:g} times as large, so that greedy text is varied; the row of the table tells how long its
turns are. Ours gives a slot to the next conversation when its turn has ended; `generate` runs a
batch until its longest turn ends, and gets the prompts sorted by length. Peer: `generate` of
Hugging Face transformers on left-padded batches, with SDPA attention and its dynamic cache: here
the static cache was no faster, and `torch.compile` over it slower. Its own continuous batching
(`generate_batch`, paged attention) runs on a CPU too and wrote the same tokens, but took about
three times as long as `generate` in the best of nine settings. Under greedy decoding both write
the same tokens, which every round checks; drawn tokens are counted. Ours also hands over the
log-probability of every token.""",
    contests,
)
