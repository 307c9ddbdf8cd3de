"""Probes: how likely a policy finds given text at a given place, scored without generating."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.rollout import spans
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.envs.text.message import ANSWER
from rewardsmith.rewards.episode import Episode, TokenSpan

_OPEN = f"<{ANSWER}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to a policy: how likely is `target` after `context`?

    Attributes:
        context: Ids that are given, int64 (C,), at least one.
        target: Ids that are scored, int64 (T,); there may be none.
    """

    context: IntArray
    target: IntArray

    @property
    def key(self) -> tuple[bytes, bytes]:
        """Equal for equal probes."""
        return self.context.tobytes(), self.target.tobytes()


def target_logprobs(policy: Policy, probes: Sequence[Probe]) -> list[Tensor]:
    """Returns log pi(target_t | context, target_<t) of every probe, each float32 (T,).

    One padded pass over all probes, differentiable.
    """
    shape = len(probes), max(len(p.context) + len(p.target) for p in probes)
    ids, attention = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, probe in enumerate(probes):
        asked = np.concatenate([probe.context, probe.target])
        ids[row, : len(asked)], attention[row, : len(asked)] = asked, 1
    tokens, real = (torch.from_numpy(part).to(policy.device) for part in (ids, attention))
    logprobs = policy.logprobs(tokens, real)
    starts = [len(probe.context) - 1 for probe in probes]
    return [
        logprobs[row, start : start + len(probe.target)]
        for row, (start, probe) in enumerate(zip(starts, probes, strict=True))
    ]


@torch.no_grad()
def score(policy: Policy, probes: Sequence[Probe], micro_batch: int = 64) -> list[FloatArray]:
    """Returns the log-probabilities of every probe's target, each float64 (T,).

    Equal probes are scored once, probes of like length together.

    Args:
        policy: Whose probabilities.
        probes: The probes, in any order.
        micro_batch: Probes in memory at once.
    """
    distinct = {probe.key: probe for probe in probes}
    asked = sorted(distinct.values(), key=lambda probe: len(probe.context) + len(probe.target))
    found: dict[tuple[bytes, bytes], FloatArray] = {}
    for start in range(0, len(asked), micro_batch):
        part = asked[start : start + micro_batch]
        for probe, logprobs in zip(part, target_logprobs(policy, part), strict=True):
            found[probe.key] = logprobs.double().cpu().numpy()
    return [found[probe.key] for probe in probes]


class ProbePoints:
    """The probes of an episode: where the gold answer is looked for, and how it is spelt.

    What would not fit into the model's context is cut off the end of the conversation, which
    happens only to episodes that the context itself cut off.

    Args:
        chat: Spells the answers, and knows what ends a turn.
        limit: Most tokens the model can attend to; None for no limit.

    Example:
        >>> from rewardsmith.agents.llm.tiny import character_tokenizer
        >>> tokenizer = character_tokenizer()
        >>> points = ProbePoints(Chat(tokenizer))
        >>> span = TokenSpan(np.array(tokenizer("1+1?").input_ids),
        ...                  np.array(tokenizer("Hm.<answer>3</answer><|end|>").input_ids), [])
        >>> probe = points.after([span], "2")
        >>> tokenizer.decode(probe.context), tokenizer.decode(probe.target)
        ('1+1?Hm.<answer>', '2')
    """

    def __init__(self, chat: Chat, limit: int | None = None) -> None:
        self._chat, self._limit = chat, limit

    def before_turns(self, episode: Episode) -> list[Probe]:
        """Returns a probe for each of the T turns, where the turn is about to start."""
        read: list[IntArray] = []
        probes = []
        for span in spans(episode):
            read.append(span.context)
            probes.append(self._probe(read, f"{_OPEN}>", gold_answer(episode)))
            read.append(span.ids)
        return probes

    def at_end(self, episode: Episode) -> Probe:
        """Returns the probe after what the policy wrote in the last turn."""
        return self.after(spans(episode), gold_answer(episode))

    def after(self, turns: Sequence[TokenSpan], answer: str) -> Probe:
        """Returns the probe after what was written in the last of some turns.

        The turn is cut at its literal "<answer", so that the same tokens open the answer
        whatever the policy wrote; without one all of it is kept but the mark that ends it.
        """
        *earlier, last = turns
        read = [part for span in earlier for part in (span.context, span.ids)]
        kept, rest = self._cut(last.ids)
        return self._probe([*read, last.context, kept], f"{rest}{_OPEN}>", answer)

    def reasoning(self, episode: Episode) -> int:
        """Returns how many tokens the policy wrote before the place of `at_end`."""
        *earlier, last = spans(episode)
        return sum(len(span.ids) for span in earlier) + len(self._cut(last.ids)[0])

    def _cut(self, written: IntArray) -> tuple[IntArray, str]:
        """Returns the tokens that lie wholly before "<answer", and the text up to it after them."""
        if written[-1] in self._chat.stop_ids:
            written = written[:-1]
        text = self._decode(written)
        end = text.find(_OPEN)
        if end < 0:
            return written, ""
        sizes = range(len(written) + 1)
        size = bisect_right(sizes, end, key=lambda k: len(self._decode(written[:k]))) - 1
        return written[:size], text[len(self._decode(written[:size])) : end]

    def _probe(self, read: Sequence[IntArray], bridge: str, answer: str) -> Probe:
        opening, target = self._ids(bridge), self._ids(answer)
        context = np.concatenate(read)
        if self._limit is not None:
            context = context[: max(0, self._limit - len(opening) - len(target))]
        return Probe(np.concatenate([context, opening]), target)

    def _ids(self, text: str) -> IntArray:
        ids = self._chat.tokenizer(text, add_special_tokens=False).input_ids
        return np.asarray(ids, dtype=np.int64)

    def _decode(self, ids: IntArray) -> str:
        return str(self._chat.tokenizer.decode(ids.tolist()))


def before_answers(chat: Chat, episodes: Sequence[Episode]) -> BoolArray:
    """Returns which of the tokens that the policy wrote stand before its answers, bool (N,)."""
    points = ProbePoints(chat)
    written = [sum(len(span.ids) for span in spans(episode)) for episode in episodes]
    parts = zip(episodes, written, strict=True)
    return np.concatenate([np.arange(n) < points.reasoning(episode) for episode, n in parts])


def gold_answer(episode: Episode) -> str:
    """Returns the right answer of the task that an episode is about."""
    return str(episode.steps[-1].info["transcript"].task.answer)
