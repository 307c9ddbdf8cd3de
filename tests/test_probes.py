"""Probes and what is read off them: beliefs, likelihood rewards, and their second gradient."""

from __future__ import annotations

from typing import Any, get_args

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from text_play import calculator, fresh_policy, trainer_of
from torch import Tensor

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.likelihood_objective import (
    GoldAnswers,
    LikelihoodObjective,
    episode_weights,
)
from rewardsmith.agents.llm.likelihood_objective import likelihood as likelihood_of_tensor
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probe_points import Probe, ProbePoints, score
from rewardsmith.agents.llm.probes import GOLD_LOGPROB, probed
from rewardsmith.agents.llm.warm_up import scripted
from rewardsmith.envs import ConfigError
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards import Group, RewardDesign, Transition, VectorRewardWrapper
from rewardsmith.rewards.combine import WeightedSum
from rewardsmith.rewards.credit import (
    GroupRelative,
    InformationGain,
    JensenBound,
    LeaveOneOut,
    Rollouts,
)
from rewardsmith.rewards.episode import TokenSpan
from rewardsmith.rewards.likelihood import (
    GOLD_LOGPROBS,
    Kind,
    ReferenceLikelihood,
    likelihood,
    likelihood_terms,
)
from rewardsmith.rewards.shaping import TaskReward

POLICY = fresh_policy()
CHAT = Chat(POLICY.tokenizer)
KINDS: tuple[Kind, ...] = get_args(Kind)


def ids(text: str) -> IntArray:
    return np.array(POLICY.tokenizer(text).input_ids, dtype=np.int64)


def text(tokens: IntArray) -> str:
    return str(POLICY.tokenizer.decode(tokens.tolist()))


def brute_force(policy: Policy, probe: Probe) -> Tensor:
    """Returns the log-probabilities of a probe's target from the model's logits, unpadded."""
    tokens = torch.from_numpy(np.concatenate([probe.context, probe.target]))
    logprobs = policy.model(input_ids=tokens[None]).logits[0].log_softmax(-1)
    places = torch.arange(len(probe.context), len(tokens))
    picked: Tensor = logprobs[places - 1, tokens[places]]
    return picked


def oracle_group(seed: int, scripts: tuple[str, ...] = ("oracle", "careless")) -> Group:
    env = calculator(1)
    return Group(tuple(scripted(env, CHAT, script, seed, None) for script in scripts), seed)


# ---- Scoring --------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), min_size=1, max_size=7),
    micro_batch=st.integers(1, 8),
    seed=st.integers(0, 9),
)
def test_scores_are_those_of_every_probe_alone(
    sizes: list[tuple[int, int]], micro_batch: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probes = [Probe(random.integers(0, 99, c), random.integers(0, 99, t)) for c, t in sizes]
    found = score(POLICY, [*probes, probes[0]], micro_batch)
    for probe, logprobs in zip([*probes, probes[0]], found, strict=True):
        assert_allclose(logprobs, brute_force(POLICY, probe).detach(), atol=1e-4)


def test_equal_probes_are_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    whole = POLICY.logprobs

    def counted(tokens: Tensor, *rest: Any) -> Any:
        rows.append(len(tokens))
        return whole(tokens, *rest)

    monkeypatch.setattr(POLICY, "logprobs", counted)
    probe = Probe(ids("1+1="), ids("2"))
    assert len(score(POLICY, [probe, Probe(ids("1+1="), ids("3")), probe])) == 3
    assert rows == [2]


# ---- Where the answer is looked for ---------------------------------------------------------


def test_before_every_turn_stands_all_that_was_said() -> None:
    (episode,) = oracle_group(0, ("oracle",))
    answer = episode.steps[0].info["transcript"].task.answer
    probes = ProbePoints(CHAT).before_turns(episode)
    assert len(probes) == len(episode) == 2
    heard = ""
    for probe, step in zip(probes, episode.steps, strict=True):
        assert step.tokens is not None
        heard += text(step.tokens.context)
        assert heard.endswith("<|assistant|>")
        assert text(probe.context) == heard + "<answer>"
        assert text(probe.target) == answer
        heard += text(step.tokens.ids)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("<think>Hm.</think><answer>3</answer><|end|>", "<think>Hm.</think>"),
        ("<answer>3</answer><answer>4", ""),
        ("Hm.<|end|>", "Hm."),
        ("Hm", "Hm"),
        ("<|end|>", ""),
    ],
)
def test_the_last_turn_is_cut_at_its_answer(written: str, kept: str) -> None:
    turns = [
        TokenSpan(ids(q), ids(a), np.zeros(0)) for q, a in (("1?", "x<answer>"), ("2?", written))
    ]
    probe = ProbePoints(CHAT).after(turns, "42")
    assert text(probe.context) == f"1?x<answer>2?{kept}<answer>"
    assert text(probe.target) == "42"


