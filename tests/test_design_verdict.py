"""A program in the jail may do what it likes to its training: the verdict stays the task's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from attacks import VERDICT
from safetensors.torch import save

from rewardsmith.agents.configs import compose
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.trials.judging import WeightsError, load_weights
from rewardsmith.llm_reward_design.trials.trial import Outcome, Trial, checked_rows, run_trial

HONEST = """
def compute_reward(agent, goal):
    near = -np.linalg.norm(agent - goal, axis=1)
    return near, {"near": near}
"""

FIRST = """
import sys

def compute_reward(agent):
    attack()
    return np.zeros(len(agent)), {"nothing": np.zeros(len(agent))}

def attack():
"""

ATTACKS = {
    "success of the environment patched": """
    from rewardsmith.envs.control.key_door import KeyDoor
    real = KeyDoor.step
    def step(self, action):
        observation, reward, terminated, truncated, info = real(self, action)
        info["success"] = np.ones(len(reward), dtype=bool)
        return observation, reward + 1.0, terminated, truncated, info
    KeyDoor.step = step
""",
    "judge patched": """
    import rewardsmith.llm_reward_design.trials.judging as judging
    judging.TaskJudge.score = lambda self, weights: 1.0
    import gymnasium, numpy
    numpy.mean = lambda *a, **k: 1.0
""",
    "answer with scores": """
    import rewardsmith.llm_reward_design.trials.milestones as milestones
    class Rows(list):
        pass
    real = milestones.Milestones.reach
    def reach(self):
        real(self)
        self.rows[-1]["score"] = 1.0
        self.rows[-1]["success"] = 1.0
    milestones.Milestones.reach = reach
""",
    "more milestones than asked for": """
    import rewardsmith.llm_reward_design.trials.milestones as milestones
    real = milestones.Milestones.reach
    def reach(self):
        real(self)
        self.rows *= 1000
    milestones.Milestones.reach = reach
""",
    "weights are a pickle": """
    import pickle, rewardsmith.llm_reward_design.trials.milestones as milestones
    class Evil:
        def __reduce__(self):
            return (print, ("unpickled",))
    def save(state, path):
        open(path, "wb").write(pickle.dumps(Evil()))
    milestones.save_file = save
""",
    "weights lead elsewhere": """
    import os, rewardsmith.llm_reward_design.trials.milestones as milestones
    def save(state, path):
        os.symlink("/etc/passwd", path)
    milestones.save_file = save
""",
    "weights not finite": """
    import rewardsmith.llm_reward_design.trials.milestones as milestones
    real = milestones.save_file
    def save(state, path):
        real({name: value * float("nan") for name, value in state.items()}, path)
    milestones.save_file = save
""",
    "weights of another shape": """
    import torch, rewardsmith.llm_reward_design.trials.milestones as milestones
    real = milestones.save_file
    def save(state, path):
        real({name: torch.zeros(1) for name in state}, path)
    milestones.save_file = save
""",
}


FORGED = {
    attack.name: attack.source({"SECRET": "nothing"}).replace(
        "compute_reward(x)", "compute_reward(agent)"
    )
    for attack in VERDICT
}


def tried(source: str, folder: Path) -> Outcome:
    config = compose(["env=key_door", "total_steps=2048", "reward=sparse"])
    limits = jail.Limits(wall_s=200.0, cpu_s=100.0)
    tier = jail.granted()
    return run_trial(Trial(source, config, 2, 5, folder / "trial", tier, limits))


@pytest.mark.parametrize("attack", [*ATTACKS, *FORGED])
def test_no_program_changes_the_verdict(attack: str, tmp_path: Path) -> None:
    source = FORGED[attack] if attack in FORGED else FIRST + ATTACKS[attack]
    outcome = tried(source, tmp_path)
    assert outcome.score in (None, 0.0), outcome
    assert not (tmp_path / "trial").exists()


def test_an_honest_program_is_judged(tmp_path: Path) -> None:
    outcome = tried(HONEST, tmp_path)
    assert outcome.error == ""
    assert outcome.reflection is not None
    assert outcome.reflection.steps[-1] == 2048
    assert list(outcome.reflection.parts) == ["near"]
    assert all(value < 0.0 for value in outcome.reflection.parts["near"])
    assert Outcome.of(outcome.plain()) == outcome


def test_an_error_names_the_programs_line(tmp_path: Path) -> None:
    outcome = tried("def compute_reward(agent):\n    return agent[99], {}\n", tmp_path)
    assert outcome.score is None
    assert "line 2" in outcome.error
    assert "return agent[99], {}" in outcome.error


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        {"rows": []},
        {"rows": [1]},
        {"rows": [{}]},
        {"rows": [{"step": "many", "length": 1, "parts": {}}]},
        {"rows": [{"step": 1, "length": 1, "parts": []}]},
        {"rows": [{"step": 1, "length": 1, "parts": {"a": "b"}}]},
        {"rows": [{"step": math.inf, "length": 1, "parts": {}}]},
    ],
)
def test_rows_of_another_form_are_refused(rows: object) -> None:
    with pytest.raises((TypeError, KeyError, ValueError, AttributeError, OverflowError)):
        checked_rows(rows, 3)


def test_weights_are_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    policy, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    file = tmp_path / "weights_0.safetensors"
    file.write_bytes(save(other.state_dict()))
    load_weights(policy, file)
    assert torch.equal(policy.weight, other.weight)
    before = policy.weight.detach().clone()
    bad = dict(other.state_dict())
    bad["bias"] = torch.full((2,), np.nan)
    file.write_bytes(save(bad))
    with pytest.raises(WeightsError, match="'bias' is not finite"):
        load_weights(policy, file)
    file.write_bytes(save({"weight": bad["weight"]}))
    with pytest.raises(WeightsError, match="'bias' is missing"):
        load_weights(policy, file)
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(policy, file)
    assert torch.equal(policy.weight, before)
