"""Verifiers are tried on the task before anything is trained on what they say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from text_cases import TEXT_NAMES, make
from transcripts import REWARDS, design_file

from rewardsmith.agents.configs import compose
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs import ConfigError
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards import Clip, RewardDesign, TaskReward, build_design
from rewardsmith.rewards.verify import Abstained, CitationMatch, Judgement, Verified, Verifier
from rewardsmith.rewards.verify.preflight import check_verifiers

DATA = Path(__file__).parents[2] / "shared" / "data"
SPOKEN = ["clip_delta", "crf", "gated_tools", "mash", "matchtir", "nover", "otc", "rlpr", "sparse",
          "toolrl"]  # fmt: skip
NUMERIC = ["reft"]
"""Designs for tasks whose answers are numbers."""

FILES = {
    "Calculator-v0": DATA / "gsm8k" / "train.jsonl",
    "FunctionCalling-v0": DATA / "bfcl",
    "SQL-v0": DATA / "chinook" / "chinook.sqlite",
    "SearchQA-v0": DATA / "strategyqa" / "train.json",
}


def always(transcript: Transcript) -> float:
    """Pays for anything."""
    return 1.0


def never(transcript: Transcript) -> float:
    return 0.0


def talkative(transcript: Transcript) -> float:
    """Pays for any answer that is long enough."""
    return float(len(transcript.answer or "") > 10) or float(transcript.success)


def busy(transcript: Transcript) -> float:
    """Pays for calls, whatever they do."""
    return float(len(transcript.calls) > 0)


def broken(transcript: Transcript) -> float:
    raise KeyError("score")


def silent(transcript: Transcript) -> Abstained:
    return Abstained("no reference")


def fickle() -> Callable[[Transcript], float]:
    """Returns a judge who never says the same twice."""
    number = count(1)
    return lambda transcript: 1.0 / next(number)


@pytest.mark.parametrize("difficulty", [1, 4])
@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("env", TEXT_NAMES)
def test_every_ready_made_design_passes_on_every_text_task(
    env: str, name: str, difficulty: int
) -> None:
    task = make(env, difficulty=difficulty)
    design = build_design(design_file(name))
    design.bind(task.card)
    check_verifiers(design, task.dialogue)


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("env", FILES)
def test_every_ready_made_design_passes_on_real_data(env: str, name: str) -> None:
    if not FILES[env].exists():
        pytest.skip(f"there is no {FILES[env]}")
    check_verifiers(build_design(design_file(name)), make(env, data=FILES[env]).dialogue)


@pytest.mark.parametrize("name", NUMERIC)
def test_designs_for_numbers_pass_where_answers_are_numbers(name: str) -> None:
    design = build_design(design_file(name))
    tasks = [make("Calculator-v0", difficulty=difficulty) for difficulty in (1, 2)]
    if FILES["Calculator-v0"].exists():
        tasks.append(make("Calculator-v0", data=FILES["Calculator-v0"]))
    for task in tasks:
        design.bind(task.card)
        check_verifiers(design, task.dialogue)
    with pytest.raises(ConfigError, match="the right answer is no number"):
        check_verifiers(design, make("SQL-v0", difficulty=1).dialogue)


def test_no_design_with_a_verifier_is_left_out() -> None:
    judged = {file.stem for file in REWARDS.glob("*.yaml") if "rewards.verify" in file.read_text()}
    assert judged <= {*SPOKEN, *NUMERIC}


@pytest.mark.parametrize(
    ("verifier", "message"),
    [
        (Judgement(always), r"gives 1 to an empty message, .*what is wrong must get less"),
        (Judgement(never), r"gives 0 to the oracle's transcript, .*what is right must get 1"),
        (Judgement(never, judges_content=False), "gives 0 to the oracle's transcript"),
        (Judgement(talkative), "gives 1 to the question as its own answer, .*judges_content=False"),
        (Judgement(busy), "gives 1 to the hacker's transcript"),
        (Judgement(fickle(), False, True), "gives .* judged otherwise a moment ago, .*equal score"),
        (Judgement(broken), r"fails \(KeyError: 'score'\) on the oracle's .*; mend its error"),
        (Judgement(silent), r"abstains \(no reference\) from judging all of 8 tasks, .*'"),
        (CitationMatch(), "abstains .* from judging all of 8 tasks, .*that can judge this env"),
    ],
)
def test_findings_are_told_with_their_mend(verifier: Verifier, message: str) -> None:
    inner = RewardDesign({"judged": Verified(verifier)}, transforms=[Clip(high=0.5)])
    design = RewardDesign({"task": TaskReward(), "inner": inner})
    who = rf"{type(verifier).__name__}, the verifier of the reward's term 'inner/judged', {message}"
    with pytest.raises(ConfigError, match=who):
        check_verifiers(design, Calculator(1).dialogue)


@pytest.mark.parametrize(
    "verifier", [Judgement(always, judges_content=False), Judgement(never, False, True)]
)
def test_form_and_effort_may_be_paid_for(verifier: Verifier) -> None:
    check_verifiers(RewardDesign({"form": Verified(verifier)}), Calculator(1).dialogue)


@pytest.mark.parametrize("world", [["agent=grpo"], ["agent=ppo", "env.options.actions=menu"]])
def test_what_pays_for_anything_is_refused_before_training(
    world: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    file, folder = tmp_path / "generous.yaml", tmp_path / "run"
    file.write_text(
        "_target_: rewardsmith.rewards.verify.Verified\n"
        "verifier:\n"
        "  _target_: rewardsmith.rewards.verify.Judgement\n"
        '  function: {_function_: "test_preflight:always"}\n'
    )
    config: dict[str, Any] = compose(["env=calculator", f"reward={file}", *world])
    with pytest.raises(ConfigError, match="gives 1 to an empty message"):
        train(config, RunFolder(folder))
    assert not folder.exists()