class Pieces:
    """A tokenizer whose tokens do not end where tags do."""

    vocabulary = ("so", "</think", "><", "answer", ">", "<answer", "7", "x")

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.vocabulary[token] for token in tokens)

    def __call__(self, said: str, add_special_tokens: bool) -> Any:
        found = []
        while said:
            piece = max((p for p in self.vocabulary if said.startswith(p)), key=len)
            found.append(self.vocabulary.index(piece))
            said = said.removeprefix(piece)
        return type("Encoding", (), {"input_ids": found})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([0, 1, 2, 3, 4, 6, 7], [7, 0, 1, 2, 3, 4]),  # "><" stands across the cut
        ([0, 1, 4, 5, 4, 6, 7], [7, 0, 1, 4, 5, 4]),
        ([0, 1, 4, 7], [7, 0, 1, 4, 5, 4]),
    ],
)
def test_tokens_that_do_not_end_where_tags_do(written: list[int], read: list[int]) -> None:
    chat: Any = type("Chat", (), {"tokenizer": Pieces(), "stop_ids": (7,)})
    turn = TokenSpan(np.array([7]), np.array(written), np.zeros(len(written)))
    probe = ProbePoints(chat()).after([turn], "7")
    assert_array_equal(probe.context, read)  # always "x" and "so</think><answer>"
    assert_array_equal(probe.target, [6])


def test_what_exceeds_the_context_is_cut_off_its_end() -> None:
    turn = TokenSpan(ids("question"), ids("reasoning"), np.zeros(0))
    probe = ProbePoints(CHAT, limit=13).after([turn], "42")
    assert text(probe.context) == "questionre<answer>"
    assert len(probe.context) + len(probe.target) == 13


# ---- Signals and facts ----------------------------------------------------------------------


def test_signals_of_a_batch() -> None:
    groups = [oracle_group(seed) for seed in (0, 1)]
    points = ProbePoints(CHAT)
    told, signals = probed(POLICY, CHAT, groups, ["node", "belief", "gold_logprob"])
    assert signals.keys() == {"belief", "gold_logprob"}
    for g, group in enumerate(told):
        for i, episode in enumerate(group):
            beliefs = [brute_force(POLICY, p).mean().exp() for p in points.before_turns(episode)]
            assert_allclose(signals["belief"][g][i], torch.stack(beliefs).detach(), rtol=1e-4)
            gold = brute_force(POLICY, points.at_end(episode)).detach()
            assert_allclose(signals["gold_logprob"][g][i][-1], gold.sum(), rtol=1e-5)
            assert np.isnan(signals["gold_logprob"][g][i][:-1]).all()
            assert_allclose(episode.steps[-1].info[GOLD_LOGPROBS], gold, rtol=1e-4)
            assert GOLD_LOGPROBS not in episode.steps[0].info
    paid = pay(RewardDesign({"task": TaskReward()}), told, signals)
    gains = InformationGain(together="separate").credit(paid.rollouts)
    assert gains.shape == (paid.rollouts.n_steps,)
    assert np.isfinite(gains).all()
    assert np.isfinite(JensenBound().credit(paid.rollouts)).all()


def test_nothing_is_scored_that_nobody_asks_for() -> None:
    groups = [oracle_group(0)]
    told, signals = probed(POLICY, CHAT, groups, ["node", "tokens"])
    assert told[0] is groups[0]
    assert signals == {}


# ---- The reward -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [("prob", 0.125), ("avgprob", 0.375), ("logprob", -2.07944), ("avglogprob", -1.03972)],
)
def test_values_of_the_card(kind: Kind, value: float) -> None:
    logprobs = np.log([0.5, 0.25])
    assert_allclose(likelihood(kind, logprobs), value, atol=5e-6)
    assert_allclose(likelihood_of_tensor(kind, torch.tensor(logprobs)), value, atol=5e-6)


def step(logprobs: list[Any], done: list[bool]) -> Transition:
    n = len(done)
    told = np.empty(n, dtype=object)
    told[:] = logprobs
    ended = np.array(done)
    said = [""] * n
    return Transition(said, said, said, np.zeros(n), ended, ~ended, info={GOLD_LOGPROBS: told})


