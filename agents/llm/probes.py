"""What designs and credit read off policies' own probabilities, of a whole batch at once.

Rewards and credit say which places they mean; all probes of a batch are scored together. At
every place the conversation so far goes on with `<answer>`, and only the tokens of the gold
answer after it are scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probe_points import ProbePoints, score
from rewardsmith.agents.llm.states import with_states
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.perplexity import REASONING, REFERENCE_GOLD
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.episode import Episode, Group
from rewardsmith.rewards.likelihood import (
    BARE_GOLD_LOGPROBS,
    GOLD_LOGPROBS,
    likelihood_terms,
    policy_facts,
)

T = TypeVar("T")

BELIEF, GOLD_LOGPROB = "belief", "gold_logprob"
"""Signals that come of probes, each with an entry per step; see `probed`."""

OF_REFERENCE = frozenset({BARE_GOLD_LOGPROBS, REFERENCE_GOLD})
"""What is read off a reference policy."""

Signals = dict[str, list[list[FloatArray]]]
"""Signals by name, per group and episode (T,)."""


def facts_of(design: RewardDesign) -> list[str]:
    """Returns what a design's terms read off the policy, by the names that `probed` knows."""
    terms = list(likelihood_terms(design))
    gold = [GOLD_LOGPROB] if terms else []
    bare = [BARE_GOLD_LOGPROBS] if any(term.over_bare for term in terms) else []
    return [*gold, *bare, *sorted(policy_facts(design))]


def asked_by(design: RewardDesign) -> list[str]:
    """Returns what a design reads off the policy in all: its terms and its group rewards."""
    return [*facts_of(design), *(name for reward in design.group for name in reward.needs)]


def probed(
    policy: Policy,
    chat: Chat,
    groups: Sequence[Group],
    names: Iterable[str],
    micro_batch: int = 64,
    reference: Policy | None = None,
) -> tuple[list[Group], Signals]:
    """Scores what is asked of a batch in one go.

        belief        exp(mean_t l_t) before every turn: the geometric mean of the probability
                      of the gold answer's tokens (IGPO, arXiv 2510.14967)
        gold_logprob  sum_t l_t after the last turn's reasoning, in nats (JEPO, arXiv
                      2602.03979); NaN at the steps before, as in what follows
        reference_gold_avglogprob  mean_t l_t there under the reference policy; NaN if there is
                      no answer (NOVER, arXiv 2505.16022)
        reasoning_tokens  how many tokens the policy wrote before that place

    with l the log-probabilities of the gold answer's tokens under the policy at temperature 1.
    An empty answer is certain: its belief is 1. "gold_logprob" comes with the fact
    `gold_logprobs`; "bare_gold_logprobs" is a fact alone, l before the first turn under the
    reference policy (RLPR, arXiv 2506.18254). "hidden" and "attention" are facts of all steps,
    see `rewardsmith.agents.llm.states`. Other names are left to others.

    Args:
        policy: Whose probabilities.
        chat: Its chat.
        groups: Finished episodes by start.
        names: Among other things, the signals and facts asked for.
        micro_batch: Probes in memory at once.
        reference: For what is read `OF_REFERENCE`.

    Returns:
        The groups, the episodes' last steps with the facts asked for; and the signals by name,
        per group and episode (T,).

    Raises:
        ConfigError: If something `OF_REFERENCE` is asked for and there is no reference.
    """
    names = set(names)
    groups = with_states(policy, groups, names, micro_batch)
    episodes = [episode for group in groups for episode in group]
    points = ProbePoints(chat, policy.context)
    facts, values = _of_policy(policy, points, episodes, names, micro_batch)
    if names & OF_REFERENCE:
        if reference is None:
            missing = ", ".join(sorted(names & OF_REFERENCE))
            raise ConfigError(f"{missing} is read off a reference policy; give one as reference=")
        more = _of_reference(reference, points, episodes, names, micro_batch)
        facts, values = facts | more[0], values | more[1]
    if REASONING in names:
        values[REASONING] = [_at_last(e, points.reasoning(e)) for e in episodes]
    signals = {name: _by_group(groups, of_episodes) for name, of_episodes in values.items()}
    if not facts:
        return list(groups), signals
    told = [
        _with_facts(episode, dict(zip(facts, own, strict=True)))
        for episode, *own in zip(episodes, *facts.values(), strict=True)
    ]
    told_by_group = zip(groups, _by_group(groups, told), strict=True)
    return [replace(group, episodes=tuple(part)) for group, part in told_by_group], signals


_Found = tuple[dict[str, list[FloatArray]], dict[str, list[FloatArray]]]
"""Facts of the last step and signals, by name and episode."""


def _of_policy(
    policy: Policy,
    points: ProbePoints,
    episodes: Sequence[Episode],
    names: set[str],
    micro_batch: int,
) -> _Found:
    before = [points.before_turns(e) if BELIEF in names else [] for e in episodes]
    after = [[points.at_end(e)] if GOLD_LOGPROB in names else [] for e in episodes]
    asked = [probe for part in (*before, *after) for probe in part]
    found = iter(score(policy, asked, micro_batch))
    facts: dict[str, list[FloatArray]] = {}
    signals: dict[str, list[FloatArray]] = {}
    if BELIEF in names:
        signals[BELIEF] = [np.array([_geometric(next(found)) for _ in part]) for part in before]
    if GOLD_LOGPROB in names:
        gold = facts[GOLD_LOGPROBS] = [next(found) for _ in episodes]
        signals[GOLD_LOGPROB] = [_at_last(e, g.sum()) for e, g in zip(episodes, gold, strict=True)]
    return facts, signals


def _of_reference(
    reference: Policy,
    points: ProbePoints,
    episodes: Sequence[Episode],
    names: set[str],
    micro_batch: int,
) -> _Found:
    facts: dict[str, list[FloatArray]] = {}
    signals: dict[str, list[FloatArray]] = {}
    if BARE_GOLD_LOGPROBS in names:
        first = [points.before_turns(episode)[0] for episode in episodes]
        facts[BARE_GOLD_LOGPROBS] = score(reference, first, micro_batch)
    if REFERENCE_GOLD in names:
        gold = score(reference, [points.at_end(episode) for episode in episodes], micro_batch)
        signals[REFERENCE_GOLD] = [
            _at_last(e, g.mean() if g.size else np.nan) for e, g in zip(episodes, gold, strict=True)
        ]
    return facts, signals


def _geometric(logprobs: FloatArray) -> float:
    return float(np.exp(logprobs.mean())) if logprobs.size else 1.0


def _at_last(episode: Episode, value: float) -> FloatArray:
    return np.append(np.full(len(episode) - 1, np.nan), value)


def _with_facts(episode: Episode, facts: Mapping[str, FloatArray]) -> Episode:
    *earlier, last = episode.steps
    return replace(episode, steps=(*earlier, replace(last, info={**last.info, **facts})))


def _by_group(groups: Sequence[Group], values: Sequence[T]) -> list[list[T]]:
    rest = iter(values)
    return [[next(rest) for _ in group] for group in groups]
