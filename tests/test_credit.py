"""Credit estimators: card values, invariants, and agreement with plain Python."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import credit_reference as plain
import numpy as np
import pytest
from credit_reference import Batch, Credit, PlainEpisode, flat
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError
from rewardsmith.envs.errors import RewardError
from rewardsmith.rewards.credit import (
    Advantage,
    BatchWhitened,
    DualLevel,
    GroupRelative,
    InformationGain,
    JensenBound,
    LeaveOneOut,
    MinForm,
    PrefixTree,
    ProcessRelative,
    Rollouts,
    RolloutTree,
    SignedOutcome,
    StateGroups,
    softmin_pay,
)

SEEDS = st.integers(0, 2**32 - 1)

Reference = Callable[[Batch], Credit]


def rewards(batch: Batch) -> Credit:
    return [episode.reward for episode in batch]


PAIRS: dict[str, tuple[Advantage, Reference]] = {
    "grpo": (GroupRelative(), plain.group_relative),
    "dr_grpo": (GroupRelative(scale="none"), partial(plain.group_relative, scale=False)),
    "rloo": (LeaveOneOut(), partial(plain.group_relative, scale=False, one_out=True)),
    "reinforce_pp": (BatchWhitened(), plain.batch_whitened),
    "reinforce_pp_kl": (
        BatchWhitened(baseline=True, kl_weight=0.3, gamma=0.9),
        partial(plain.batch_whitened, baseline=True, kl=0.3, gamma=0.9),
    ),
    "w_reinforce": (SignedOutcome(), partial(plain.signed, positive=0.1, negative=1.0)),
    "gigpo": (StateGroups(), plain.state_groups),
    "gigpo_std": (
        StateGroups(0.8, 0.5, "std"),
        partial(plain.state_groups, scale=True, gamma=0.8, weight=0.5),
    ),
    "tempo": (PrefixTree(), plain.prefix_tree),
    "tree": (RolloutTree(), plain.rollout_tree),
    "tree_local": (
        RolloutTree("local", "none", True),
        partial(plain.rollout_tree, part="local", scale=False, weighted=True),
    ),
    "tree_global": (
        RolloutTree("global", leaf_weighted=True),
        partial(plain.rollout_tree, part="global", weighted=True),
    ),
    "process": (
        ProcessRelative(),
        lambda batch: plain.process_relative(batch, rewards(batch)),
    ),
    "matchtir": (DualLevel(), plain.dual_level),
    "igpo": (InformationGain(), plain.information_gain),
    "igpo_separate": (
        InformationGain("separate", "log", 0.9),
        partial(plain.information_gain, separate=True, log=True, gamma=0.9),
    ),
    "pure": (MinForm(), plain.min_form),
    "pure_step": (
        MinForm("step", 0.5, 2.0),
        partial(plain.min_form, by_token=False, temperature=0.5, outcome=2.0),
    ),
    "jepo": (JensenBound(), plain.jensen_bound),
}
METHODS = pytest.mark.parametrize(("method", "reference"), list(PAIRS.values()), ids=list(PAIRS))


def random_batch(seed: int) -> Batch:
    """Draws ragged groups: shared prefixes, states and nodes, single and unscored episodes."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(4), rng.integers(1, 6, 4))
    return [_episode(rng, int(group), number) for number, group in enumerate(groups)]


def _episode(rng: np.random.Generator, group: int, number: int) -> PlainEpisode:
    steps = int(rng.integers(1, 5))
    tokens = [rng.integers(0, 2, int(size)).tolist() for size in rng.integers(0, 4, steps)]
    turns = "".join(rng.choice(["0", "1"], steps))
    node = [int("1" + turns[: t + 1], base=2) for t in range(steps)]
    return PlainEpisode(
        group,
        (rng.random(steps).round(2) / steps).tolist(),
        bool(rng.random() < 0.8),
        rng.integers(0, 3, steps).tolist(),
        [*node[:-1], 1000 + number],  # an answer is a leaf of its own
        tokens,
        [rng.normal(size=len(turn)).tolist() for turn in tokens],
        [rng.normal(size=len(turn)).tolist() for turn in tokens],
        rng.uniform(0.1, 0.9, steps).tolist(),
        rng.uniform(-3, 0, steps).tolist(),
        rng.integers(-1, 1, steps).astype(float).tolist(),
    )


