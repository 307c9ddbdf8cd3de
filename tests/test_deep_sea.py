"""DeepSea against its closed form and against every sequence of actions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from rewardsmith.envs import EnvError
from rewardsmith.envs.control.deep_sea import DeepSea
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


def play(env: DeepSea, actions: IntArray) -> tuple[FloatArray, BoolArray]:
    """Plays one episode per row, actions (N, n); returns the return and success, (n,)."""
    env.reset(seed=0)
    total = np.zeros(env.num_envs)
    for step, action in enumerate(actions, start=1):
        _, reward, terminated, truncated, info = env.step(action)
        total += reward
        assert (terminated == (step == env.size)).all()
        assert not truncated.any()
        assert info["success"].any() <= (step == env.size)
    return total, info["success"]


@pytest.mark.parametrize("size", [2, 3, 7, 10, 50])
@pytest.mark.parametrize("mapping_seed", [None, 0, 1])
@pytest.mark.parametrize("move_cost", [0.0, 0.01, 0.5])
def test_oracle_earns_one_less_the_cost_of_moving(
    size: int, mapping_seed: int | None, move_cost: float
) -> None:
    env = DeepSea(
        size=size,
        move_cost=move_cost,
        mapping_seed=mapping_seed,
        autoreset_mode=AutoresetMode.DISABLED,
    )
    assert env.card.oracle is not None
    observation, _ = env.reset()
    total, terminated = 0.0, np.zeros(1, dtype=bool)
    for depth in range(size):
        np.testing.assert_allclose(observation[0, :2] * size, [depth, depth], rtol=1e-6)
        observation, reward, terminated, _, info = env.step(env.card.oracle(observation))
        total += float(reward[0])
    assert total == pytest.approx(1.0 - move_cost)
    assert terminated.all()
    assert info["success"].all()


@pytest.mark.parametrize("mapping_seed", [None, 3])
def test_of_all_action_sequences_one_finds_the_treasure_and_it_is_the_best(
    mapping_seed: int | None,
) -> None:
    size = 6
    actions = np.array(list(itertools.product([0, 1], repeat=size))).T
    env = DeepSea(
        2**size, size=size, mapping_seed=mapping_seed, autoreset_mode=AutoresetMode.DISABLED
    )
    total, success = play(env, actions)
    assert success.sum() == 1
    assert total.argmax() == success.argmax()
    assert total.max() == pytest.approx(0.99)
    others = np.sort(total[~success])
    assert others[-1] == pytest.approx(0.0, abs=1e-12)  # never to the right
    assert others[0] == pytest.approx(-0.01 * (size - 1) / size)


def test_each_move_to_the_right_costs_and_one_to_the_left_does_not() -> None:
    env = DeepSea(2, size=4)
    env.reset(seed=0)
    observation, reward, _, _, _ = env.step(np.array([0, 1]))
    np.testing.assert_allclose(reward, [0.0, -0.01 / 4])
    np.testing.assert_allclose(observation[:, :2], [[0.25, 0.0], [0.25, 0.25]])


def test_one_hot_shows_the_cell_and_nothing_on_the_sea_floor() -> None:
    env = DeepSea(1, size=3, autoreset_mode=AutoresetMode.DISABLED)
    observation, _ = env.reset(seed=0)
    cells = [observation[0, 2:].argmax()]
    for action in (1, 0, 1):
        assert observation[0, 2:].sum() == 1.0
        observation, *_ = env.step(np.array([action]))
        cells.append(observation[0, 2:].argmax())
    assert cells[:3] == [0, 4, 6]
    assert observation[0, 2:].sum() == 0.0


def test_mapping_seed_swaps_some_actions_and_fixes_which() -> None:
    env, same, other = (DeepSea(mapping_seed=seed).tables.reward for seed in (0, 0, 1))
    np.testing.assert_array_equal(env, same)
    assert (env != other).any()
    rightward = env[:100].argmin(axis=1)
    assert 20 < rightward.sum() < 80
    assert (DeepSea().tables.reward[:99].argmin(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size must be a whole number from 2 to 50, got 1"),
        ({"size": 51}, "size must be a whole number from 2 to 50, got 51"),
        ({"move_cost": -0.1}, "move_cost must be finite and at least 0, got -0.1"),
        ({"move_cost": float("nan")}, "move_cost must be finite and at least 0, got nan"),
        ({"mapping_seed": -1}, "mapping_seed must be a non-negative integer, got -1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        DeepSea(**options)  # type: ignore[arg-type]
