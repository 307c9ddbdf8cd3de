"""Losses: TRL's on the same numbers, hand-made values, and what no gradient may reach."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rewardsmith.agents.llm.objectives import (
    Aggregation,
    ClippedObjective,
    kl_estimate,
    likelihood_loss,
    preference_loss,
    token_weights,
)
from rewardsmith.envs.errors import ConfigError

B, T, VOCABULARY = 5, 7, 11
LONGEST = 9


class Case:
    """Random logits and everything a loss takes, for B answers of up to T tokens."""

    def __init__(self, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        self.logits = torch.randn(B, T, VOCABULARY, generator=random).requires_grad_()
        self.ids = torch.randint(VOCABULARY, (B, T), generator=random)
        lengths = torch.randint(1, T + 1, (B,), generator=random)
        self.mask = torch.arange(T) < lengths[:, None]
        noise = torch.randn(2, B, T, generator=random)
        now = self.logprobs().detach()
        self.old, self.reference = now + 0.3 * noise[0], now + 0.3 * noise[1]
        self.advantages = torch.randn(B, generator=random)

    def logprobs(self) -> Tensor:
        """Returns ln pi of the ids, with a gradient to the logits."""
        return self.logits.log_softmax(-1).gather(-1, self.ids[..., None])[..., 0]

    def gradient(self, loss: Tensor) -> Tensor:
        """Returns the gradient of a loss by the logits."""
        return torch.autograd.grad(loss, self.logits)[0]


def trl_self(case: Case, **settings: Any) -> Any:
    """Returns what TRL's loss methods read off their trainer, one process and no logging."""
    accelerator = MagicMock()
    accelerator.gather = accelerator.gather_for_metrics = lambda x: x
    accelerator.reduce = lambda x, reduction: x
    accelerator.num_processes, accelerator.device = 1, torch.device("cpu")
    entropies = torch.zeros(B, T)
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (case.logprobs(), entropies, None),
        accelerator=accelerator,
        aux_loss_enabled=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        _metrics={"train": defaultdict(list)},
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        _entropy_bonus_enabled=False,
        use_vllm=False,
        importance_sampling_level="token",
        max_completion_length=LONGEST,
        **settings,
    )


def trl_inputs(case: Case) -> dict[str, Tensor]:
    prompt = torch.zeros(B, 1, dtype=torch.int64)
    return {
        "prompt_ids": prompt,
        "prompt_mask": prompt + 1,
        "completion_ids": case.ids,
        "completion_mask": case.mask.long(),
        "advantages": case.advantages,
        "old_per_token_logps": case.old,
        "ref_per_token_logps": case.reference,
        "old_logps": (case.old * case.mask).sum(1),
        "num_items_in_batch": case.mask.sum(),
    }