def rows(rollouts: Rollouts, level: str) -> np.ndarray:
    """Returns the episode of every row of a level."""
    numbers = np.arange(rollouts.n_episodes)
    return {"episode": numbers, "step": rollouts.episode, "token": rollouts.token_episode}[level]


def paid(*episodes: list[float], **more: Any) -> Rollouts:
    """Returns one group with the given step rewards; `more` are lists per episode."""
    return flat(
        [
            PlainEpisode(0, reward, **{name: values[i] for name, values in more.items()})
            for i, reward in enumerate(episodes)
        ]
    )


def outcomes(*returns: float) -> Rollouts:
    return paid(*([value] for value in returns))


# ---- Card values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "returns", "expected"),
    [
        (GroupRelative(), [1, 0, 0, 1], [0.8660, -0.8660, -0.8660, 0.8660]),
        (GroupRelative(ddof=0), [1, 0, 0, 1], [1, -1, -1, 1]),
        (GroupRelative(), [1, 0, 0, 0], [1.5, -0.5, -0.5, -0.5]),
        (GroupRelative(scale="none"), [1, 0, 0, 1], [0.5, -0.5, -0.5, 0.5]),
        (LeaveOneOut(), [1, 0, 0, 1], [2 / 3, -2 / 3, -2 / 3, 2 / 3]),
        (LeaveOneOut(), [1, 0, 0, 0], [1, -1 / 3, -1 / 3, -1 / 3]),
        (GroupRelative(), [0.7], [0.7]),
        (LeaveOneOut(), [0.7], [0.7]),
        (SignedOutcome(1.0, 0.0), [1, 0], [1, 0]),
        (SignedOutcome(0.0, 1.0), [1, 0], [0, -1]),
        (SignedOutcome(), [1, 0], [0.1, -1]),
        (SignedOutcome(1.0, 1.0), [1, 0], [1, -1]),
        (SignedOutcome(0.0, 1.0), [1, 1], [0, 0]),
    ],
)
def test_values_on_outcomes(method: Advantage, returns: list[float], expected: list[float]) -> None:
    assert_allclose(method(outcomes(*returns)), expected, atol=1e-4)


def test_a_constant_group_teaches_exactly_nothing() -> None:
    rollouts = outcomes(*[0.1] * 7)
    for method in (GroupRelative(), GroupRelative(scale="none"), LeaveOneOut()):
        assert_array_equal(method(rollouts), np.zeros(7))


def test_tempo_values() -> None:
    written = [[list(map(ord, text))] for text in ("AB1", "AB2", "AC1", "AC2")]
    rollouts = paid([1.0], [0.0], [0.0], [0.0], tokens=written)
    expected = [1.5, 2.0, 2.5, -0.5, 0.0, -1.5, -0.5, -1.0, -0.5, -0.5, -1.0, -0.5]
    assert_allclose(PrefixTree()(rollouts), expected, atol=1e-5)


def test_tempo_credits_the_first_token_where_no_prefix_is_shared() -> None:
    rollouts = paid([1.0], [0.0], [0.5], tokens=[[[1, 4]], [[2, 4]], [[3, 4]]])
    changes = PrefixTree()(rollouts) - GroupRelative().tokens(rollouts)
    assert_array_equal(
        np.abs(changes.reshape(3, 2)) > 1e-9, [[True, False], [True, False], [False, False]]
    )


def test_tempo_ends_an_episode_in_its_own_leaf() -> None:
    rollouts = paid([1.0], [0.0], tokens=[[[1]], [[1, 2]]])
    assert PrefixTree().violation(rollouts, PrefixTree()(rollouts)) < 1e-12


