"""What every text environment promises: the API, seeds, snapshots, batches, menus, scripts."""

from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from env_cases import assert_equal, values
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_env_sb3
from text_cases import DIFFICULTIES, TEXT_NAMES, make, make_single, say

from rewardsmith.envs import EnvError
from rewardsmith.envs.text.batch import TextEnv, show

N, SEED, TURNS = 3, 11, 4
SEEDS = int(os.environ.get("TEXT_SEEDS", "25"))
"""Tasks on which the scripts are tried at every difficulty; 1000 before a release."""

pytestmark = pytest.mark.parametrize("name", TEXT_NAMES)


def step(env: TextEnv, source: random.Random) -> tuple[list[str], Any]:
    """Says something in every row; returns the messages and what came of them."""
    messages = [say(env.dialogue, transcript, source) for transcript in env.transcripts]
    return messages, env.step(messages)


def play(env: TextEnv, steps: int) -> list[Any]:
    """Returns everything that `steps` steps give, finished rows reset by mask where needed."""
    source, seen = random.Random(0), []
    for _ in range(steps):
        seen.append(step(env, source)[1])
        done = seen[-1][2] | seen[-1][3]
        if env.autoreset_mode is AutoresetMode.DISABLED and done.any():
            seen.append(env.reset(options={"reset_mask": done}))
    return seen


# ---- The API ----------------------------------------------------------------------------


@pytest.mark.parametrize("actions", ["text", "menu"])
def test_passes_the_checkers_without_a_warning(name: str, actions: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make_single(name, actions=actions))
        if actions == "menu":
            check_env_sb3(make_single(name, actions=actions))


