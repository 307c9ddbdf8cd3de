"""Designs that read a policy's states get those of a fresh forward pass; others cost nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from text_play import trainer_of

from rewardsmith.agents.llm import states
from rewardsmith.agents.llm.bridges import trl_reward
from rewardsmith.agents.llm.rollout import spans
from rewardsmith.agents.llm.states import with_states
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import RewardDesign, TaskReward
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.likelihood import ATTENTION, HIDDEN, policy_facts
from rewardsmith.rewards.transition import Transition


@dataclass
class Spread(Term):
    """Pays how much the states of a turn differ from their mean."""

    policy_facts = (HIDDEN,)

    def __call__(self, transition: Transition) -> FloatArray:
        return np.asarray(transition.info[HIDDEN], np.float64).std(axis=1).mean(axis=1)


def test_states_and_attention_are_those_of_each_conversation_alone() -> None:
    trainer = trainer_of("grpo", prompts_per_batch=3)
    groups, _, _ = trainer.collect()
    model, usual = trainer.policy.causal_lm, trainer.policy.causal_lm.config._attn_implementation
    told = with_states(trainer.policy, groups, [HIDDEN, ATTENTION, "belief"], micro_batch=4)
    assert model.config._attn_implementation == usual
    model.set_attn_implementation("eager")
    sizes = set()
    for before, after in zip(groups, told, strict=True):
        for plain, episode in zip(before, after, strict=True):
            parts = [part for span in spans(plain) for part in (span.context, span.ids)]
            ids = torch.from_numpy(np.concatenate(parts))[None]
            with torch.no_grad():
                output = model(ids, output_hidden_states=True, output_attentions=True)
            end = 0
            for step, span in zip(episode.steps, spans(plain), strict=True):
                start, end = end + len(span.context), end + len(span.context) + len(span.ids)
                assert_allclose(
                    step.info[HIDDEN], output.hidden_states[-1][0, start:end], atol=1e-4
                )
                rows = step.info[ATTENTION]
                assert_allclose(rows, output.attentions[-1][0, :, start:end, :end], atol=1e-5)
                assert_allclose(rows.sum(-1), 1.0, atol=1e-5)
                sizes.add(rows.shape)
            assert [s.action for s in plain.steps] == [s.action for s in episode.steps]
            assert HIDDEN not in plain.steps[0].info
    assert len(sizes) > 1


def test_a_design_that_asks_is_paid_by_the_trainer_and_others_cost_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = trainer_of("grpo")
    inner = RewardDesign({"spread": Spread()})
    design = RewardDesign({"task": TaskReward(), "inner": inner})
    assert policy_facts(design) == {HIDDEN}
    assert policy_facts(RewardDesign({"task": TaskReward()})) == set()
    asking = type(trainer)(trainer.policy, trainer.env, design, trainer.settings, seed=0)
    design.bind(trainer.env.card)
    told = asking.step()
    assert told["term/inner"] > 0
    assert told["grad_norm"] > 0

    def read(*arguments: object) -> None:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(states, "_told", read)
    trainer.step()
    with pytest.raises(AssertionError, match="nobody asked"):
        asking.step()


def test_a_trainer_that_shows_no_states_is_refused() -> None:
    with pytest.raises(ConfigError, match="reads the policy's probabilities or states"):
        trl_reward(RewardDesign({"spread": Spread()}), trainer_of("grpo").env.dialogue)