def test_tree_values() -> None:
    nodes = [[1, 3], [1, 4], [2, 5], [2, 6]]
    rollouts = paid([0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], node=nodes)
    local = RolloutTree("local", scale="none")(rollouts)
    assert_allclose(local, [0.25, 0.5, 0.25, -0.5, -0.25, 0, -0.25, 0])
    overall = RolloutTree("global", scale="none")(rollouts)
    assert_allclose(overall, [0.25, 0.75, 0.25, -0.25, -0.25, -0.25, -0.25, -0.25])
    assert_allclose(RolloutTree()(rollouts), (local + overall) / 0.5, atol=1e-5)
    shared = RolloutTree("local", "none", leaf_weighted=True)(rollouts)
    assert_allclose(shared, local / np.sqrt([2, 1, 2, 1, 2, 1, 2, 1]))


def test_gigpo_values() -> None:
    rollouts = paid([0.0, 10.0], [0.0, 0.0], state=[[1, 2], [1, 3]])
    steps = StateGroups(gamma=1.0)(rollouts) - StateGroups(step_weight=0.0)(rollouts)
    assert_allclose(steps, [5, 0, -5, 0])
    assert_allclose(StateGroups(step_weight=0.0)(rollouts), [5, 5, -5, -5])


def test_gigpo_compares_a_state_with_its_own_return() -> None:
    rollouts = paid([0.0, 1.0, 0.0, 2.0], state=[[7, 8, 7, 9]])
    added = StateGroups(gamma=1.0)(rollouts) - rollouts.returns[0]
    assert_allclose(added, [0.5, 0, -0.5, 0])


def test_matchtir_values() -> None:
    first, second = [0.5, 0.0, 1.0], [0.0]
    rollouts = paid(first, second)
    whole = np.array([1.5, 0.0])
    turn = np.array([1.31, 0.0])  # sum of 0.9^k r_k from the first turn on
    z_whole = (whole - whole.mean()) / whole.std(ddof=1)
    z_turn = (turn - turn.mean()) / turn.std(ddof=1)
    expected = [
        (z_whole[0] + z_turn[0]) / 2,
        (z_whole[0] + 0.9) / 2,  # nobody else has a second turn
        (z_whole[0] + 1.0) / 2,
        (z_whole[1] + z_turn[1]) / 2,
    ]
    assert_allclose(DualLevel()(rollouts), expected, atol=1e-5)


def test_igpo_values() -> None:
    rollouts = paid([0.0, 0.0, 1.0], [0.0, 0.0], belief=[[0.2, 0.5, 0.45], [0.3, 0.4]])
    separate = InformationGain("separate")(rollouts)
    assert_allclose(separate, [1.1162, -0.1625, 1.0, -1.1162, -1.0], atol=1e-4)
    scores = [0.0781, -0.8329, 1.9001, -0.4425, -0.7028]
    joint = [sum(scores[:3]), sum(scores[1:3]), scores[2], sum(scores[3:]), scores[4]]
    assert_allclose(InformationGain()(rollouts), joint, atol=2e-4)


def test_igpo_gains_telescope() -> None:
    belief = [0.2, 0.5, 0.45]
    rollouts = paid([0.0, 0.0, 1.0], [0.0], belief=[belief, [0.2]])
    assert_allclose(InformationGain()._gains(rollouts)[:2], [0.3, -0.05])
    logs = InformationGain(gain="log")._gains(rollouts)[:2]
    assert_allclose(logs, [0.9163, -0.1054], atol=1e-4)
    assert_allclose(logs.sum(), math.log(belief[-1] / belief[0]))


def test_igpo_teaches_where_all_fail() -> None:
    rollouts = paid([0.0, 0.0], [0.0, 0.0], belief=[[0.1, 0.4], [0.1, 0.2]])
    assert_array_equal(GroupRelative()(rollouts), [0, 0])
    assert np.abs(InformationGain()(rollouts)).max() > 0.5
    useful, useless = InformationGain("separate")(rollouts)[[0, 2]]
    assert useful > 0 > useless


