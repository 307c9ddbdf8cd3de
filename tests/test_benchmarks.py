"""The races' harness: order, ratios, intervals and verdicts; and equal work in every race."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import report
import run
from protocol import (
    LEAST_ROUNDS,
    WARM_UP_ROUNDS,
    Contest,
    Race,
    Result,
    Side,
    Skipped,
    Target,
    interval,
    measure,
)

FASTER = Target("faster", 2.0)


class FakeTime:
    """A clock that the sides move themselves, and a record of whose turn it was."""

    def __init__(self) -> None:
        self.now, self.turns = 0.0, ""

    def __call__(self) -> float:
        return self.now

    def side(self, name: str, seconds: Iterator[float], without: float = 0.0) -> Side:
        def run() -> dict[str, Any]:
            self.turns += name
            self.now += next(seconds) + without
            return {"made": np.arange(3)}

        def bare() -> None:
            self.turns += name.lower()
            self.now += without

        return Side(run, bare if without else None)


def forever(*seconds: float) -> Iterator[float]:
    while True:
        yield from seconds


def contest(time: FakeTime, ours: Side, theirs: Side, target: Target = FASTER) -> Contest:
    return Contest("race", ours, theirs, target, clock=time)


# ---- Order and ratios -------------------------------------------------------------------


def test_the_order_is_a_b_b_a() -> None:
    time = FakeTime()
    measure(contest(time, time.side("A", forever(1.0)), time.side("B", forever(1.0))), 4)
    assert time.turns == "ABBA" * (WARM_UP_ROUNDS + 4)


def test_the_median_is_of_ratios_per_round_without_the_warm_up() -> None:
    time = FakeTime()
    warm_up = [100.0] * 2 * WARM_UP_ROUNDS
    ours = iter([*warm_up, 1.0, 3.0, 2.0, 2.0, 1.0, 1.0])  # Rounds of 2, 2 and 1 seconds
    theirs = iter([*warm_up, 4.0, 8.0, 10.0, 10.0, 1.0, 3.0])  # Rounds of 6, 10 and 2 seconds
    result = measure(contest(time, time.side("A", ours), time.side("B", theirs)), 3)
    assert result.median == 3.0
    assert (result.low, result.high) == (2.0, 5.0)


@pytest.mark.parametrize(("kind", "expected"), [("faster", 4.0), ("cost", 0.25), ("seconds", 0.5)])
def test_what_each_kind_of_target_judges(kind: Any, expected: float) -> None:
    time = FakeTime()
    sides = time.side("A", forever(0.5)), time.side("B", forever(2.0))
    assert measure(contest(time, *sides, Target(kind, 1.0)), 2).median == expected


def test_the_time_without_is_taken_off_right_after() -> None:
    time = FakeTime()
    ours, theirs = time.side("A", forever(1.0), 64.0), time.side("B", forever(3.0), 32.0)
    assert measure(contest(time, ours, theirs), 2).median == 3.0
    assert time.turns == "AaBbBbAa" * (WARM_UP_ROUNDS + 2)


# ---- Intervals and verdicts ------------------------------------------------------------


def test_the_interval_is_the_bootstrap_of_the_median() -> None:
    """The median of n resampled values is at most x_(k) with probability P(Bin(n, k/n) > n/2)."""
    n = 17  # far from a tie at either tail
    at_most = binom.sf(n // 2, n, np.arange(1, n + 1) / n)
    low, high = (int(np.argmax(at_most >= tail)) + 1 for tail in (0.025, 0.975))
    shuffled = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert interval(shuffled) == (low, high)


@pytest.mark.parametrize(
    ("target", "low", "high", "met"),
    [
        (FASTER, 2.1, 9.0, True),
        (FASTER, 2.0, 9.0, False),
        (FASTER, 1.9, 9.0, False),
        (Target("cost", 1.3), 0.9, 1.29, True),
        (Target("cost", 1.3), 0.9, 1.31, False),
        (Target("seconds", 0.2), 0.1, 0.19, True),
        (Target("seconds", 0.2), 0.1, 0.21, False),
    ],
)
def test_the_whole_interval_must_meet_the_target(
    target: Target, low: float, high: float, met: bool
) -> None:
    assert Result("race", target, (low + high) / 2, low, high).won is met


# ---- Equal work ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ({"pay": [1.0, 2.0]}, {"pay": [1.0, 2.1]}, "race: pay"),
        ({"pay": [1.0]}, {"pay": [1.0, 1.0]}, "race: pay"),
        ({"pay": [1.0]}, {"pay": [1.0], "end": [True]}, r"ours made \['pay'\]"),
    ],
)
def test_unequal_work_is_no_race(ours: Any, theirs: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        measure(Contest("race", Side(lambda: ours), Side(lambda: theirs), FASTER, rtol=1e-3), 1)


def test_work_that_differs_in_a_later_round_is_found() -> None:
    theirs = iter([1.0] * 5 + [2.0])
    with pytest.raises(AssertionError, match="race: pay"):
        measure(
            Contest(
                "race", Side(lambda: {"pay": 1.0}), Side(lambda: {"pay": next(theirs)}), FASTER
            ),
            1,
        )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("key", run.RACES)
def test_both_sides_of_every_race_do_equal_work(key: str) -> None:
    race: Race = import_module(run.RACES[key]).RACE
    assert race.key == key
    contests = [c for c in race.contests(True) if isinstance(c, Contest)]
    assert contests
    for each in contests:
        measure(each, 1)


# ---- The page --------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str | None]:
    """Runs a made-up race through the command line; returns the page, if it was written."""
    time = FakeTime()

    def contests(quick: bool) -> Iterator[Contest | Skipped]:
        for name, seconds in (("won", 3.0), ("lost", 1.5)):
            sides = time.side("A", forever(1.0)), time.side("B", forever(seconds))
            yield Contest(name, *sides, FASTER, clock=time)
        yield Skipped("a peer that is not installed")

    race = SimpleNamespace(RACE=Race("R0", "Made up", "About it.", contests))
    path = tmp_path / "performance.md"
    monkeypatch.setitem(sys.modules, "made_up", race)
    monkeypatch.setattr(run, "RACES", {"R0": "made_up"})
    monkeypatch.setattr(run, "PAGE", path)
    for name in run.THREADS:
        monkeypatch.setenv(name, "1")  # restored afterwards

    def write(*arguments: str) -> str | None:
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        run.main()
        return path.read_text() if path.exists() else None

    return write


def test_the_page_shows_losses_as_losses(page: Callable[..., str | None]) -> None:
    text = page()
    assert text is not None
    assert "## Made up (R0)\n\nAbout it." in text
    assert "| won | at least 2 × | 3 × | 3 × to 3 × | met |" in text
    assert "| lost | at least 2 × | 1.5 × | 1.5 × to 1.5 × | **missed** |" in text
    assert "Skipped: a peer that is not installed." in text
    assert f"{LEAST_ROUNDS} rounds" in text
    assert f"numpy {np.__version__}" in text
    assert "`make benchmarks`" in text


@pytest.mark.parametrize("arguments", [["--quick"], ["--rounds", "14"]])
def test_a_part_of_the_races_writes_no_page(
    page: Callable[..., str | None], arguments: list[str]
) -> None:
    assert page(*arguments) is None


def test_the_load_and_the_processor_are_on_the_page() -> None:
    machine = report.Machine("A processor", 2, (0.5, 0.25, 0.125), "2030-01-01 00:00 UTC", {})
    text = report.page([], machine, machine, 20)
    assert "2 cores of A processor" in text
    assert "0.50, 0.25, 0.12 and 0.50, 0.25, 0.12" in text
    assert "20 rounds" in text
