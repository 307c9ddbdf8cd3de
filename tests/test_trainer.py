"""The trainer: what moves, what must not, resuming bit for bit, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.objectives import ClippedObjective, token_weights
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.samplers import KnapsackPrompts, MixedPrompts, allocate, learning_value
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.agents.llm.trainer import Trainer, TrainingError
from rewardsmith.agents.llm.warm_up import WarmUp, scripted
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards import RewardDesign, TaskReward
from rewardsmith.rewards.credit import Advantage, GroupRelative, Level, Rollouts
from rewardsmith.rewards.episode import Group
from rewardsmith.rewards.verify import Abstained, Judgement, Verified

torch.set_num_threads(1)


def brevity(transcript: Transcript) -> float:
    """Pays short messages."""
    return 1.0 - min(len(transcript.turns[-1].message.text), 50) / 50


def unsure(transcript: Transcript) -> Any:
    """Abstains on every other task."""
    return Abstained("odd") if len(transcript.task.prompt) % 2 else 1.0


def design(judge: Callable[[Transcript], Any] | None = None) -> RewardDesign:
    if judge is None:
        return RewardDesign({"task": TaskReward()})
    return RewardDesign({"judged": Verified(Judgement(judge), at="turn")})


def trainer(
    paid: RewardDesign | None = None,
    seed: int = 0,
    n_envs: int = 8,
    turns: int = 2,
    **settings: Any,
) -> Trainer:
    policy = Policy.load("tiny", device="cpu", hidden=16, layers=1, heads=2, seed=seed)
    env = Calculator(n_envs, turns=turns, autoreset_mode="Disabled")
    paid = paid or design()
    paid.bind(env.card)
    chosen = {
        "sampling": Sampling(max_new_tokens=12),
        "prompts_per_batch": 2,
        "group_size": 4,
        **settings,
    }
    return Trainer(policy, env, paid, Settings(**chosen), seed)


def weights(of: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in of.policy.model.parameters()])


# ---- Learning ---------------------------------------------------------------------------


def test_a_policy_learns_what_it_is_paid_for() -> None:
    learner = trainer(
        design(brevity), turns=1, n_envs=32, group_size=16, learning_rate=0.01,
        sampling=Sampling(max_new_tokens=40),
    )  # fmt: skip
    first = [learner.step()["tokens"] for _ in range(3)]
    for _ in range(20):
        learner.step()
    last = [learner.step()["tokens"] for _ in range(3)]
    assert np.mean(last) < 0.6 * np.mean(first)


def test_warm_up_fits_the_script() -> None:
    policy = Policy.load("tiny", device="cpu", hidden=32, seed=0)
    env = Calculator(4, autoreset_mode="Disabled")
    losses = [loss for _, loss in WarmUp(steps=30, batch=8).fit(policy, env, None, seed=0)]
    assert losses[-1] < 0.6 * losses[0]


# ---- What moves and what must not -------------------------------------------------------


def scripted_batch(count: int = 4) -> tuple[Policy, list[Any], TokenBatch]:
    policy = Policy.load("tiny", device="cpu", hidden=16, layers=1, heads=2, seed=0)
    env, chat = Calculator(1, autoreset_mode="Disabled"), Chat(policy.tokenizer)
    episodes = [scripted(env, chat, "oracle", seed, None) for seed in range(count)]
    return policy, episodes, TokenBatch.of(episodes, pad=0)


def gradient(policy: Policy, batch: TokenBatch, advantages: torch.Tensor) -> torch.Tensor:
    logprobs = policy.logprobs(batch.ids, batch.attention)
    share = token_weights(batch.written, "token_mean")
    loss = ClippedObjective()(logprobs, logprobs.detach(), advantages, share).value
    policy.model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in policy.model.parameters()])


def test_what_the_environment_said_is_never_trained_on() -> None:
    policy, episodes, batch = scripted_batch()
    said = sum(len(step.tokens.ids) for episode in episodes for step in episode.steps)
    assert int(batch.written.sum()) == said
    advantages = torch.ones(batch.written.shape)
    plain = gradient(policy, batch, advantages)
    advantages[~batch.written] = 1e6
    torch.testing.assert_close(gradient(policy, batch, advantages), plain, atol=0, rtol=0)


@dataclass(frozen=True)
class OwnPay(Advantage):
    """Every turn gets what it was paid, and nothing else."""

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "a turn has its pay"

    def credit(self, rollouts: Rollouts) -> FloatArray:
        return rollouts.reward

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        return float(np.abs(credit - rollouts.reward).max())


def test_a_reward_on_one_turn_moves_that_turns_tokens_alone() -> None:
    policy, episodes, batch = scripted_batch()
    pay = [np.zeros(len(episode)) for episode in episodes]
    pay[1][1] = 1.0
    advantages = batch.lay_out(OwnPay().tokens(Rollouts.of([Group(tuple(episodes))], [pay])))
    logprobs = policy.logprobs(batch.ids, batch.attention).detach().requires_grad_()
    share = token_weights(batch.written, "token_mean")
    loss = ClippedObjective()(logprobs, logprobs.detach(), advantages, share).value
    moved = torch.autograd.grad(loss, logprobs)[0] != 0.0
    expected = torch.zeros_like(moved)
    first, second = (step.tokens for step in episodes[1].steps)
    start = len(first.context) + len(first.ids) + len(second.context) - 1
    expected[1, start : start + len(second.ids)] = True
    assert torch.equal(moved, expected)


def test_answers_that_are_not_trained_move_nothing() -> None:
    learner = trainer(train_answers=False)
    policy, episodes, _ = scripted_batch(3)
    tokenizer, groups = policy.tokenizer, [Group(tuple(episodes))]
    lesson = learner._lesson(groups, pay(learner.design, groups).rollouts)
    batch = lesson.batch
    for row, episode in enumerate(episodes):
        ids, written = batch.ids[row, 1:], batch.written[row]
        taught = tokenizer.decode(ids[written & (lesson.weights[row] > 0)].tolist())
        left_out = tokenizer.decode(ids[written & (lesson.weights[row] == 0)].tolist())
        said = "".join(str(step.action) for step in episode.steps)
        assert "<tool_call>" in taught
        assert "<answer" not in taught
        assert left_out.startswith("<answer>")
        assert (taught + left_out).replace("<|end|>", "") == said.replace("<|end|>", "")
    learner.settings = replace(learner.settings, train_answers=True)
    assert (learner._lesson(groups, pay(learner.design, groups).rollouts).weights > 0).sum() == (
        batch.written.sum()
    )


def test_token_order_of_batch_and_rollouts_agree() -> None:
    _, episodes, batch = scripted_batch()
    rollouts = Rollouts.of([Group(tuple(episodes))], [[np.zeros(len(e)) for e in episodes]])
    laid = batch.lay_out(rollouts.ids.astype(np.float64))
    torch.testing.assert_close(
        laid[batch.written].long(), batch.ids[:, 1:][batch.written], atol=0, rtol=0
    )


# ---- Batches ----------------------------------------------------------------------------


def test_abstentions_are_left_out_and_told() -> None:
    learner = trainer(design(unsure), prompts_per_batch=6)
    told = learner.step()
    assert 0.0 < told["abstained"] < 1.0
    assert learner.last is not None
    scored = learner.last.rollouts.scored
    advantages = GroupRelative()(learner.last.rollouts)
    assert (advantages[~scored] == 0.0).all()


def test_groups_without_signal_teach_nothing_and_are_counted() -> None:
    learner = trainer()
    before = weights(learner)
    told = learner.step()
    assert told["success"] == 0.0
    assert told["no_signal"] == 1.0
    torch.testing.assert_close(weights(learner), before, atol=0, rtol=0)


def test_dynamic_sampling_gives_up_after_its_rounds() -> None:
    learner = trainer(prompts=MixedPrompts(rounds=3))
    learner.step()
    assert learner.episodes == 3 * 2 * 4


def test_equal_prompts_are_equal_tasks() -> None:
    learner = trainer(prompts_per_batch=3)
    learner.step()
    for group in learner.last_groups:
        prompts = {episode.steps[0].observation for episode in group}
        assert len(group) == 4
        assert len(prompts) == 1


# ---- Resuming ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"objective": ClippedObjective(kl=0.1), "epochs": 2, "minibatches": 2, "micro_batch": 3},
        {"prompts": KnapsackPrompts(pool=5, fewest=1)},
    ],
    ids=["plain", "reference", "knapsack"],
)
def test_a_resumed_trainer_goes_on_bit_for_bit(settings: dict[str, Any]) -> None:
    whole = trainer(design(brevity), **settings)
    whole.step()
    state = whole.state_dict()
    expected = [whole.step() for _ in range(2)]
    again = trainer(design(brevity), **settings)
    again.load_state_dict(state)
    for told in expected:
        repeated = again.step()
        del told["tokens_per_s"], repeated["tokens_per_s"]
        assert repeated == told
    torch.testing.assert_close(weights(again), weights(whole), atol=0, rtol=0)


# ---- Samplers ---------------------------------------------------------------------------


def test_knapsack_card_values() -> None:
    assert learning_value(2, 0.5) == pytest.approx(0.0625)
    assert learning_value(8, 0.5) == pytest.approx(0.12402, abs=1e-5)
    assert learning_value(8, 0.1) == pytest.approx(0.04613, abs=1e-5)
    assert learning_value(8, 0.9) == pytest.approx(0.005126, abs=1e-6)
    success = np.array([0.05, 0.5, 0.95, 0.2])
    chosen = allocate(success, 32, fewest=2, most=128)
    assert chosen.tolist() == [10, 7, 2, 13]
    assert learning_value(chosen, success).sum() == pytest.approx(0.26234, abs=1e-5)
    assert learning_value(8, success).sum() == pytest.approx(0.24654, abs=1e-5)


def test_knapsack_equals_the_dynamic_program() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        success, budget = random.random(4), int(random.integers(8, 24))
        best = np.full(budget + 1, -np.inf)
        best[0] = 0.0
        for p in success:
            following = np.full(budget + 1, -np.inf)
            for spent in range(budget + 1):
                for n in range(1, budget - spent + 1):
                    value = best[spent] + float(learning_value(n, p))
                    following[spent + n] = max(following[spent + n], value)
            best = following
        chosen = allocate(success, budget, fewest=1, most=budget)
        assert chosen.sum() == budget
        assert learning_value(chosen, success).sum() == pytest.approx(best[budget])


def test_spare_rollouts_go_to_prompts_never_solved() -> None:
    assert allocate(np.array([0.0, 1.0, 0.0]), 30, fewest=2, most=20).tolist() == [14, 2, 14]


# ---- Mistakes ---------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_with_a_sentence() -> None:
    learner = trainer(design(brevity))
    learner.step()
    with torch.no_grad():
        for parameter in learner.policy.model.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(TrainingError, match="the loss is nan at update 2; the weights of the last"):
        learner.step()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group_size": 0}, "group_size must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"aggregation": "token_men"}, "'token_men'; did you mean 'token_mean'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(**settings)
