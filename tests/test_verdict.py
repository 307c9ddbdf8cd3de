"""Verdicts on made-up runs whose truth is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import write_plan, write_run, write_suite

from rewardsmith.agents.answer import TaskVerdict, judge, normalised_scores
from rewardsmith.agents.hacking import Scale, rose_clearly, suspected_hacking, task_scale
from rewardsmith.agents.records import Run, load_comparison
from rewardsmith.agents.run_record import load_run

RISING = np.linspace(0, 10, 12).tolist()
FLAT = [0.0] * 12
SOLVER = {"success": 1.0, "task_return": 1.0, "designed_return": 6.0}
UNIT = Scale(0.0, 1.0)


def verdict_on(
    folder: Path,
    scores: dict[str, Sequence[float]],
    *,
    score: str = "success",
    designed: dict[str, Sequence[float]] | None = None,
    start: float = 0.0,
) -> TaskVerdict:
    """Judges one task with the given final scores; curves jump half way through training."""
    write_plan(folder, ["door"], list(scores), range(9))
    for design, finals in scores.items():
        for seed, final in enumerate(finals):
            write_run(
                folder / f"door/{design}/seed_{seed}",
                score=score,
                episodes=100,
                curve=[start] * 6 + [final] * 6,
                designed=(designed or {}).get(design),
            )
    (verdict,) = judge(load_comparison(folder))
    return verdict


def make_run(
    folder: Path,
    *,
    score: str = "success",
    curve: Sequence[float] = FLAT,
    designed: Sequence[float] | None = None,
    oracle: dict[str, float] | None = None,
) -> Run:
    run = load_run(write_run(folder, score=score, curve=curve, designed=designed, oracle=oracle))
    assert isinstance(run, Run)
    return run


HIGH, LOW = [0.95, 0.97, 0.96, 0.99, 0.93], [0.02, 0.04, 0.04, 0.06, 0.05]


def test_better_and_worse(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": LOW, "near": HIGH})
    baseline, near = verdict.designs
    assert (baseline.kind, near.kind) == ("baseline", "better")
    assert re.fullmatch(
        r"near beats sparse: success 0\.96 vs 0\.04 "
        r"\(\+0\.92 \[0\.[89]\d, 0\.9\d\], 5 seeds\)",
        near.sentence,
    )
    assert near.contrast is not None
    assert near.contrast.p_value == pytest.approx(2 / 252)
    assert verdict.pick == "near"
    assert verdict.answer == "Train on near: success 0.96 against 0.04 with sparse."
    assert verdict.cautions == ()


def test_worse_than_the_baseline(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": HIGH, "near": LOW})
    assert verdict.designs[1].kind == "worse"
    assert verdict.designs[1].sentence.startswith("near is worse than sparse: success 0.04 vs 0.96")
    assert verdict.pick == "sparse"
    assert verdict.answer == "Stay with sparse: nothing clearly beats its success 0.96."


def test_no_clear_difference(tmp_path: Path) -> None:
    verdict = verdict_on(
        tmp_path, {"sparse": [0.1, 0.9, 0.5, 0.6, 0.4], "near": [0.2, 0.9, 0.55, 0.6, 0.5]}
    )
    assert verdict.designs[1].kind == "unclear"
    assert verdict.designs[1].sentence.startswith("no clear difference between near and sparse")
    assert verdict.pick is None
    assert verdict.answer.startswith("No design clearly beats sparse, success 0.50; near scores")


def test_level_at_the_end_but_sooner(tmp_path: Path) -> None:
    write_plan(tmp_path, ["door"], ["sparse", "near"], range(5))
    for design, late in (("sparse", 9), ("near", 2)):
        for seed in range(5):
            write_run(
                tmp_path / f"door/{design}/seed_{seed}",
                curve=[0.0] * late + [1.0] * 4,
                config={"total_steps": 1},
            )
    (verdict,) = judge(load_comparison(tmp_path))
    assert verdict.pick == "near"
    assert verdict.answer == (
        "Train on near: it ends level with sparse at success 1.00, but gets "
        "half way in 2k steps instead of 9k."
    )


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": [0.1], "near": [0.9]})
    assert verdict.designs[1].kind == "undecided"
    assert verdict.designs[1].sentence == (
        "too few seeds to tell near from sparse: success 0.90 vs 0.10 (+0.80, 1 seed)"
    )
    assert verdict.pick is None
    assert "a single seed decides nothing" in verdict.answer


def test_three_seeds_are_too_few_to_be_sure(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": LOW[:3], "near": HIGH[:3]})
    assert verdict.designs[1].kind == "undecided"
    assert verdict.designs[1].sentence.endswith("permutation test p = 0.10")
    assert verdict.pick == "near"
    assert "Too few seeds to be sure" in verdict.cautions[0]


def test_without_the_baseline_the_highest_is_named(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"far": LOW, "near": HIGH, "close": HIGH[::-1]})
    assert verdict.baseline is None
    assert {d.kind for d in verdict.designs} == {"alone"}
    assert verdict.answer == "Train on near: success 0.96. close did about as well."


def test_a_lone_design_is_only_described(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": HIGH})
    assert verdict.baseline is None
    assert verdict.pick is None
    assert verdict.answer == "sparse reaches success 0.96; no other design was trained."


def test_unsolved_tasks_are_called_so(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": [0.0] * 5, "near": [0.2, 0.21, 0.22, 0.2, 0.2]})
    assert verdict.pick == "near"
    assert verdict.cautions == (
        "None of these solves the task yet: half of what is possible would be success 0.50.",
    )


def test_where_nothing_was_learned_nothing_is_picked(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"sparse": [0.0] * 3, "near": [0.0, 0.05, 0.0]})
    assert verdict.pick is None
    assert verdict.answer == "No design learned the task; the highest is near, success 0.02."
    assert verdict.cautions == ()


def test_returns_are_judged_between_the_untrained_and_the_best(tmp_path: Path) -> None:
    verdict = verdict_on(
        tmp_path,
        {"sparse": [-290.0, -280, -285, -295, -288], "near": [-45.0, -50, -40, -44, -46]},
        score="return",
        start=-300.0,
    )
    assert verdict.scale.floor == -300
    assert verdict.scale.best == pytest.approx(-45)
    assert verdict.scale.half == pytest.approx(-172.5)
    assert verdict.scale.normalise(np.array([-300.0, -45.0])).tolist() == pytest.approx([0, 1])
    assert verdict.answer == "Train on near: return -45 against -288 with sparse."


def test_gamed_designs_are_not_recommended(tmp_path: Path) -> None:
    verdict = verdict_on(
        tmp_path, {"sparse": [0.2] * 5, "loop": [0.05] * 5}, designed={"loop": RISING}
    )
    assert verdict.designs[1].hacked == 5
    assert verdict.designs[1].sentence.endswith(
        "in 5 of 5 runs it is paid more and more while its score stays low: reward hacking "
        "suspected"
    )
    assert verdict.pick == "sparse"
    assert verdict.cautions[-1].startswith("Beware of loop")


def test_where_every_design_is_gamed_none_is_recommended(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, {"loop": [0.05] * 3}, designed={"loop": RISING})
    assert verdict.pick is None
    assert verdict.answer == "Train on none of these as they are."


# ---- Suspected hacking of one run -------------------------------------------------------


def test_earning_more_than_the_solver_without_solving(tmp_path: Path) -> None:
    run = make_run(tmp_path, designed=RISING, oracle=SOLVER)
    suspicion = suspected_hacking(run, UNIT)
    assert suspicion.level == "strong"
    assert suspicion.is_hacking
    assert suspicion.reason == (
        "earns 10 under its design without solving the task; solving it earns 6"
    )


def test_earning_less_than_the_solver_is_being_stuck(tmp_path: Path) -> None:
    run = make_run(tmp_path, designed=RISING, oracle={**SOLVER, "designed_return": 10.5})
    assert suspected_hacking(run, UNIT).level == "stalled"
    assert not suspected_hacking(run, UNIT).is_hacking


def test_rising_pay_without_a_solver(tmp_path: Path) -> None:
    assert suspected_hacking(make_run(tmp_path, designed=RISING), UNIT).level == "suspected"


def test_a_slow_learner_is_not_suspected(tmp_path: Path) -> None:
    for end, level in ((0.4, "none"), (0.15, "none"), (0.05, "suspected")):
        curve = np.linspace(0, end, 12).tolist()
        run = make_run(tmp_path / str(end), curve=curve, designed=RISING)
        assert suspected_hacking(run, UNIT).level == level


def test_a_score_that_rose_and_collapsed_is_suspected(tmp_path: Path) -> None:
    run = make_run(tmp_path, curve=[0, 0.5, 0.9, 0.9, 0.8, 0.5, 0.2] + [0.1] * 5, designed=RISING)
    assert suspected_hacking(run, UNIT).level == "suspected"


@pytest.mark.parametrize("case", ["solved", "pays the task", "flat pay", "noisy pay"])
def test_what_is_not_suspected(tmp_path: Path, case: str) -> None:
    noise = np.random.default_rng(0).normal(size=12)
    run = {
        "solved": lambda: make_run(
            tmp_path, curve=[0.0] * 6 + [0.6] * 6, designed=RISING, oracle=SOLVER
        ),
        "pays the task": lambda: make_run(tmp_path, score="return", curve=RISING),
        "flat pay": lambda: make_run(tmp_path, designed=[7.0] * 12, oracle=SOLVER),
        "noisy pay": lambda: make_run(tmp_path, designed=(7 + noise).tolist(), oracle=SOLVER),
    }[case]()
    assert suspected_hacking(run, UNIT).level == "none"


@pytest.mark.parametrize(("end", "level"), [(-290.0, "strong"), (-60.0, "none")])
def test_negative_returns_are_judged_on_their_scale(tmp_path: Path, end: float, level: str) -> None:
    oracle = {"task_return": -40.0, "designed_return": 6.0}
    run = make_run(
        tmp_path, score="return", curve=[-300.0] * 11 + [end], designed=RISING, oracle=oracle
    )
    scale = task_scale([run])
    assert scale == Scale(-300.0, -40.0)
    assert suspected_hacking(run, scale).level == level


def test_success_without_a_solver_is_measured_up_to_one(tmp_path: Path) -> None:
    assert task_scale([make_run(tmp_path, curve=[0.0, 0.3])]) == Scale(0.0, 1.0)


def test_a_weak_solver_gives_way_to_a_better_design(tmp_path: Path) -> None:
    weak = {"success": 0.5}
    assert task_scale([make_run(tmp_path, curve=[0.0, 0.75], oracle=weak)]).best == 0.75
    assert task_scale([make_run(tmp_path, curve=[0.0, 0.25], oracle=weak)]).best == 0.5


def test_pure_noise_seldom_counts_as_a_rise() -> None:
    rng = np.random.default_rng(7)
    assert np.mean([rose_clearly(rng.normal(size=21)) for _ in range(400)]) < 0.04


@pytest.mark.parametrize("shape", ["ramp", "jump", "saturating"])
def test_a_rise_is_seen_through_noise(shape: str) -> None:
    time = np.linspace(0, 1, 21)
    curve = {"ramp": time, "jump": time > 0.5, "saturating": 1 - np.exp(-5 * time)}[shape]
    rng = np.random.default_rng(1)
    assert all(rose_clearly(curve + 0.05 * rng.normal(size=21)) for _ in range(50))


# ---- Over all tasks ---------------------------------------------------------------------


def test_suite_of_two_tasks(tmp_path: Path) -> None:
    verdicts = judge(load_comparison(write_suite(tmp_path / "suite")))
    assert [v.task for v in verdicts] == ["key_door", "point_maze"]
    for verdict in verdicts:
        kinds = {d.design: d.kind for d in verdict.designs}
        assert kinds["sparse"] == "baseline"
        assert kinds["potential"] == kinds["distance"] == "better"
        assert {d.design: d.hacked for d in verdict.designs if d.hacked} == {"progress": 5}
        assert verdict.pick == "potential"
    scores = normalised_scores(verdicts)
    assert scores["potential"].value > 0.95 > scores["distance"].value > 0.5
    assert scores["progress"].high < 0.2


def test_designs_missing_on_a_task_are_not_averaged(tmp_path: Path) -> None:
    for place in ("a/sparse", "b/sparse", "b/near"):
        for seed in range(2):
            write_run(tmp_path / place / f"seed_{seed}", curve=[0.0, 0.5])
    assert list(normalised_scores(judge(load_comparison(tmp_path)))) == ["sparse"]
