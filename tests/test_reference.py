"""The reference policy: what is read off it, how it follows, and the designs that need one."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from test_probes import brute_force
from text_play import calculator, fresh_policy, trainer_of

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.bridges import trl_reward
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probe_points import ProbePoints
from rewardsmith.agents.llm.probes import asked_by, facts_of, probed
from rewardsmith.agents.llm.reference import ReferenceSync, frozen_copy
from rewardsmith.agents.llm.samplers import MixedPrompts, SpreadPrompts
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.agents.llm.warm_up import scripted
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.rewards import Group, RewardDesign, Transition, VectorRewardWrapper, build_design
from rewardsmith.rewards.credit import PerplexityRanks
from rewardsmith.rewards.episode import Episode
from rewardsmith.rewards.likelihood import (
    BARE_GOLD_LOGPROBS,
    GOLD_LOGPROBS,
    ReferenceLikelihood,
    likelihood,
)
from rewardsmith.rewards.verify import Judgement

POLICY = fresh_policy()
CHAT = Chat(POLICY.tokenizer)
SCRIPTS = ("oracle", "careless", "hacker")


def moved(policy: Policy, by: float = 0.3) -> Policy:
    """Returns a policy with other weights."""
    other = frozen_copy(policy)
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.mul_(1.0 + by)
    return other


REFERENCE = moved(POLICY)


def weights(policy: Policy) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in policy.model.parameters()])


def spoken(seed: int) -> Group:
    episodes = tuple(scripted(calculator(1), CHAT, script, seed, None) for script in SCRIPTS)
    return Group(episodes, seed)


def design_of(name: str) -> RewardDesign:
    design = build_design(compose(["env=calculator", f"reward={name}", "agent=grpo"])["reward"])
    design.bind(calculator(1).card)
    return design


def uneven(transcript: Any) -> float:
    """A form that about half of all messages have."""
    return float(len(transcript.turns[-1].message.text) % 2)


# ---- How it follows -------------------------------------------------------------------------


def test_it_is_mixed_with_the_policy_when_it_is_time() -> None:
    policy, reference = moved(POLICY, 1.0), frozen_copy(POLICY)
    sync, before = ReferenceSync(every=3, mix=0.6), weights(POLICY)
    for updates in (1, 2, 4):
        sync(reference, policy, updates)
        assert torch.equal(weights(reference), before)
    sync(reference, policy, 6)
    torch.testing.assert_close(weights(reference), 0.6 * 2.0 * before + 0.4 * before)
    ReferenceSync(mix=1.0)(reference, policy, 100)
    assert torch.equal(weights(reference), weights(policy))


def test_scores_are_those_of_the_mixed_weights() -> None:
    reference = frozen_copy(POLICY)
    shared = SharedPrompts(reference)  # as the trainer holds it, from before
    batch = TokenBatch.of(list(spoken(0)), 0)
    ReferenceSync(every=1, mix=0.5)(reference, REFERENCE, 1)
    plain = moved(POLICY, 0.15).logprobs(batch.ids, batch.attention)
    [found] = shared.logprobs(batch)
    inside = batch.written
    torch.testing.assert_close(found[inside], plain[inside], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"every": 0}, "reference_sync.every must be at least 1, got 0"),
        ({"mix": 0.0}, r"reference_sync.mix must be in \(0, 1\], got 0\.0"),
        ({"mix": 1.5}, r"reference_sync.mix must be in \(0, 1\], got 1\.5"),
    ],
)
def test_wrong_settings(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ReferenceSync(**options)


# ---- What is read off it --------------------------------------------------------------------


def test_facts_and_signals_are_those_of_the_reference() -> None:
    groups, points = [spoken(0), spoken(1)], ProbePoints(CHAT)
    names = ["gold_logprob", "bare_gold_logprobs", "reference_gold_avglogprob", "reasoning_tokens"]
    told, signals = probed(POLICY, CHAT, groups, names, reference=REFERENCE)
    assert signals.keys() == {*names} - {"bare_gold_logprobs"}
    for g, group in enumerate(told):
        for i, episode in enumerate(group):
            facts = episode.steps[-1].info
            bare = brute_force(REFERENCE, points.before_turns(episode)[0]).detach()
            assert_allclose(facts[BARE_GOLD_LOGPROBS], bare, rtol=1e-3, atol=1e-4)
            gold = brute_force(POLICY, points.at_end(episode)).detach()
            assert_allclose(facts[GOLD_LOGPROBS], gold, rtol=1e-3, atol=1e-4)
            mean = brute_force(REFERENCE, points.at_end(episode)).detach().mean()
            of_reference = signals["reference_gold_avglogprob"][g][i]
            assert_allclose(of_reference[-1], mean, rtol=1e-3)
            assert np.isnan(of_reference[:-1]).all()
            assert signals["reasoning_tokens"][g][i][-1] == reasoning(episode)


def reasoning(episode: Episode) -> int:
    """Returns how many characters and tags the policy wrote before its answer."""
    texts = [
        str(step.tokens and POLICY.tokenizer.decode(step.tokens.ids)) for step in episode.steps
    ]
    texts[-1] = texts[-1].split("<answer>")[0].removesuffix("<|end|>")
    return sum(len(POLICY.tokenizer(text).input_ids) for text in texts)


def test_only_what_is_asked_for_needs_a_reference() -> None:
    assert asked_by(design_of("sparse")) == []
    assert facts_of(design_of("rlpr")) == ["gold_logprob", "bare_gold_logprobs"]
    assert facts_of(design_of("nover")) == []
    assert asked_by(design_of("nover")) == ["reference_gold_avglogprob", "reasoning_tokens"]
    assert trainer_of("grpo", "sparse").reference is None
    assert trainer_of("grpo", "likelihood").reference is None
    assert trainer_of("grpo", "rlpr").reference is not None
    batch = trainer_of("grpo", "rlpr").collect()[1].rollouts
    assert "reference_logprob" not in batch.signals  # which nobody reads
    assert trainer_of("grpo", "nover").reference is not None


# ---- RLPR -----------------------------------------------------------------------------------

LOGPROBS = st.lists(st.floats(-30.0, 0.0), min_size=1, max_size=5).map(np.array)


def last_step(logprobs: Any, bare: Any) -> Transition:
    told = {GOLD_LOGPROBS: np.array([logprobs]), BARE_GOLD_LOGPROBS: np.array([bare])}
    return Transition([""], [""], [""], np.zeros(1), np.array([True]), np.array([False]), told)


@given(LOGPROBS, LOGPROBS)
def test_pay_over_bare_is_the_difference_of_probabilities(reasoned: Any, bare: Any) -> None:
    [paid] = ReferenceLikelihood("avgprob", over_bare=True)(last_step(reasoned, bare))
    difference = np.exp(reasoned).mean() - np.exp(bare).mean()
    assert 0.0 <= paid <= 1.0
    assert paid == pytest.approx(max(0.0, difference), abs=1e-12)


def test_rlpr_by_hand() -> None:
    term = ReferenceLikelihood("avgprob", over_bare=True)
    assert_allclose(term(last_step(np.log([0.5, 0.25]), np.log([0.1, 0.2]))), [0.225])
    assert_allclose(term(last_step(np.log([0.1, 0.2]), np.log([0.5, 0.25]))), [0.0])
    empty = term(last_step(np.zeros(0), np.zeros(0)))
    assert_array_equal(empty, [0.0])
    assert_array_equal(term.unscored, [True])


def test_rlpr_pays_what_the_paper_says() -> None:
    design = design_of("rlpr")
    told, signals = probed(
        POLICY, CHAT, [spoken(0)], asked_by(design), reference=REFERENCE
    )  # fmt: skip
    batch = pay(design, told, signals)
    for i, episode in enumerate(told[0]):
        facts = episode.steps[-1].info
        gain = likelihood("avgprob", facts[GOLD_LOGPROBS]) - likelihood(
            "avgprob", facts[BARE_GOLD_LOGPROBS]
        )
        form = batch.parts["format"][i]
        assert form in (0.0, 1.0)
        expected = 0.9 * min(max(gain, 0.0), 1.0) + 0.1 * form
        assert batch.rollouts.returns[i] == pytest.approx(expected)


def test_log_probabilities_are_not_compared_by_a_difference_in_0_to_1() -> None:
    with pytest.raises(ConfigError, match=r"over_bare clips .* got kind='logprob'; use"):
        ReferenceLikelihood("logprob", over_bare=True)


def test_who_has_no_reference_is_told_so() -> None:
    said = last_step(np.zeros(1), np.zeros(1))
    del said.info[BARE_GOLD_LOGPROBS]  # type: ignore[attr-defined]
    with pytest.raises(RewardError, match=r"needs the reference policy's prob.* use agent=grpo"):
        ReferenceLikelihood("avgprob", over_bare=True)(said)
    env = gym.make_vec("rewardsmith/Calculator-v0", 2, actions="menu", turns=1)
    with pytest.raises(ConfigError, match=r"compares episodes .*PerplexityRanks.*agent=grpo"):
        VectorRewardWrapper(env, design_of("nover"))
    paid = VectorRewardWrapper(env, design_of("rlpr"))
    paid.reset(seed=0)
    with pytest.raises(RewardError, match=r"needs a language model's probabilities.*agent=grpo"):
        paid.step(np.zeros(2, dtype=np.int64))
    for name in ("rlpr", "nover"):
        with pytest.raises(ConfigError, match="probabilities"):
            trl_reward(design_of(name), calculator(1).dialogue)


# ---- NOVER ----------------------------------------------------------------------------------


def test_without_a_reference_nothing_is_read_off_it() -> None:
    with pytest.raises(ConfigError, match="bare_gold_logprobs is read off a reference policy"):
        probed(POLICY, CHAT, [spoken(0)], [BARE_GOLD_LOGPROBS])


def test_nover_pays_by_the_reference() -> None:
    design = design_of("nover")
    groups = [spoken(0), spoken(1)]
    told, signals = probed(POLICY, CHAT, groups, asked_by(design), reference=REFERENCE)
    batch = pay(design, told, signals)
    form, points = batch.parts["format"] > 0, ProbePoints(CHAT)
    assert form.any()
    assert (batch.rollouts.returns[~form] == 0.0).all()
    for g, group in enumerate(told):
        mine = np.flatnonzero((batch.rollouts.group == g) & form)
        own = [episode for i, episode in enumerate(group) if form[len(SCRIPTS) * g + i]]
        logs = [float(brute_force(REFERENCE, points.at_end(e)).detach().mean()) for e in own]
        sizes = np.array([reasoning(episode) for episode in own])
        perplexity = np.exp(-np.array(logs) / np.maximum(1, 1 + np.log10(np.maximum(sizes, 1))))
        bonus = PerplexityRanks().bonus(perplexity, sizes)
        assert_allclose(batch.rollouts.returns[mine], 1.0 + bonus)


# ---- Training -------------------------------------------------------------------------------


def learner(name: str, **changes: Any) -> Trainer:
    """Returns a trainer of agent and reward of a name, by a form that random messages may have."""
    trainer = trainer_of(name, name, **changes)
    trainer.design.terms["format"].verifier = Judgement(uneven, judges_content=False)
    return trainer


CASES: dict[str, dict[str, Any]] = {
    "rlpr": {"prompts": SpreadPrompts(pool=20, average_from=1, filter_from=2, beta=1.5, rounds=3)},
    "nover": {"reference_sync": ReferenceSync(every=1, mix=0.6)},
}


@pytest.mark.parametrize("name", CASES)
def test_configured_agents_learn_and_resume_bit_for_bit(name: str) -> None:
    whole = learner(name, **copy.deepcopy(CASES[name]))
    before, reference = weights(whole.policy), weights(whole.reference)  # type: ignore[arg-type]
    whole.step()
    state = whole.state_dict()
    expected = [whole.step() for _ in range(2)]
    assert not torch.equal(weights(whole.policy), before)
    again = learner(name, **copy.deepcopy(CASES[name]))
    again.load_state_dict(state)
    for told in expected:
        repeated = again.step()
        assert all(np.isfinite(value) for value in told.values())
        del told["tokens_per_s"], repeated["tokens_per_s"]
        assert repeated == told
    assert torch.equal(weights(again.policy), weights(whole.policy))
    assert whole.reference is not None
    assert again.reference is not None
    assert torch.equal(weights(again.reference), weights(whole.reference))
    rounds = whole.episodes // (2 * 3)
    assert (rounds > whole.updates) == (name == "rlpr")  # groups were left out
    followed = not torch.equal(weights(whole.reference), reference)
    assert followed == (name == "nover")


def test_the_configured_reference_follows_after_a_hundred_updates() -> None:
    training = trainer_of("nover", "nover").settings
    assert training.reference_sync == ReferenceSync(every=100, mix=0.6)
    assert (training.objective.kl, training.aggregation) == (0.1, "constant")
    assert trainer_of("rlpr", "rlpr").settings.prompts == SpreadPrompts()


class FirstOfRound(MixedPrompts):
    """Keeps the first group of every round."""

    def keep(self, outcomes: Any) -> Any:
        return np.arange(len(outcomes.spread)) == 0


def test_a_batch_of_many_rounds_is_the_groups_that_were_kept() -> None:
    trainer = learner("nover", prompts=FirstOfRound(), prompts_per_batch=3, group_size=4)
    trainer.step()
    assert trainer.episodes == (3 + 2 + 1) * 4
    groups, paid = trainer.last_groups, trainer.last
    assert paid is not None
    rollouts = paid.rollouts
    assert [len(group) for group in groups] == [4] * 3
    assert len({group.start for group in groups}) == 3
    episodes = [episode for group in groups for episode in group]
    assert_array_equal(rollouts.group, np.repeat(np.arange(3), 4))
    written = [span.ids for e in episodes for span in (s.tokens for s in e.steps) if span]
    assert_array_equal(rollouts.ids, np.concatenate(written))
    form = [uneven(episode.steps[-1].info["transcript"]) for episode in episodes]
    assert_array_equal(paid.parts["format"], form)
    known = {"logprob", "entropy", "reference_logprob", "reasoning_tokens", "pay/format", "calls"}
    assert known <= rollouts.signals.keys()


def test_where_nothing_is_kept_the_first_groups_are_the_batch() -> None:
    trainer = trainer_of("grpo", prompts=MixedPrompts(rounds=2))
    groups, paid, told = trainer.collect()
    assert (len(groups), paid.rollouts.n_groups, told["success"]) == (2, 2, 0.0)
    assert trainer.episodes == 2 * 2 * 3
