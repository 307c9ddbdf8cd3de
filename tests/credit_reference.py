"""Credit in plain Python, with dicts and loops: what `rewards.credit` must agree with."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from rewardsmith.rewards.credit import Rollouts

Credit = list[list[float]]
"""Per episode, its advantages: one, one per step, or one per token."""


@dataclass
class PlainEpisode:
    """One episode in lists; every list but `tokens` and the log-probs has an entry per step."""

    group: int
    reward: list[float]
    scored: bool = True
    state: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    logprob: list[list[float]] = field(default_factory=list)
    reference: list[list[float]] = field(default_factory=list)
    belief: list[float] = field(default_factory=list)
    gold: list[float] = field(default_factory=list)
    outcome: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def total(self) -> float:
        return sum(self.reward)

    @property
    def ids(self) -> list[int]:
        return [token for turn in self.tokens for token in turn]


Batch = list[PlainEpisode]


def flat(batch: Batch) -> Rollouts:
    """Returns the batch as `Rollouts`."""
    steps = [turn for episode in batch for turn in episode.tokens]

    def joined(name: str) -> np.ndarray:
        return np.array([value for episode in batch for value in getattr(episode, name)])

    def joined_tokens(name: str) -> np.ndarray:
        turns = [turn for episode in batch for turn in getattr(episode, name)]
        return np.array([value for turn in turns for value in turn], dtype=np.float64)

    signals = {"belief": "belief", "gold_logprob": "gold", "outcome": "outcome"}
    per_token = {"logprob": "logprob", "reference_logprob": "reference"}
    return Rollouts(
        group=np.array([episode.group for episode in batch]),
        scored=np.array([episode.scored for episode in batch]),
        episode=np.repeat(np.arange(len(batch)), [len(episode) for episode in batch]),
        reward=joined("reward"),
        state=joined("state") if batch[0].state else None,
        node=joined("node") if batch[0].node else None,
        step=np.repeat(np.arange(len(steps)), np.array([len(t) for t in steps], dtype=int)),
        ids=np.array([token for turn in steps for token in turn], dtype=np.int64),
        signals={
            **{name: joined(own) for name, own in signals.items() if getattr(batch[0], own)},
            **{n: joined_tokens(o) for n, o in per_token.items() if getattr(batch[0], o)},
        },
    )


def spread(values: list[float], ddof: int) -> float:
    """Returns the standard deviation; 0 of fewer than two values."""
    if len(values) < 2:
        return 0.0
    return statistics.stdev(values) if ddof else statistics.pstdev(values)


def relative(
    rows: Iterable[tuple[Hashable, float, bool]],
    *,
    scale: bool,
    ddof: int = 1,
    keep_single: bool = True,
    one_out: bool = False,
) -> list[float]:
    """Compares every (key, value, counted) with the counted values of its key."""
    rows = list(rows)
    values: dict[Hashable, list[float]] = defaultdict(list)
    size: dict[Hashable, int] = defaultdict(int)
    for key, value, counted in rows:
        size[key] += 1
        if counted:
            values[key].append(value)
    moments = {
        key: (statistics.fmean(v), spread(v, ddof) if scale else 0.0) for key, v in values.items()
    }
    result = []
    for key, value, counted in rows:
        if not counted:
            result.append(0.0)
        elif size[key] == 1:
            result.append(value if keep_single else 0.0)
        else:
            mean, std = moments[key]
            if one_out and len(values[key]) > 1:
                mean = (sum(values[key]) - value) / (len(values[key]) - 1)
            result.append((value - mean) / (std + 1e-6 if scale else 1.0))
    return result


def following(rewards: list[float], gamma: float) -> list[float]:
    """Returns the discounted sum from every step on."""
    sums, total = [0.0] * len(rewards), 0.0
    for t in reversed(range(len(rewards))):
        total = rewards[t] + gamma * total
        sums[t] = total
    return sums


def in_steps(batch: Batch, values: list[float]) -> Credit:
    """Cuts a list with an entry per step into one list per episode."""
    rest = iter(values)
    return [[next(rest) for _ in episode.reward] for episode in batch]


def group_relative(batch: Batch, scale: bool = True, one_out: bool = False) -> Credit:
    rows = ((e.group, e.total, e.scored) for e in batch)
    return [[a] for a in relative(rows, scale=scale, one_out=one_out)]


def batch_whitened(
    batch: Batch, baseline: bool = False, kl: float = 0.0, gamma: float = 1.0
) -> Credit:
    returns = [episode.total for episode in batch]
    if baseline:
        returns = [a for (a,) in group_relative(batch, scale=False)]
    sums = []
    for episode, total in zip(batch, returns, strict=True):
        own, other = (
            [x for turn in turns for x in turn] for turns in (episode.logprob, episode.reference)
        )
        pairs = zip(own, other, strict=True)
        rewards = [-kl * (a - b) for a, b in pairs]
        if rewards:
            rewards[-1] += total
        sums.append(following(rewards, gamma))
    rows = [(0, g, e.scored) for e, s in zip(batch, sums, strict=True) for g in s]
    rest = iter(relative(rows, scale=True))
    return [[next(rest) for _ in s] for s in sums]


def signed(batch: Batch, positive: float, negative: float) -> Credit:
    return [[positive * e.total - negative * (1 - e.total) if e.scored else 0.0] for e in batch]


def state_groups(
    batch: Batch, scale: bool = False, gamma: float = 0.95, weight: float = 1.0
) -> Credit:
    rows = [
        ((e.group, state), g, e.scored)
        for e in batch
        for state, g in zip(e.state, following(e.reward, gamma), strict=True)
    ]
    steps = in_steps(batch, relative(rows, scale=scale, keep_single=False))
    whole = group_relative(batch, scale)
    return [[a + weight * s for s in turns] for (a,), turns in zip(whole, steps, strict=True)]


def group_spread(batch: Batch, group: int) -> tuple[float, float]:
    """Returns the mean and standard deviation of a group's scored returns."""
    returns = [e.total for e in batch if e.group == group and e.scored]
    return (statistics.fmean(returns) if returns else 0.0), spread(returns, 1)