def test_pure_softmin_values() -> None:
    episode, first = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 3])
    reward = np.array([0.9, 0.8, -0.6, 0.2, 0.1, 0.3])
    pay = softmin_pay(reward, episode, first)
    assert_allclose(pay[:3].sum(), -0.599998, atol=1e-6)
    assert_allclose(pay[3:] / reward[3:], [0.2447, 0.6652, 0.0900], atol=1e-4)
    assert_allclose(pay[3:].sum(), 0.1425, atol=1e-4)
    assert_array_equal(softmin_pay(reward, episode, first, 0.0), [0, 0, -0.6, 0, 0.1, 0])


def test_pure_does_not_pay_for_padding() -> None:
    short = softmin_pay(np.array([0.5, 0.5]), np.zeros(2, int), np.zeros(1, int)).sum()
    padded = softmin_pay(np.array([0.5, 0.5, 0.9, 0.9]), np.zeros(4, int), np.zeros(1, int)).sum()
    assert abs(short - padded) < 0.02


def test_pure_baselines() -> None:
    tokens = [[[1, 1], [1]], [[1, 1, 1, 1]], [[1]]]
    rollouts = paid([0.4, 0.4], [0.8], [-0.2], tokens=tokens)
    token = (0.8 - 0.2) / 5  # per token of the siblings
    first = MinForm("token")(rollouts)[:2]
    assert_allclose(first, [0.4 - 3 * token, 0.2 - token])
    step = (0.8 - 0.2) / 2
    assert_allclose(MinForm("step")(rollouts)[:2], [0.4 - 2 * step, 0.2 - step])


def test_reinforce_pp_scale_is_of_the_batch() -> None:
    easy, hard = [1.0] * 9 + [0.0], [0.0] * 9 + [1.0]
    batch = [PlainEpisode(0, [r], tokens=[[1]]) for r in easy]
    batch += [PlainEpisode(1, [r], tokens=[[1]]) for r in [0.0, 0.0, 0.0, 0.0, 1.0, *hard]]
    rollouts = flat(batch)
    whitened = BatchWhitened()(rollouts)
    assert_allclose([whitened.mean(), whitened.std(ddof=1)], [0.0, 1.0], atol=1e-5)
    assert np.abs(whitened).max() < np.abs(GroupRelative()(rollouts)).max()


def test_jepo_values() -> None:
    rollouts = paid([0.0], [0.0], gold=[[math.log(0.125)], [math.log(0.5)]])
    assert_allclose(JensenBound()(rollouts), [-0.47000, 0.91629], atol=1e-5)


def test_jepo_keeps_its_digits_where_one_episode_is_far_likelier() -> None:
    gold = [[0.0], [-60.0], [-61.0]]
    credit = JensenBound()(paid([0.0], [0.0], [0.0], gold=gold))
    rest = -60 + math.log((1 + math.exp(-1)) / 2)
    assert_allclose(credit[0], -math.log(3) - rest, rtol=1e-12)


def test_rloo_gives_the_exact_policy_gradient_and_grpo_does_not() -> None:
    """Over all pairs of three arms, weighted by their chance: no sampling error."""
    chance, reward = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 0.4])
    exact = chance * (reward - chance @ reward)  # of E[r] in the softmax logits

    def expected(method: Advantage) -> np.ndarray:
        total = np.zeros(3)
        for pair in itertools.product(range(3), repeat=2):
            credit = method(outcomes(*reward[list(pair)]))
            score = np.eye(3)[list(pair)] - chance
            total += chance[list(pair)].prod() * credit @ score / 2
        return total

    assert_allclose(expected(LeaveOneOut()), exact, atol=1e-12)
    biased = expected(GroupRelative())
    assert np.abs(biased / np.linalg.norm(biased) - exact / np.linalg.norm(exact)).max() > 0.05


