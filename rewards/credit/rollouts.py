"""`Rollouts`: the finished episodes of a batch as flat arrays, on three levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsmith.envs.errors import RewardError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.credit.checks import check
from rewardsmith.rewards.credit.segments import joint_key, prefix_hashes, totals
from rewardsmith.rewards.episode import Group

Level = Literal["episode", "step", "token"]
Nested = Sequence[Sequence[Any]]
"""Per group and episode, an array with an entry per step or token."""

PAY = "pay/"
"""What the names of signals begin with that say what a term of the design pays."""


def _none() -> IntArray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Rollouts:
    """E episodes of S steps (turns) and N tokens in all; groups and episodes of any size.

    Attributes:
        group: Group of every episode, int64 (E,), from 0; a group shares a start.
        scored: bool (E,); False where a verifier abstained or failed. Such an episode counts
            in no statistic and its advantage is 0; its pay is not read.
        episode: Episode of every step, sorted int64 (S,); every episode has a step.
        reward: What the design pays every step, float64 (S,).
        state: Key of the state every step was taken in, int64 (S,), equal where the state is
            (a hash of its text, say), or None.
        node: Key of every step's node in a tree rollout, int64 (S,), equal where episodes
            share the step, or None where every step is its own.
        step: Step of every token the policy wrote, sorted int64 (N,).
        ids: Token ids, int64 (N,).
        signals: Further arrays by name, float64, per step (S,) or per token (N,). What is
            known here: "logprob", "reference_logprob", "value" (per token); "belief",
            "gold_logprob", "outcome", "calls", and "pay/NAME" for every term of the design
            (per step): the term's own value, before it is weighed, combined and transformed.

    Raises:
        RewardError: If a field has the wrong length or order, or pay is not finite.

    Example:
        >>> rollouts = Rollouts(group=np.array([0, 0]), scored=np.array([True, True]),
        ...                     episode=np.array([0, 0, 1]), reward=np.array([0.0, 1.0, 0.5]))
        >>> rollouts.returns, rollouts.position
        (array([1. , 0.5]), array([0, 1, 0]))
    """

    group: IntArray
    scored: BoolArray
    episode: IntArray
    reward: FloatArray
    state: IntArray | None = None
    node: IntArray | None = None
    step: IntArray = field(default_factory=_none)
    ids: IntArray = field(default_factory=_none)
    signals: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)
        if not self.scored.all():
            paid = np.where(self.scored[self.episode], self.reward, 0.0)
            object.__setattr__(self, "reward", paid)
        if not np.isfinite(self.reward).all():
            bad = int(np.flatnonzero(~np.isfinite(self.reward))[0])
            raise RewardError(
                f"reward: step {bad} (episode {self.episode[bad]}) is paid "
                f"{self.reward[bad]}; pay must be finite, and an episode that could not be "
                "scored has scored=False"
            )

    @classmethod
    def of(
        cls,
        groups: Sequence[Group],
        pay: Nested,
        *,
        scored: Sequence[Sequence[bool]] | None = None,
        state: Nested | None = None,
        node: Nested | None = None,
        signals: Mapping[str, Nested] | None = None,
    ) -> Rollouts:
        """Flattens groups of episodes; tokens and their log-probs are those of the steps.

        Args:
            groups: The groups of the batch.
            pay: Per group and episode what the design pays each step, (T,).
            scored: Per group and episode whether it could be scored; by default all.
            state: As `pay`, the state keys.
            node: As `pay`, the node keys.
            signals: Each as `pay`, with an entry per step or per token the policy wrote.

        Raises:
            RewardError: If the pay of an episode has not one entry per step.
        """
        episodes = [episode for group in groups for episode in group]
        lengths = [len(episode) for episode in episodes]
        given = [np.size(values) for of_group in pay for values in of_group]
        if given != lengths:
            raise RewardError(
                f"pay: the episodes have {lengths} steps, pay has {given} entries; "
                "give one array per episode with one entry per step"
            )
        spans = [step.tokens for episode in episodes for step in episode.steps]
        ids = [_none() if span is None else span.ids for span in spans]
        named = dict(signals or {})
        if any(map(len, ids)):
            written = [span for span in spans if span is not None]
            named = {"logprob": [[span.logprobs for span in written]], **named}
            entropies = [span.entropies for span in written if span.entropies is not None]
            if len(entropies) == len(written):
                named = {"entropy": [entropies], **named}
        return cls(
            group=_numbered([len(group) for group in groups]),
            scored=np.ones(len(episodes), np.bool_) if scored is None else _flat(scored, np.bool_),
            episode=_numbered(lengths),
            reward=_flat(pay, np.float64),
            state=None if state is None else _flat(state, np.int64),
            node=None if node is None else _flat(node, np.int64),
            step=_numbered([len(written) for written in ids]),
            ids=_flat([ids], np.int64),
            signals={name: _flat(values, np.float64) for name, values in named.items()},
        )

    # ---- Numbers and places -----------------------------------------------------------------

    @cached_property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.group.max(initial=-1)) + 1

    @property
    def n_episodes(self) -> int:
        """E."""
        return len(self.group)

    @property
    def n_steps(self) -> int:
        """S."""
        return len(self.episode)

    @property
    def n_tokens(self) -> int:
        """N."""
        return len(self.ids)

    @cached_property
    def lengths(self) -> IntArray:
        """Number of steps of every episode, int64 (E,)."""
        return np.diff(self.first, append=self.n_steps)

    @cached_property
    def first(self) -> IntArray:
        """First step of every episode, int64 (E,)."""
        return np.append(0, np.flatnonzero(self.episode[1:] != self.episode[:-1]) + 1)

    @cached_property
    def last(self) -> IntArray:
        """Last step of every episode, int64 (E,)."""
        return self.first + self.lengths - 1

    @cached_property
    def position(self) -> IntArray:
        """Place of every step in its episode, from 0, int64 (S,)."""
        return np.arange(self.n_steps) - np.repeat(self.first, self.lengths)

    @cached_property
    def step_group(self) -> IntArray:
        """Group of every step, int64 (S,)."""
        return np.repeat(self.group, self.lengths)

    @cached_property
    def counted(self) -> BoolArray:
        """Whether the episode of every step is scored, bool (S,)."""
        return np.repeat(self.scored, self.lengths)

    @cached_property
    def token_counts(self) -> IntArray:
        """Number of tokens of every step, int64 (S,)."""
        return np.bincount(self.step, minlength=self.n_steps)

    @cached_property
    def token_episode(self) -> IntArray:
        """Episode of every token, int64 (N,)."""
        return self.episode[self.step]

    @cached_property
    def token_position(self) -> IntArray:
        """Place of every token among those of its episode, from 0, int64 (N,)."""
        counts = np.bincount(self.token_episode, minlength=self.n_episodes)
        return np.arange(self.n_tokens) - np.repeat(np.cumsum(counts) - counts, counts)

    @cached_property
    def last_token(self) -> BoolArray:
        """Whether a token is the last of its episode, bool (N,)."""
        following = np.append(self.token_episode[1:], -1)
        return np.asarray(self.token_episode != following)

    # ---- Keys and values --------------------------------------------------------------------

    @cached_property
    def returns(self) -> FloatArray:
        """What every episode is paid in all, undiscounted, float64 (E,)."""
        return np.add.reduceat(self.reward, self.first)

    @cached_property
    def state_key(self) -> IntArray:
        """Key of every step's state within its group, (S,), in 0..S-1."""
        return self._key(self.state)

    @cached_property
    def node_key(self) -> IntArray:
        """Key of every step's node, (S,), in 0..S-1."""
        return self._key(self.node)

    @cached_property
    def prefix_key(self) -> IntArray:
        """Key of every token's prefix within its group, itself included, (N,), in 0..N-1."""
        return joint_key(self.step_group[self.step], prefix_hashes(self.ids, self.token_position))

    @cached_property
    def weight(self) -> FloatArray:
        """Share of every step in the loss, float64 (S,): 1 / scored episodes that share its node.

        The shares of a node add up to 1: however many leaves lie below it, it is learned
        from once. 0 where the episode is not scored.
        """
        scored = self.counted.astype(np.float64)
        sharing = totals(scored, self.node_key, self.n_steps)[self.node_key]
        return scored / np.maximum(sharing, 1.0)

    def signal(self, name: str, level: Literal["step", "token"]) -> FloatArray:
        """Returns a signal, with an entry per step (S,) or token (N,).

        Raises:
            ConfigError: If there is no such signal.
            RewardError: If it has another length.
        """
        if name not in self.signals:
            raise unknown("signal", name, self.signals, where="the rollouts")
        values, size = self.signals[name], self.n_steps if level == "step" else self.n_tokens
        if values.shape != (size,):
            raise RewardError(
                f"signals: {name!r} has shape {values.shape}; one value per {level}, "
                f"shape ({size},), is needed"
            )
        return values

    def to_steps(self, level: Level, values: FloatArray) -> FloatArray:
        """Returns values of any level per step, (S,): spread, or the mean over its tokens."""
        if level == "token":
            return totals(values, self.step, self.n_steps) / np.maximum(self.token_counts, 1)
        return values if level == "step" else np.repeat(values, self.lengths)

    def to_tokens(self, level: Level, values: FloatArray) -> FloatArray:
        """Returns values of any level spread over the tokens, (N,)."""
        return values if level == "token" else self.to_steps(level, values)[self.step]

    def with_returns(self, returns: FloatArray) -> Rollouts:
        """Returns the same rollouts with other returns (E,): the last step's pay makes them so."""
        reward = self.reward.copy()
        reward[self.last] = returns - (self.returns - reward[self.last])
        return dataclasses.replace(self, reward=reward)

    def _key(self, keys: IntArray | None) -> IntArray:
        if keys is None:
            return np.arange(self.n_steps)
        return joint_key(self.step_group, keys)


def _flat(nested: Nested, dtype: type) -> NDArray[Any]:
    """Joins per-group, per-episode arrays into one."""
    parts = [np.atleast_1d(part) for of_group in nested for part in of_group]
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)


def _numbered(sizes: list[int]) -> IntArray:
    """Returns 0 as often as the first size says, 1 as often as the second, and so on."""
    return np.repeat(np.arange(len(sizes)), np.array(sizes, dtype=np.int64))
