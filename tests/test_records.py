"""Reading runs back: what counts, what is kept apart, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import write_plan, write_run

from rewardsmith.agents.records import Run, load_comparison
from rewardsmith.agents.run_record import load_run, read_metrics
from rewardsmith.envs.errors import ConfigError

CURVE = [0.0, 0.25, 0.5]


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "maze/near/seed_3",
        curve=CURVE,
        designed=[0, 1, 4],
        terms={"near, really": [0, 1, 3.5]},
        oracle={"success": 1.0},
    )
    run = load_run(folder, ("maze", "near", 3))
    assert isinstance(run, Run)
    assert (run.task, run.design, run.seed, run.score) == ("maze", "near", 3, "success")
    assert run.steps.tolist() == [0, 1000, 2000]
    assert run.curve.tolist() == CURVE
    assert run.metrics["term/near, really"].tolist() == [0, 1, 3.5]
    assert run.final["success"].shape == (20,)
    assert run.final_score == 0.5
    assert not run.pays_the_task
    assert run.oracle == {"success": 1.0}
    assert run.card["time_limit"] == 100


def test_score_is_the_return_where_the_card_says_so(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "r", score="return", curve=[-9.0, -2.0]))
    assert isinstance(run, Run)
    assert run.curve.tolist() == [-9.0, -2.0]
    assert run.final_score == -2.0
    assert run.pays_the_task


def test_comparison_keeps_the_planned_order(tmp_path: Path) -> None:
    write_plan(tmp_path, ["maze", "door"], ["sparse", "near", "far"], [0, 10, 2])
    for task in ("door", "maze"):
        for design in ("far", "near", "sparse", "extra"):
            for seed in (10, 2, 0):
                write_run(tmp_path / task / design / f"seed_{seed}", curve=[0, seed / 10])
    comparison = load_comparison(tmp_path)
    assert comparison.tasks == ("maze", "door")
    assert comparison.designs("door") == ("sparse", "near", "far", "extra")
    assert [run.seed for run in comparison.of("maze", "near")] == [0, 2, 10]
    assert comparison.scores("maze", "near") == pytest.approx([0, 0.2, 1])
    assert comparison.baseline == "sparse"
    assert comparison.unfinished == ()


def test_unfinished_runs_are_listed_and_do_not_count(tmp_path: Path) -> None:
    write_plan(tmp_path, ["door"], ["sparse"], [0, 1, 2, 3, 4, 5])
    for seed, state in enumerate(("finished", "running", "failed", "finished", "finished")):
        write_run(tmp_path / f"door/sparse/seed_{seed}", curve=CURVE, state=state)
    (tmp_path / "door/sparse/seed_3/result.json").write_text('{"score": "succ')
    (tmp_path / "door/sparse/seed_4/config.yaml").unlink()
    comparison = load_comparison(tmp_path)
    assert [run.seed for run in comparison.runs] == [0]
    assert [one.state for one in comparison.unfinished] == [
        "running",
        "failed",
        "damaged",
        "damaged",
        "missing",
    ]
    reasons = [one.reason for one in comparison.unfinished]
    assert reasons[1] == "ValueError: the reward of term 'near' is NaN"
    assert "Unterminated string" in reasons[2]
    assert reasons[3] == "cannot read config.yaml: No such file or directory"
    assert comparison.unfinished[0].total_steps == 2000


@pytest.mark.parametrize("lost", ["score", "task_return", "designed_return"])
def test_a_result_that_lacks_something_is_damaged(tmp_path: Path, lost: str) -> None:
    folder = write_run(tmp_path / "a/b/seed_0", score="return", curve=CURVE)
    result = json.loads((folder / "result.json").read_text())
    del result[lost]
    (folder / "result.json").write_text(json.dumps(result))
    (damaged,) = load_comparison(tmp_path).unfinished
    assert damaged.state == "damaged"
    assert lost in damaged.reason


def test_a_task_without_success_is_judged_by_return(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a/b/seed_0", score="return", curve=CURVE)
    result = json.loads((folder / "result.json").read_text())
    del result["success"]
    (folder / "result.json").write_text(json.dumps(result))
    assert load_comparison(tmp_path).scores("a", "b").tolist() == [0.5]


@pytest.mark.parametrize(
    ("tail", "steps"),
    [
        ("", [0, 10]),
        ("20,0.", [0, 10]),
        ("20,0.9", [0, 10]),
        ("20,0.9\n", [0, 10, 20]),
        ("20\n", [0, 10]),
        ("10,0.7\n", [0, 10]),
    ],
)
def test_a_torn_last_line_is_left_out(tmp_path: Path, tail: str, steps: list[int]) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,success\n0,0.1\n10,0.2\n" + tail)
    read, columns = read_metrics(path)
    assert read.tolist() == steps
    assert columns["success"][1] == (0.7 if tail == "10,0.7\n" else 0.2)


def test_empty_cells_are_nan(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,success,length\n0,,5\n")
    assert np.isnan(read_metrics(path)[1]["success"][0])


@pytest.mark.parametrize("text", ["", "step,success\n", "step,success\n0,0.1", "step,a\n0,x\n"])
def test_metrics_without_numbers_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match=r"no complete line|could not convert"):
        read_metrics(tmp_path / "metrics.csv")


def test_curves_are_read_at_the_steps_that_all_runs_have(tmp_path: Path) -> None:
    write_run(tmp_path / "a/b/seed_0", curve=[0, 0.1, 0.2, 0.3])
    write_run(tmp_path / "a/b/seed_1", curve=[0.5, 0.6, 0.7, 0.8], points=3)
    steps, curves = load_comparison(tmp_path).curves("a", "b", "success")
    assert steps.tolist() == [0, 1000, 2000]
    assert curves.tolist() == [[0, 0.1, 0.2], [0.5, 0.6, 0.7]]


def test_terms_are_those_that_every_run_recorded(tmp_path: Path) -> None:
    for seed, terms in enumerate(({"near": CURVE, "time": CURVE}, {"near": CURVE})):
        write_run(tmp_path / f"a/b/seed_{seed}", curve=CURVE, terms=terms)
    assert load_comparison(tmp_path).terms("a", "b") == ("near",)


def test_runs_of_different_tasks_are_refused_by_field(tmp_path: Path) -> None:
    for seed, size in enumerate((7, 9)):
        write_run(
            tmp_path / f"door/sparse/seed_{seed}",
            curve=CURVE,
            config={"env": {"id": "KeyDoor", "options": {"size": size}}, "seed": seed},
        )
    with pytest.raises(ConfigError, match=r"different tasks.*env\.options\.size \(7 and 9\)"):
        load_comparison(tmp_path)


def test_runs_of_different_budgets_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "door/sparse/seed_0", curve=CURVE)
    write_run(tmp_path / "door/near/seed_0", curve=[*CURVE, 1.0])
    with pytest.raises(ConfigError, match=r"total_steps \(3000 and 2000\)"):
        load_comparison(tmp_path)


def test_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no run.*rewardsmith compare"):
        load_comparison(tmp_path)
    with pytest.raises(ConfigError, match="holds no run"):
        load_comparison(tmp_path / "nowhere")


def test_a_broken_plan_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a/b/seed_0", curve=CURVE)
    (tmp_path / "compare.yaml").write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="must hold a mapping, got list"):
        load_comparison(tmp_path)


@pytest.mark.parametrize("place", ["key_door/near/ppo/seed_4", "key_door/near/seed_4", "near"])
def test_a_lone_run_is_named_by_its_configuration(tmp_path: Path, place: str) -> None:
    write_run(
        tmp_path / place,
        curve=CURVE,
        config={"env": {"name": "key_door"}, "agent": {"name": "ppo"}, "seed": 4},
    )
    comparison = load_comparison(tmp_path / place)
    (run,) = comparison.runs
    assert (run.task, run.design, run.seed) == ("key_door", "near", 4)
    assert comparison.name == "key_door / near"
    assert comparison.baseline is None