# ---- Agreement with plain Python ---------------------------------------------------------


@METHODS
@settings(max_examples=25)
@given(seed=SEEDS)
def test_agrees_with_plain_python(method: Advantage, reference: Reference, seed: int) -> None:
    batch = random_batch(seed)
    expected = [value for episode in reference(batch) for value in episode]
    assert_allclose(method(flat(batch)), expected, rtol=1e-9, atol=1e-9)


# ---- Invariants --------------------------------------------------------------------------


@METHODS
@settings(max_examples=15)
@given(seed=SEEDS)
def test_the_invariant_holds_and_its_check_can_fail(
    method: Advantage, reference: Reference, seed: int
) -> None:
    batch = random_batch(seed)
    batch += [copy.deepcopy(batch[0]), copy.deepcopy(batch[0])]
    batch[-1].node[-1] += 5000
    batch[-2].node[-1] += 6000
    for episode in batch[-2:]:
        episode.scored = True
        episode.tokens[-1] = episode.tokens[-1] or [1]
        episode.logprob[-1] = episode.reference[-1] = [0.5] * len(episode.tokens[-1])
    rollouts = flat(batch)
    credit = method(rollouts)
    assert method.violation(rollouts, credit) < 1e-9
    wrong = np.where(rollouts.scored[rows(rollouts, method.level)], credit + 3.0, 0.0)
    assert method.violation(rollouts, wrong) > 0.1


@METHODS
@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_order_of_episodes_does_not_matter(
    method: Advantage, reference: Reference, seed: int
) -> None:
    batch = random_batch(seed)
    order = np.random.default_rng(seed).permutation(len(batch))
    rollouts, shuffled = flat(batch), flat([batch[i] for i in order])
    ours, theirs = method(rollouts), method(shuffled)
    for new, old in enumerate(order):
        mine = ours[rows(rollouts, method.level) == old]
        assert_allclose(theirs[rows(shuffled, method.level) == new], mine, atol=1e-9)


@METHODS
@settings(max_examples=10)
@given(seed=SEEDS)
def test_what_an_unscored_episode_holds_changes_nothing(
    method: Advantage, reference: Reference, seed: int
) -> None:
    batch = random_batch(seed)
    assume(not all(episode.scored for episode in batch))
    other = copy.deepcopy(batch)
    for episode in other:
        if not episode.scored:
            size = len(episode)
            episode.reward = episode.belief = episode.gold = episode.outcome = [math.nan] * size
            episode.logprob = [[math.nan] * len(turn) for turn in episode.logprob]
            episode.state, episode.node = [0] * size, [1] * size
            episode.tokens = [[0] * len(turn) for turn in episode.tokens]
    rollouts = flat(batch)
    credit = method(flat(other))
    assert_array_equal(credit, method(rollouts))
    assert_array_equal(credit[~rollouts.scored[rows(rollouts, method.level)]], 0.0)


@pytest.mark.parametrize("name", [name for name in PAIRS if "reinforce_pp" not in name])
@settings(max_examples=10)
@given(seed=SEEDS)
def test_groups_are_independent(name: str, seed: int) -> None:
    method = PAIRS[name][0]
    batch = random_batch(seed)
    other = [episode for episode in random_batch(seed + 1) if episode.group == 0]
    other += [episode for episode in batch if episode.group > 0]
    first, second = flat(batch), flat(other)
    kept = (r.group[rows(r, method.level)] > 0 for r in (first, second))
    assert_array_equal(method(first)[next(kept)], method(second)[next(kept)])