def test_gym_finds_it_without_an_import_of_ours(name: str) -> None:
    code = f"""
import gymnasium as gym
env = gym.make("rewardsmith/{name}", turns=2, render_mode="ansi")
env.reset(seed=0); env.step("hello"); assert "agent: hello" in env.render()
vector = gym.make_vec("rewardsmith/{name}", 4, turns=2)
vector.reset(seed=0); assert vector.step(["<answer>"] * 4)[1].shape == (4,)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr


def test_card_and_facts(name: str) -> None:
    env = make(name, N)
    card = env.card
    assert card.id == f"rewardsmith/{name}"
    assert all((card.goal, card.success, card.source, card.action, card.observation))
    assert card.time_limit == env.dialogue.budget.turns
    assert all(tool in env.dialogue.instructions for tool in env.dialogue.tools)
    assert pickle.loads(pickle.dumps(card)).describe() == card.describe()
    seen = [env.reset(seed=0), *play(env, 20)]
    assert not seen[0][1]["success"].any()
    for info in (outcome[-1] for outcome in seen):
        assert {key for key, _ in values(info)} == {f.name for f in card.facts} | {"transcript"}
        assert info["success"].dtype == np.bool_
        for field in card.facts:
            assert ((info[field.name] >= field.low) & (info[field.name] <= field.high)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difficulty": 0}, "difficulty must be"),
        ({"difficulty": 6}, "difficulty must be"),
        ({"split": "dev"}, "split must be 'train' or 'test', got 'dev'"),
        ({"data": "/nowhere/at all"}, "/nowhere/at all"),
        ({"actions": "voice"}, "actions of rewardsmith/.* must be one of"),
        ({"turns": 0}, "budget.turns must be positive, got 0"),
        ({"n": 0}, "num_envs must be a whole number of at least 1, got 0"),
        ({"render_mode": "rgb_array"}, "render_mode must be 'ansi' or None"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        make(name, **options)


@pytest.mark.parametrize("actions", [["a"], ["a", "b", 3], [None] * N])
def test_actions_must_be_one_text_per_row(name: str, actions: list[Any]) -> None:
    env = make(name, N)
    env.reset(seed=0)
    with pytest.raises(EnvError, match="actions must be 3 texts, one per row"):
        env.step(actions)


# ---- Seeds and splits -------------------------------------------------------------------


def test_a_seed_fixes_everything(name: str) -> None:
    one, other = make(name, N), make(name, N)
    assert_equal(one.reset(seed=3), other.reset(seed=3))
    assert_equal(play(one, 20), play(other, 20))
    assert make(name, N).reset(seed=1000)[0] != make(name, N).reset(seed=3)[0]


def test_no_task_is_in_both_splits(name: str) -> None:
    train, test = (make(name, split=split).dialogue for split in ("train", "test"))
    learned = {train.begin(seed).task.id for seed in range(200)}
    asked = {test.begin(seed).task.id for seed in range(200)}
    assert len(learned) > 20
    assert len(asked) > 20
    assert not learned & asked


# ---- Batches ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_row_is_the_single_environment_of_its_seed(name: str, mode: AutoresetMode) -> None:
    batch = make(name, N, turns=TURNS, autoreset_mode=mode)
    singles = [make_single(name, turns=TURNS) for _ in range(N)]
    batch.reset(seed=SEED)
    shown = [single.reset(seed=SEED + row) for row, single in enumerate(singles)]
    source, done, ends = random.Random(0), np.zeros(N, dtype=bool), 0
    for _ in range(25):
        messages, (observation, reward, terminated, truncated, info) = step(batch, source)
        over = terminated | truncated
        for row, single in enumerate(singles):
            if done[row] and mode is AutoresetMode.NEXT_STEP:
                shown[row], paid = single.reset(), [0.0, False, False]
            else:
                seen, *paid, facts = single.step(messages[row])
                shown[row] = (seen, facts)
            assert [reward[row], terminated[row], truncated[row]] == paid
            if over[row] and mode is AutoresetMode.SAME_STEP:
                assert info["final_obs"][row] == shown[row][0]
                assert info["final_info"]["transcript"][row] == shown[row][1]["transcript"]
                shown[row] = single.reset()
            assert observation[row] == shown[row][0]
            assert {k: v[row] for k, v in values(info)} == shown[row][1]
        done, ends = over, ends + int(over.sum())
        if mode is AutoresetMode.DISABLED and over.any():
            observation, _ = batch.reset(options={"reset_mask": over})
            for row in np.flatnonzero(over).tolist():
                shown[row] = singles[row].reset()
                assert observation[row] == shown[row][0]
    assert ends > N


def test_send_and_recv_equal_step(name: str) -> None:
    env = make(name, N, turns=TURNS, autoreset_mode=AutoresetMode.DISABLED)
    other = make(name, N, turns=TURNS)
    env.reset(seed=SEED)
    assert [other.open(row, SEED + row) for row in range(N)] == env._observe()
    source = random.Random(0)
    for _ in range(TURNS):
        if env.done.any():
            break
        messages, (observation, _, terminated, truncated, _) = step(env, source)
        other.send(range(N), messages)
        assert sorted(other.recv(N)) == list(range(N))
        assert other.transcripts == env.transcripts
        assert [other.facts(row)["success"] for row in range(N)] == [
            transcript.success for transcript in env.transcripts
        ]
        assert [transcript.observation for transcript in other.transcripts] == observation
        assert_equal(other.done, terminated | truncated)


def test_turns_are_limited(name: str) -> None:
    env = make(name, N, turns=TURNS, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    for turn in range(TURNS):
        _, reward, terminated, truncated, _ = env.step(["hm"] * N)
        assert not reward.any()
        assert terminated.tolist() == [turn == TURNS - 1] * N
        assert not truncated.any()


# ---- Snapshots --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_restored_snapshot_continues_exactly(name: str, mode: AutoresetMode) -> None:
    env = make(name, N, turns=TURNS, autoreset_mode=mode)
    env.reset(seed=5)
    play(env, 5)
    shown = env._observe()
    snapshot = env.snapshot()
    stored = pickle.dumps(snapshot)
    continued = play(env, 15)
    assert env.restore(snapshot) == shown
    assert_equal(play(env, 15), continued)
    other = make(name, N, turns=TURNS, autoreset_mode=mode)
    assert other.restore(pickle.loads(stored)) == shown
    assert_equal(play(other, 15), continued)


@pytest.mark.parametrize("double", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_continues_exactly(name: str, double: Any) -> None:
    env = make(name, N, turns=TURNS)
    env.reset(seed=5)
    play(env, 3)
    other = double(env)
    assert_equal(play(other, 10), play(env, 10))


# ---- Scripts and menus ------------------------------------------------------------------


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_scripts_do_as_they_are_called(name: str, difficulty: int, split: str) -> None:
    dialogue = make(name, difficulty=difficulty, split=split).dialogue
    starts = [dialogue.begin(seed) for seed in range(SEEDS)]
    won = {
        script: np.mean([dialogue.play(start, dialogue.script(script)).success for start in starts])
        for script in ("oracle", "careless", "hacker")
    }
    assert won["oracle"] == 1.0
    assert 0.3 < won["careless"] < 1.0
    assert won["hacker"] == 0.0


def test_unknown_scripts_are_named(name: str) -> None:
    with pytest.raises(EnvError, match="script must be one of oracle, careless, hacker"):
        make(name).dialogue.script("genius")


def test_menu_offers_as_many_messages_and_numbers_as_it_says(name: str) -> None:
    env = make(name, 8, actions="menu", turns=TURNS, difficulty=2)
    observation, _ = env.reset(seed=0)
    rng, rewards = np.random.default_rng(0), 0.0
    for _ in range(60):
        assert observation in env.observation_space
        assert all(len(env.dialogue.menu(t)) == env.dialogue.menu_size for t in env.transcripts)
        observation, reward, *_ = env.step(rng.integers(env.dialogue.menu_size, size=8))
        rewards += reward.sum()
    assert rewards > 0
    assert isinstance(env.single_action_space, gym.spaces.Discrete)


def test_it_can_be_shown(name: str) -> None:
    dialogue = make(name).dialogue
    start = dialogue.begin(0)
    text = show(dialogue.play(start, dialogue.oracle))
    assert text.startswith(f"task: {start.task.prompt}")
    assert text.endswith("judge: reward 1")