def test_the_last_step_alone_is_paid_and_no_answer_is_no_score() -> None:
    term = ReferenceLikelihood("prob")
    last = step([np.log([0.5, 0.25]), np.zeros(0)], [True, True])
    assert_allclose(term(last), [0.125, 0.0])
    assert term.unscored is not None
    assert_array_equal(term.unscored, [False, True])
    (episode,) = probed(POLICY, CHAT, [oracle_group(0, ("oracle",))], ["gold_logprob"])[0][0]
    placed = ReferenceLikelihood("logprob").place(episode.transitions())
    assert_allclose(placed, [0, episode.steps[-1].info[GOLD_LOGPROBS].sum()])


def test_agents_without_a_language_model_are_told_what_to_use() -> None:
    env = gym.make_vec("rewardsmith/Calculator-v0", 2, actions="menu", turns=1)
    paid = VectorRewardWrapper(env, RewardDesign({"gold": ReferenceLikelihood()}))
    paid.reset(seed=0)
    with pytest.raises(RewardError, match=r"needs a language model's probabilities.*agent=grpo"):
        paid.step(np.zeros(2, dtype=np.int64))


def test_wrong_use_of_the_term() -> None:
    with pytest.raises(ConfigError, match=r"unknown kind 'logprop'.*did you mean 'logprob'"):
        ReferenceLikelihood("logprop")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Line-v0 is no text task"):
        ReferenceLikelihood().bind(EnvCard("Line-v0", ""))


def test_terms_are_found_in_nested_designs() -> None:
    inner = ReferenceLikelihood("prob")
    design = RewardDesign(
        {"task": TaskReward(), "gold": RewardDesign({"gold": inner})}, combine=WeightedSum()
    )
    assert list(likelihood_terms(design)) == [inner]


# ---- The second gradient --------------------------------------------------------------------


def some_probes(answers: tuple[str, ...] = ("12", "7", "305", "")) -> list[Probe]:
    return [Probe(ids(f"{i}+{i}=<answer>"), ids(answer)) for i, answer in enumerate(answers)]