@pytest.mark.parametrize(
    ("method", "scale"),
    [
        (GroupRelative(epsilon=0.0), 1.0),
        (GroupRelative(scale="none"), 3.0),
        (LeaveOneOut(), 3.0),
        (PrefixTree(epsilon=0.0), 1.0),
        (RolloutTree(epsilon=0.0), 1.0),
        (RolloutTree(scale="none"), 3.0),
        (BatchWhitened(epsilon=0.0), 1.0),
    ],
    ids=str,
)
@settings(max_examples=15)
@given(seed=SEEDS)
def test_shifted_and_scaled_returns(method: Advantage, scale: float, seed: int) -> None:
    """A(3 R + 2) = scale * A(R), where nobody is alone."""
    batch = random_batch(seed)
    batch = [*batch, *[copy.deepcopy(e) for e in batch]]
    rollouts = flat(batch)
    moved = rollouts.with_returns(3.0 * rollouts.returns + 2.0)
    assert_allclose(method(moved), scale * method(rollouts), atol=1e-6)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_special_cases_meet(seed: int) -> None:
    batch = random_batch(seed)
    rollouts = flat(batch)
    whole = GroupRelative(scale="none")(rollouts)[rollouts.episode]
    assert_allclose(StateGroups(step_weight=0.0)(rollouts), whole)
    fresh = iter(range(10_000))
    for episode in batch:
        episode.state = [next(fresh) for _ in episode.state]
    assert_allclose(StateGroups()(flat(batch)), whole)


def test_a_lone_survivor_is_compared_with_nobody() -> None:
    rollouts = flat(
        [
            PlainEpisode(0, [1.0], gold=[-1.0], tokens=[[1]]),
            PlainEpisode(0, [0.0], False, gold=[-2.0], tokens=[[2]]),
        ]
    )
    for method in (
        GroupRelative(),
        LeaveOneOut(),
        DualLevel(),
        MinForm(),
        JensenBound(),
        PrefixTree(),
    ):
        assert_array_equal(method(rollouts), [0.0, 0.0])


# ---- Errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (
            StateGroups(),
            "StateGroups needs 'state', which these rollouts lack: give Rollouts.state",
        ),
        (RolloutTree(), "RolloutTree needs 'node', which these rollouts lack: sample by tree"),
        (PrefixTree(), "PrefixTree needs 'tokens', which these rollouts lack: only episodes"),
        (InformationGain(), "needs 'belief', which these rollouts lack: put 'belief' among"),
        (JensenBound(), "needs 'gold_logprob'"),
        (MinForm("step", outcome_weight=1.0), "needs 'outcome'"),
        (BatchWhitened(kl_weight=1.0), "needs 'tokens'"),
        (SignedOutcome(), r"needs returns in \[0, 1\], episode 0 has 2;"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_rollouts_lack(method: Advantage, sentence: str) -> None:
    with pytest.raises(RewardError, match=sentence):
        method(outcomes(2.0, 1.0))


def test_wrong_signals() -> None:
    with pytest.raises(RewardError, match=r"'belief' is 0\.0 at step 1"):
        InformationGain(gain="log")(paid([0.0, 1.0], belief=[[0.5, 0.0]]))
    with pytest.raises(RewardError, match="'gold_logprob' is -inf for episode 1"):
        JensenBound()(paid([0.0], [0.0], gold=[[-1.0], [-math.inf]]))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: GroupRelative(scale="sdt"), "unknown scale 'sdt' in GroupRelative.scale; did you"),  # type: ignore[arg-type]
        (lambda: StateGroups(scale="x"), "StateGroups.scale"),  # type: ignore[arg-type]
        (lambda: RolloutTree("lokal"), "did you mean 'local'"),  # type: ignore[arg-type]
        (lambda: InformationGain("jointly"), "unknown together 'jointly'"),  # type: ignore[arg-type]
        (lambda: InformationGain(gain="logs"), "unknown gain 'logs'"),  # type: ignore[arg-type]
        (lambda: MinForm("tokens"), "unknown baseline 'tokens'"),  # type: ignore[arg-type]
        (lambda: MinForm(temperature=-1.0), "temperature must be at least 0, got -1.0"),
        (lambda: BatchWhitened(kl_weight=-0.1), "kl_weight must be at least 0"),
    ],
)
def test_wrong_settings(build: Callable[[], Advantage], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build()
