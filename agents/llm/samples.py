"""What a run has to show: sample transcripts, and one episode under every credit method."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rewardsmith.agents.llm.rollout import spans
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit import (
    Advantage,
    BatchWhitened,
    CreditLens,
    CreditRow,
    DualLevel,
    GroupRelative,
    InformationGain,
    JensenBound,
    LeaveOneOut,
    MinForm,
    PrefixTree,
    Rollouts,
    RolloutTree,
    SignedOutcome,
    StateGroups,
)
from rewardsmith.rewards.episode import Episode, Group

SHOWN = 6
"""Most transcripts of a run."""

LONGEST_TEXT, LONGEST_TURN = 4_000, 300
"""Characters kept of a message, and tokens kept of a turn under the lens."""

METHODS: dict[str, Advantage] = {
    "GRPO": GroupRelative(),
    "Dr.GRPO": GroupRelative(scale="none"),
    "RLOO": LeaveOneOut(),
    "NSR": SignedOutcome(positive=0.0),
    "REINFORCE++": BatchWhitened(),
    "GiGPO": StateGroups(),
    "MatchTIR": DualLevel(),
    "PURE": MinForm(),
    "TEMPO": PrefixTree(),
    "TreePS-RAG": RolloutTree(),
    "IGPO": InformationGain(),
    "JEPO": JensenBound(),
}
"""What the lens looks through."""


def samples(
    episodes: Sequence[Episode], records: Sequence[dict[str, float]], trainer: Trainer
) -> dict[str, Any]:
    """Returns what the report shows of a run that is over, as plain data.

    Args:
        episodes: Finished episodes, as `Judge.play` returns them.
        records: What each earned.
        trainer: Whose design paid them; it has played a batch, which the lens is over.

    Returns:
        "transcripts": some episodes, right and wrong ones, with what each turn was paid.
        "credit": one training episode under every credit method, see `lens`.
    """
    right = [i for i, record in enumerate(records) if record["success"]]
    wrong = [i for i, record in enumerate(records) if not record["success"]]
    half = SHOWN // 2
    chosen = sorted(right[: max(half, SHOWN - len(wrong))] + wrong[: max(half, SHOWN - len(right))])
    groups, paid = trainer.last_groups, trainer.last
    assert paid is not None
    design = copy.deepcopy(trainer.design)
    return {
        "transcripts": [
            _told(episodes[i], records[i], design.settle(episodes[i].transitions()).total)
            for i in chosen
        ],
        "credit": lens(
            groups, paid.rollouts, trainer.settings.advantage, trainer.policy.tokenizer.decode
        ),
    }


def lens(
    groups: Sequence[Group],
    rollouts: Rollouts,
    trained: Advantage,
    decode: Callable[[list[int]], str],
) -> dict[str, Any]:
    """Returns what every credit method gives to the turns and tokens of one episode.

    The episode is the longest of the group whose outcomes are most mixed. Rows without turns
    are methods that need what the batch lacks; only methods on the level of tokens have values
    per token. Sum checks are over the whole batch.

    Args:
        groups: Finished episodes by start, written by a language model.
        rollouts: The same, paid.
        trained: The method that the run was trained with.
        decode: Turns token ids into text.
    """
    place = most_telling(groups, rollouts)
    episode = [episode for group in groups for episode in group][place]
    siblings = rollouts.group == rollouts.group[place]
    methods = METHODS if trained in METHODS.values() else {"this run's": trained, **METHODS}
    steps = slice(rollouts.first[place], rollouts.last[place] + 1)
    turns = episode.steps[-1].info["transcript"].turns
    return {
        "prompt": _cut(episode.steps[-1].info["transcript"].task.prompt),
        "success": bool(episode.success),
        "paid": _rounded(rollouts.reward[steps]),
        "returns": _rounded(rollouts.returns[siblings]),
        "trained": next(name for name, method in methods.items() if method == trained),
        "turns": [
            {
                "tokens": pieces(span.ids[:LONGEST_TURN].tolist(), decode),
                "left_out": max(0, len(span.ids) - LONGEST_TURN),
                "reply": _cut(turn.reply),
            }
            for span, turn in zip(spans(episode), turns, strict=True)
        ],
        "rows": [_row(row) for row in CreditLens(methods).rows(rollouts, place)],
    }


def most_telling(groups: Sequence[Group], rollouts: Rollouts) -> int:
    """Returns the number of the episode that tells the methods apart best.

    It is of the group whose successes, or else returns, are most mixed; in it the longest one
    that could be scored, a wrong one if there are several.
    """

    def mixed(number: int) -> tuple[float, float, int]:
        right = float(np.mean([episode.success for episode in groups[number]]))
        spread = float(rollouts.returns[rollouts.group == number].std())
        return min(right, 1.0 - right), spread, max(map(len, groups[number]))

    chosen = max(range(len(groups)), key=mixed)
    before = sum(map(len, groups[:chosen]))
    ranked = [
        (bool(rollouts.scored[before + i]), len(episode), not episode.success)
        for i, episode in enumerate(groups[chosen])
    ]
    return before + ranked.index(max(ranked))


def pieces(ids: list[int], decode: Callable[[list[int]], str]) -> list[str]:
    """Returns what each token adds to the text; a character's first bytes add nothing yet.

    Example:
        >>> pieces([226, 130, 172, 33], lambda ids: bytes(ids).decode(errors="replace"))
        ['', '', '€', '!']
    """
    texts, seen = [], 0
    for end in range(1, len(ids) + 1):
        text = decode(ids[:end]).rstrip("\N{REPLACEMENT CHARACTER}")
        texts.append(text[seen:])
        seen = max(seen, len(text))
    return texts


def _told(episode: Episode, record: dict[str, float], pay: FloatArray) -> dict[str, Any]:
    transcript = episode.steps[-1].info["transcript"]
    return {
        "prompt": _cut(transcript.task.prompt),
        "answer": _cut(transcript.task.answer),
        "record": record,
        "turns": [
            {
                "said": _cut(turn.message.text),
                "reply": _cut(turn.reply),
                "reward": turn.reward,
                "paid": paid,
            }
            for turn, paid in zip(transcript.turns, _rounded(pay), strict=True)
        ],
    }


def _row(row: CreditRow) -> dict[str, Any]:
    return {
        "method": row.method,
        "level": row.level,
        "turns": _rounded(row.turns),
        "tokens": [_rounded(values[:LONGEST_TURN]) for values in row.tokens]
        if row.level == "token"
        else [],
        "check": row.check,
        "value": float(f"{row.value:.2g}"),
        "ok": row.ok,
    }


def _rounded(values: Sequence[float] | FloatArray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _cut(text: str) -> str:
    left_out = len(text) - LONGEST_TEXT
    return text if left_out <= 0 else f"{text[:LONGEST_TEXT]}… ({left_out:,} more characters)"