def assert_same(case: Case, ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(case.gradient(ours), case.gradient(theirs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kl", [0.0, 0.04])
@pytest.mark.parametrize(
    ("loss_type", "aggregation", "high"),
    [
        ("grpo", "sequence_mean", 0.2),
        ("dapo", "token_mean", 0.28),
        ("dr_grpo", "constant", 0.2),
    ],
)
def test_clipped_losses_and_gradients_are_trls(
    seed: int, kl: float, loss_type: str, aggregation: Aggregation, high: float
) -> None:
    from trl.trainer.grpo_trainer import GRPOTrainer

    case = Case(seed)
    trainer = trl_self(
        case,
        beta=kl,
        loss_type=loss_type,
        epsilon_low=0.2,
        epsilon_high=high,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
    )
    theirs = GRPOTrainer._compute_loss(trainer, None, trl_inputs(case))
    weights = token_weights(case.mask, aggregation, LONGEST)
    objective = ClippedObjective(clip_low=0.2, clip_high=high, kl=kl)
    spread = case.advantages[:, None].expand(B, T)
    ours = objective(case.logprobs(), case.old, spread, weights, case.reference)
    assert_same(case, ours.value, theirs)


@pytest.mark.parametrize("seed", range(3))
def test_sequence_ratio_is_trls_leave_one_out_loss(seed: int) -> None:
    from trl.trainer.rloo_trainer import RLOOTrainer

    case = Case(seed)
    trainer = trl_self(case, epsilon_low=0.2, epsilon_high=0.2)
    theirs = RLOOTrainer._compute_loss(trainer, None, trl_inputs(case))
    weights = token_weights(case.mask, "sequence_mean")
    spread = case.advantages[:, None].expand(B, T)
    ours = ClippedObjective(ratio="sequence")(case.logprobs(), case.old, spread, weights)
    assert_same(case, ours.value, theirs)


@pytest.mark.parametrize("seed", range(3))
def test_preference_loss_is_trls(seed: int) -> None:
    from trl.trainer.dpo_trainer import DPOTrainer

    case, pairs = Case(seed), 2
    mask = case.mask[: 2 * pairs].long()
    padded = torch.cat([torch.zeros(2 * pairs, 1, dtype=torch.int64), mask], dim=1)
    reference = (case.reference[: 2 * pairs] * mask).sum(1)
    trainer = MagicMock()
    trainer.aux_loss_enabled, trainer.ld_alpha, trainer.precompute_ref_logps = False, None, True
    trainer.f_divergence_type, trainer.beta = "reverse_kl", 0.1
    trainer.loss_types, trainer.loss_weights, trainer.use_weighting = ["sigmoid"], [1.0], False
    trainer.accelerator.device = torch.device("cpu")
    trainer.accelerator.gather_for_metrics = lambda x: x
    inputs = {
        "input_ids": torch.zeros_like(padded),
        "completion_mask": padded,
        "attention_mask": padded,
        "ref_chosen_logps": reference[:pairs],
        "ref_rejected_logps": reference[pairs:],
    }

    def model(**_: Any) -> Any:
        log_probs = case.logprobs()[: 2 * pairs] * mask
        told = mask.float()  # what TRL only logs
        return MagicMock(log_probs=log_probs, mean_logits=told, entropy=told, is_top1=mask.bool())

    theirs = DPOTrainer._compute_loss(trainer, model, inputs, False)
    total = (case.logprobs()[: 2 * pairs] * mask).sum(1)
    ours = preference_loss(
        total[:pairs], total[pairs:], reference[:pairs], reference[pairs:], beta=0.1
    )
    assert_same(case, ours, theirs)


def test_card_values() -> None:
    one = torch.ones(1, 1)
    rise = torch.tensor([[1.25]]).log()
    for high, expected in ((0.28, 1.25), (0.2, 1.2)):
        loss = ClippedObjective(clip_high=high)(rise, torch.zeros(1, 1), one, one)
        assert -loss.value.item() == pytest.approx(expected)
    assert kl_estimate(torch.zeros(1), torch.tensor([0.1]), "k3").item() == pytest.approx(
        0.00517, abs=1e-5
    )
    assert kl_estimate(torch.zeros(1), torch.tensor([0.1]), "k2").item() == pytest.approx(0.005)
    assert kl_estimate(torch.zeros(1), torch.tensor([0.1]), "k1").item() == pytest.approx(-0.1)


def test_constant_aggregation_weighs_tokens_of_long_and_short_answers_alike() -> None:
    mask = torch.arange(100) < torch.tensor([[10], [100]])
    weights = token_weights(mask, "constant", 100)
    assert weights[0, 0] == weights[1, 0] == pytest.approx(1 / 200)
    by_sequence = token_weights(mask, "sequence_mean")
    assert (2 * by_sequence[:, 0]).tolist() == pytest.approx([0.1, 0.01])
    assert token_weights(mask, "sequence_sum")[:, 0].tolist() == [0.5, 0.5]


@given(seed=st.integers(0, 1000), split=st.integers(1, B - 1))
@settings(max_examples=20, deadline=None)
def test_micro_batches_add_up(seed: int, split: int) -> None:
    case = Case(seed)
    weights = token_weights(case.mask, "token_mean")
    spread = case.advantages[:, None].expand(B, T)
    objective = ClippedObjective(kl=0.1)
    whole = objective(case.logprobs(), case.old, spread, weights, case.reference)
    parts = [
        objective(
            case.logprobs()[rows], case.old[rows], spread[rows], weights[rows], case.reference[rows]
        )
        for rows in (slice(None, split), slice(split, None))
    ]
    torch.testing.assert_close(whole.value, parts[0].value + parts[1].value)
    for name, value in whole.metrics.items():
        assert value == pytest.approx(sum(part.metrics[name] for part in parts), abs=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_tokens_outside_the_mask_reach_no_gradient(seed: int) -> None:
    case = Case(seed)
    weights = token_weights(case.mask, "sequence_mean")
    spread = case.advantages[:, None].expand(B, T).clone()
    gradients = []
    for stray in (0.0, 1e6):
        spread[~case.mask] = stray
        old = torch.where(case.mask, case.old, stray)
        loss = ClippedObjective()(case.logprobs(), old, spread, weights).value
        gradients.append(case.gradient(loss))
    torch.testing.assert_close(gradients[0], gradients[1], atol=0, rtol=0)
    assert float(gradients[0][~case.mask].abs().sum()) == 0.0


def test_likelihood_loss_is_the_mean_cross_entropy() -> None:
    case = Case(0)
    loss = likelihood_loss(case.logprobs(), token_weights(case.mask, "token_mean"))
    expected = torch.nn.functional.cross_entropy(case.logits[case.mask], case.ids[case.mask])
    torch.testing.assert_close(loss, expected)


def test_positive_and_negative_reinforcement_push_logits_as_derived() -> None:
    logits = torch.tensor([[0.5, -0.2, 0.1]], requires_grad=True)
    chance = logits.detach().softmax(-1)[0]
    for advantage in (1.0, -1.0):
        logprob = logits.log_softmax(-1)[:, :1]
        one = torch.ones(1, 1)
        loss = ClippedObjective()(logprob, logprob.detach(), advantage * one, one).value
        push = -torch.autograd.grad(loss, logits)[0][0]
        derived = advantage * (torch.tensor([1.0, 0.0, 0.0]) - chance)
        torch.testing.assert_close(push, derived)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"clip_low": 0.0}, "clip_low must be in"),
        ({"kl": -1.0}, "kl must be at least 0"),
        ({"kl_estimator": "k4"}, "kl_estimator must be one of"),
        ({"ratio": "word"}, "ratio one of"),
    ],
)
def test_wrong_settings_are_named(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClippedObjective(**settings_)


def test_unknown_aggregation_is_named() -> None:
    with pytest.raises(ConfigError, match="aggregation must be one of"):
        token_weights(torch.ones(1, 1, dtype=torch.bool), "mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="with a constant"):
        token_weights(torch.ones(1, 1, dtype=torch.bool), "constant")
