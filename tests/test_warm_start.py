"""Where a warm-up stops: close above the share it was asked for, and once for equal runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from text_play import calculator

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm import warm_start as module
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.warm_start import PROBED, PROBED_CLOSE, warm_start
from rewardsmith.agents.llm.warm_up import WarmUp

CURVE = {10: 0.0, 20: 0.1, 30: 0.2, 40: 0.9, 42: 0.3, 44: 0.49, 46: 0.5, 48: 0.9}
"""Share solved by step; the look at step 40 is a coarse one that errs."""


def warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curve: dict[int, float], until: float = 0.5
) -> tuple[int, list[tuple[int, int]], Policy]:
    """Fits along a curve; returns the last step, and the steps and tasks of the looks taken."""
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path))
    now, looks = [0], list[tuple[int, int]]()

    def fit(self: WarmUp, policy: Policy, *arguments: Any) -> Iterator[tuple[int, float]]:
        for step in range(1, self.steps + 1):
            now[0] = step
            with torch.no_grad():
                next(policy.model.parameters()).fill_(step)
            yield step, 0.0

    def solved(*arguments: Any) -> float:
        looks.append((now[0], arguments[-1]))
        return curve[now[0]]

    monkeypatch.setattr(WarmUp, "fit", fit)
    monkeypatch.setattr(module, "_solved", solved)
    config = compose(["env=calculator", "agent=grpo"])
    policy = Policy.load("tiny", device="cpu", hidden=16)
    warm_start(config, WarmUp(steps=60, until=until), policy, calculator(), Settings(), ignore)
    return now[0], looks, policy


def ignore(step: int, metrics: Any) -> None:
    """Shows no progress."""


def test_it_looks_closely_before_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last, looks, _ = warm(tmp_path, monkeypatch, CURVE | {32: 0.2, 34: 0.3, 36: 0.4, 38: 0.45})
    assert last == 40
    coarse = [(step, PROBED) for step in (10, 20, 30)]
    assert looks == [*coarse, *((step, PROBED_CLOSE) for step in (32, 34, 36, 38, 40))]


def test_a_sudden_rise_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = CURVE | {30: 0.1}
    last, looks, _ = warm(tmp_path, monkeypatch, curve)
    assert last == 46
    assert looks[3:] == [(40, PROBED), (42, PROBED_CLOSE), (44, PROBED_CLOSE), (46, PROBED_CLOSE)]


def test_it_fits_to_the_end_where_no_share_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, looks, _ = warm(tmp_path, monkeypatch, {}, until=1.0)
    assert (last, looks) == (60, [])


def test_equal_fits_are_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, first = warm(tmp_path, monkeypatch, {}, until=1.0)
    last, _, second = warm(tmp_path, monkeypatch, {}, until=1.0)
    assert last == 0
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