def prefix_tree(batch: Batch) -> Credit:
    below: dict[Hashable, list[float]] = defaultdict(list)
    for e in batch:
        for t in range(len(e.ids)):
            if e.scored:
                below[e.group, tuple(e.ids[: t + 1])].append(e.total)
    credit = []
    for e in batch:
        (mean, std), values = group_spread(batch, e.group), []
        before = mean
        for t in range(len(e.ids)):
            leaves = below[e.group, tuple(e.ids[: t + 1])]
            last = t == len(e.ids) - 1
            after = e.total if last or not leaves else statistics.fmean(leaves)
            values.append((e.total - mean + after - before) / (std + 1e-6))
            before = after
        credit.append(values if e.scored else [0.0] * len(values))
    return credit


def rollout_tree(
    batch: Batch, part: str = "both", scale: bool = True, weighted: bool = False
) -> Credit:
    below: dict[Hashable, list[float]] = defaultdict(list)
    for e in batch:
        for node in e.node:
            if e.scored:
                below[e.group, node].append(e.total)
    credit = []
    for e in batch:
        root, std = group_spread(batch, e.group)
        parent, values = root, []
        for node in e.node:
            leaves = below[e.group, node] or [0.0]
            value = statistics.fmean(leaves)
            gain = (value - parent) * (part != "global") + (value - root) * (part != "local")
            gain /= (std + 1e-6) if scale else 1.0
            values.append(gain / math.sqrt(len(leaves)) if weighted else gain)
            parent = value
        credit.append(values if e.scored else [0.0] * len(values))
    return credit


def process_relative(batch: Batch, rewards: Credit, ddof: int = 1, gamma: float = 1.0) -> Credit:
    rows = [(e.group, r, e.scored) for e, turns in zip(batch, rewards, strict=True) for r in turns]
    scores = in_steps(batch, relative(rows, scale=True, ddof=ddof, keep_single=False))
    return [following(turns, gamma) for turns in scores]


def dual_level(batch: Batch, gamma: float = 0.9) -> Credit:
    rows = [
        ((e.group, t), g, e.scored) for e in batch for t, g in enumerate(following(e.reward, gamma))
    ]
    turns = in_steps(batch, relative(rows, scale=True))
    whole = group_relative(batch)
    return [[(a + s) / 2 for s in steps] for (a,), steps in zip(whole, turns, strict=True)]


def information_gain(
    batch: Batch, separate: bool = False, log: bool = False, gamma: float = 1.0
) -> Credit:
    height: Callable[[float], float] = math.log if log else float
    rewards = []
    for e in batch:
        belief = [height(p) for p in e.belief] if e.scored else [0.0] * len(e)
        rewards.append([b - a for a, b in pairwise(belief)] + [e.total])
    if not separate:
        return process_relative(batch, rewards, ddof=0, gamma=gamma)
    scores = []
    for closing in (False, True):
        rows = [
            (e.group, r, e.scored and closing == (t == len(e) - 1))
            for e, turns in zip(batch, rewards, strict=True)
            for t, r in enumerate(turns)
        ]
        scores.append(relative(rows, scale=True, ddof=0, keep_single=False))
    both = in_steps(batch, [a + b for a, b in zip(*scores, strict=True)])
    return [following(turns, gamma) for turns in both]


def min_form(
    batch: Batch, by_token: bool = True, temperature: float = 0.1, outcome: float = 0.0
) -> Credit:
    paid = []
    for e in batch:
        low = min(e.reward)
        weights = [math.exp((low - p) / temperature) for p in e.reward]
        paid.append([w / sum(weights) * p for w, p in zip(weights, e.reward, strict=True)])
    verdicts = relative(
        ((e.group, e.outcome[-1], e.scored) for e in batch), scale=False, one_out=True
    )
    credit = []
    for i, e in enumerate(batch):
        planned = [j for j, other in enumerate(batch) if other.group == e.group and j != i]
        others = [j for j in planned if batch[j].scored]
        if not e.scored or (planned and not others):
            credit.append([0.0] * len(e))
            continue
        if by_token:
            above = sum(sum(paid[j]) for j in others)
            below = float(sum(len(batch[j].ids) for j in others))
        else:
            above = sum(sum(paid[j]) / len(batch[j]) for j in others)
            below = float(len(others))
        base = above / below if below else 0.0
        sizes = [len(turn) if by_token else 1 for turn in e.tokens]
        centred = [p - base * size for p, size in zip(paid[i], sizes, strict=True)]
        centred[-1] += outcome * verdicts[i]
        credit.append(following(centred, 1.0))
    return credit


def jensen_bound(batch: Batch) -> Credit:
    credit = []
    for i, e in enumerate(batch):
        same = [j for j, o in enumerate(batch) if o.group == e.group and o.scored]
        others = [j for j in same if j != i]
        if not e.scored or not others:
            credit.append([0.0])
            continue
        whole = math.log(statistics.fmean(math.exp(batch[j].gold[-1]) for j in same))
        rest = math.log(statistics.fmean(math.exp(batch[j].gold[-1]) for j in others))
        credit.append([whole - rest])
    return credit
