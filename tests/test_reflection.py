"""What a search says of its rewards: the table of statistics, and numbers about quality."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs import ConfigError
from rewardsmith.llm_reward_design.archive import Candidate
from rewardsmith.llm_reward_design.brief import Reflection
from rewardsmith.llm_reward_design.program import Provenance, RewardProgram
from rewardsmith.llm_reward_design.quality import (
    correlation,
    execute_rate,
    human_normalised_interval,
    human_normalised_score,
    part_correlations,
)
from rewardsmith.llm_reward_design.reflection import (
    ERROR_CHARACTERS,
    interval,
    last_of,
    statistics_table,
)

PROGRAM = RewardProgram("def compute_reward(): ...", Provenance("test", "test"))
numbers = st.floats(-100.0, 100.0)


def reflection(count: int, **parts: float) -> Reflection:
    """Returns series whose i-th value is i times a factor, one factor per part."""
    return Reflection(
        steps=tuple(range(count)),
        parts={name: tuple(factor * i for i in range(count)) for name, factor in parts.items()},
        score=tuple(i / count for i in range(count)),
        length=(50.0,) * count,
    )


def rows(table: str) -> dict[str, list[str]]:
    """Returns the shown values of a table by row."""
    found = (re.fullmatch(r"(.+): \[(.*)\], Max: .*", line) for line in table.splitlines())
    return {row[1]: row[2].split(", ") for row in found if row is not None}


@pytest.mark.parametrize(
    ("milestones", "step", "shown"),
    [(1, 1, 1), (7, 1, 7), (10, 1, 10), (19, 1, 19), (20, 2, 10), (25, 2, 13), (101, 10, 11)],
)
def test_a_trace_has_about_ten_entries(milestones: int, step: int, shown: int) -> None:
    assert interval(milestones) == step
    table = rows(statistics_table(reflection(milestones, near=1.0)))
    assert list(table) == ["near", "episode_length", "task_score"]
    assert {len(values) for values in table.values()} == {shown}
    assert table["near"] == [f"{i:.2f}" for i in range(0, milestones, step)]


def test_extremes_and_mean_are_those_of_all_milestones() -> None:
    spike = tuple(9.0 if i == 1 else -1.0 if i == 3 else 0.0 for i in range(20))
    series = Reflection(tuple(range(20)), {"spike": spike}, (0.125,) * 20, (1.0,) * 20)
    assert statistics_table(series).splitlines()[0] == (
        "spike: [0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00], "
        "Max: 9.00, Mean: 0.40, Min: -1.00"
    )


def test_the_score_is_hidden_on_request() -> None:
    shown = statistics_table(reflection(3, near=1.0), score=False)
    assert list(rows(shown)) == ["near", "episode_length"]
    assert "score" not in shown


def test_a_part_cannot_pass_for_the_score() -> None:
    table = statistics_table(reflection(3, task_score=100.0, episode_length=7.0))
    assert list(rows(table)) == [
        *("task_score (a part)", "episode_length (a part)"),
        *("episode_length", "task_score"),
    ]
    assert table.splitlines()[-1].endswith("Max: 0.67, Mean: 0.33, Min: 0.00")


def test_series_of_different_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="'near' has 1 values at 2 milestones"):
        statistics_table(Reflection((1, 2), {"near": (0.0,)}, (0.0, 1.0), (1.0, 1.0)))
    with pytest.raises(ConfigError, match="'episode_length' has 0 values at 0 milestones"):
        statistics_table(Reflection((), {}, (), ()))


def test_the_end_of_an_error_is_kept() -> None:
    error = "first line\n" + "x" * ERROR_CHARACTERS + "\nNameError: speed\n"
    assert last_of(error).startswith("[...]\nx")
    assert last_of(error).endswith("x\nNameError: speed")
    assert len(last_of(error)) == ERROR_CHARACTERS + len("[...]\n")
    assert last_of(" short\n") == "short"


def test_execute_rate_counts_what_ran_whatever_it_scored() -> None:
    ran = Candidate("a", PROGRAM, 0, 0, score=-3.0)
    failed = Candidate("b", None, 0, 1, error="no program")
    assert execute_rate([ran, failed, failed, ran]) == 0.5
    assert math.isnan(execute_rate([]))


def test_human_normalised_score_of_the_card() -> None:
    assert human_normalised_score(3.0, 2.0, 1.0) == 2.0
    assert human_normalised_score(1.0, -1.0, 0.0) == 1.0
    assert math.isnan(human_normalised_score(1.0, 0.5, 0.5))


@given(numbers, numbers, numbers)
def test_human_normalised_score_has_its_marks(method: float, human: float, sparse: float) -> None:
    score = human_normalised_score(method, human, sparse)
    if human == sparse:
        assert math.isnan(score)
    else:
        assert human_normalised_score(sparse, human, sparse) == 0.0
        assert human_normalised_score(human, human, sparse) == (1.0 if human > sparse else -1.0)
        assert (score > 0.0) == (method > sparse) or math.isclose(method, sparse)


def test_interval_of_equal_runs_is_a_point() -> None:
    found = human_normalised_interval([3.0, 3.0], [2.0, 2.0], [1.0, 1.0])
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_interval_holds_the_value_and_narrows_with_seeds() -> None:
    def width(seeds: int) -> float:
        generator = np.random.default_rng(1)
        method, human, sparse = (mean + generator.normal(0, 0.1, seeds) for mean in (0.8, 1.0, 0.2))
        found = human_normalised_interval(method, human, sparse)
        assert found.low < found.value < found.high
        return found.high - found.low

    assert width(5) > 2 * width(80)


def test_interval_covers_the_truth() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        method, human, sparse = (generator.normal(m, 0.2, 20) for m in (2.0, 1.5, 1.0))
        found = human_normalised_interval(method, human, sparse)
        covered += found.low <= 2.0 <= found.high
    assert covered >= 50  # of 60 at 95%; by chance below 50 in less than one case of a thousand


def test_interval_is_open_where_human_and_sparse_cannot_be_told_apart() -> None:
    found = human_normalised_interval([1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    assert (found.low, found.high) == (-math.inf, math.inf)
    rarely = human_normalised_interval([1.0] * 5, [0.0, *[1.0] * 8], [0.0] * 9)
    assert 1.0 <= rarely.high < math.inf


def test_interval_needs_two_seeds_of_each() -> None:
    found = human_normalised_interval([3.0, 3.0], [2.0], [1.0, 1.0])
    assert found.value == 2.0
    assert not found.has_interval
    with pytest.raises(ConfigError, match="runs of the reward, human and sparse"):
        human_normalised_interval([1.0], [], [1.0])


def test_correlation_is_pearsons() -> None:
    x, y = [1.0, 2.0, 4.0], [2.0, 1.0, 5.0]
    by_hand = (-4 / 3 * -2 / 3 + -1 / 3 * -5 / 3 + 5 / 3 * 7 / 3) / math.sqrt(42 / 9 * 78 / 9)
    assert correlation(x, y) == pytest.approx(by_hand, abs=1e-12)
    assert math.isnan(correlation(x, [3.0, 3.0, 3.0]))
    with pytest.raises(ConfigError, match="differ in length: 3 and 2"):
        correlation(x, [1.0, 2.0])


def test_part_correlations_are_with_the_score() -> None:
    found = part_correlations(reflection(6, helps=2.0, hacks=-3.0, flat=0.0))
    assert found["helps"] == pytest.approx(1.0)
    assert found["hacks"] == pytest.approx(-1.0)
    assert math.isnan(found["flat"])