def gradient(policy: Policy) -> Tensor:
    parts = [p.grad.flatten() for p in policy.model.parameters() if p.grad is not None]
    policy.model.zero_grad()
    return torch.cat(parts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("micro_batch", [1, 64])
def test_the_gradient_is_that_of_the_mean_reward(kind: Kind, micro_batch: int) -> None:
    probes, weights = some_probes(), np.array([1.0, 0.5, 2.0, 1.0])
    objective = LikelihoodObjective(kind, coefficient=0.3, micro_batch=micro_batch)
    told = GoldAnswers(objective, POLICY, probes, weights).backward([0, 1, 2, 3])
    found = gradient(POLICY)
    formulas = {
        "prob": lambda l: l.exp().prod(),
        "avgprob": lambda l: l.exp().sum() / len(l),
        "logprob": lambda l: l.sum(),
        "avglogprob": lambda l: l.sum() / len(l),
    }
    rewards = [weights[i] * formulas[kind](brute_force(POLICY, probes[i])) for i in range(3)]
    loss = -0.3 * sum(rewards[1:], rewards[0]) / 4
    loss.backward()
    assert_allclose(found, gradient(POLICY), rtol=1e-3, atol=1e-6)
    assert_allclose(told["likelihood_loss"], loss.detach(), rtol=1e-4)


def test_the_gradient_of_prob_is_its_value_times_that_of_logprob() -> None:
    probe = some_probes()[:1]
    found = []
    for kind in ("prob", "logprob"):
        GoldAnswers(LikelihoodObjective(kind, 1.0), POLICY, probe, np.ones(1)).backward([0])
        found.append(gradient(POLICY))
    value = likelihood("prob", score(POLICY, probe)[0])
    assert_allclose(found[0], value * found[1], rtol=1e-3, atol=1e-9)


def test_a_minibatch_is_averaged_over_itself() -> None:
    probes, objective = some_probes(), LikelihoodObjective("logprob", 1.0)
    answers = GoldAnswers(objective, POLICY, probes, np.array([1.0, 0.0, 1.0, 1.0]))
    alone = GoldAnswers(objective, POLICY, probes[2:3], np.ones(1)).backward([0])["likelihood_loss"]
    both = answers.backward([1, 2])["likelihood_loss"]
    assert_allclose(both, alone / 2, rtol=1e-5)  # episode 1 was not scored
    gradient(POLICY)


def rollouts(gold: FloatArray, group: list[int], scored: list[bool]) -> Rollouts:
    n = len(group)
    return Rollouts(
        np.array(group), np.array(scored), np.arange(n), np.zeros(n), signals={"gold_logprob": gold}
    )


def test_the_gradient_of_jensens_bound() -> None:
    probes = some_probes(("12", "7", "30", "4"))
    gold = np.array([logprobs.sum() for logprobs in score(POLICY, probes)])
    weights = episode_weights(JensenBound(), rollouts(gold, [0, 0, 1, 1], [True] * 4))
    GoldAnswers(LikelihoodObjective("logprob", 1.0), POLICY, probes, weights).backward(range(4))
    found = gradient(POLICY)
    sums = torch.stack([brute_force(POLICY, probe).sum() for probe in probes]).view(2, 2)
    bound = sums.logsumexp(1) - np.log(2)
    (-bound.mean()).backward()
    assert_allclose(found, gradient(POLICY), rtol=1e-3, atol=1e-5)


def test_weights_of_episodes() -> None:
    batch = rollouts(np.log([0.1, 0.3, 0.9, 0.5]), [0, 0, 0, 1], [True, True, False, False])
    assert_array_equal(episode_weights(GroupRelative(), batch), [1, 1, 0, 0])
    assert_allclose(episode_weights(JensenBound(), batch), [0.5, 1.5, 0, 0])


def test_both_parts_of_the_gradient_are_on_one_scale() -> None:
    """The gradient of a batch is that of mean_i [A_i ln pi(z_i) + R(z_i)], to the last factor."""
    learner = trainer_of("likelihood", "likelihood")
    groups, paid, _ = learner.collect()
    lesson, policy = learner._lesson(groups, paid.rollouts), learner.policy
    episodes = [episode for group in groups for episode in group]
    points, batch = ProbePoints(learner.chat), lesson.batch
    policy.model.zero_grad()
    objective = torch.zeros(())
    for row, (episode, a) in enumerate(zip(episodes, LeaveOneOut()(paid.rollouts), strict=True)):
        logprobs = policy.logprobs(batch.ids[[row]], batch.attention[[row]])[0]
        reasoning = logprobs[batch.written[row]][: points.reasoning(episode)].sum()
        objective = objective + a * reasoning + brute_force(policy, points.at_end(episode)).sum()
    (-objective / len(episodes)).backward()  # type: ignore[no-untyped-call]
    expected = gradient(policy)
    answers = learner._gold_answers(groups, paid.rollouts)
    learner.update._differentiate(lesson, torch.arange(len(episodes)), answers)
    torch.testing.assert_close(gradient(policy), expected, rtol=1e-3, atol=1e-4)


def test_a_gradient_needs_one_kind_of_reward() -> None:
    plain = RewardDesign({"task": TaskReward()})
    two = RewardDesign({"a": ReferenceLikelihood("prob"), "b": ReferenceLikelihood("logprob")})
    assert LikelihoodObjective.of(plain, GroupRelative(), 0.0, 64) is None
    assert LikelihoodObjective.of(plain, JensenBound(), 1.0, 64) is not None
    with pytest.raises(ConfigError, match=r"reward_gradient must be at least 0, got -1\.0"):
        LikelihoodObjective.of(plain, JensenBound(), -1.0, 64)
    for design, there in ((plain, "none"), (two, r"\['logprob', 'prob'\]")):
        with pytest.raises(ConfigError, match=f"reward_gradient=1.0 needs one kind.*are {there}"):
            LikelihoodObjective.of(design, GroupRelative(), 1.0, 64)


# ---- Training -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "reward"),
    [("igpo", "sparse"), ("jepo", "sparse"), ("likelihood", "likelihood"), ("grpo", "likelihood")],
)
def test_configured_agents_learn_from_probes(agent: str, reward: str) -> None:
    trainer = trainer_of(agent, reward)
    before = [p.detach().clone() for p in trainer.policy.model.parameters()]
    for _ in range(2):
        told = trainer.step()
        assert all(np.isfinite(value) for value in told.values())
    assert ("likelihood_loss" in told) == (agent in ("jepo", "likelihood"))
    after = trainer.policy.model.parameters()
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_the_gold_answer_grows_likelier() -> None:
    trainer = trainer_of("likelihood", "likelihood", learning_rate=3e-3, prompts_per_batch=4)
    paid = [trainer.step()["term/likelihood"] for _ in range(8)]
    assert np.mean(paid[-2:]) > np.mean(paid[:2]) + 1.0
    group = oracle_group(5, ("oracle",))
    (told,), _ = probed(trainer.policy, trainer.chat, [group], [GOLD_LOGPROB])
    (episode,) = told
    assert episode.steps[-1].info[GOLD_LOGPROBS].shape[0] >= 1
