"""The critic: values beside log-probabilities, what they are fitted to, and training with them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import VOCABULARY, policy
from text_play import calculator, trainer_of
from torch import Tensor
from transcripts import design
from transformers import AutoModelForCausalLM

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.critic import Critic
from rewardsmith.agents.llm.learner import check_llm
from rewardsmith.agents.llm.objectives import ClippedObjective, ValueObjective
from rewardsmith.agents.llm.replay import episode_of
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.agents.llm.update import Lesson, Update
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.tasks import make_task
from rewardsmith.agents.train import train
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.message import parse, write
from rewardsmith.rewards import RewardDesign
from rewardsmith.rewards.credit import (
    Advantage,
    BatchWhitened,
    GeneralisedAdvantage,
    GroupRelative,
    Level,
    Rollouts,
)
from rewardsmith.rewards.verify import Judgement, Verified

torch.set_num_threads(1)

SETTINGS = Settings(advantage=GeneralisedAdvantage(), learning_rate=0.01)


def by_length(transcript: Any) -> float:
    """Pays something that differs between random messages."""
    return len(set(transcript.turns[-1].message.text)) / 100


def trainer(agent: str = "reft", **changes: Any) -> Trainer:
    """Returns a small trainer that is paid for what a random model can do."""
    made = trainer_of(agent, **{"prompts_per_batch": 4} | changes)
    made.design = RewardDesign({"length": Verified(Judgement(by_length))})
    made.design.bind(made.env.card)
    made.updates = 100  # the learning rate has risen
    return made


def everything(made: Trainer) -> Tensor:
    """Returns all weights that are trained, the value head's last."""
    groups = made.update.optimiser.param_groups
    return torch.cat([p.detach().flatten() for group in groups for p in group["params"]])


def conversations(rows: int = 6, prompts: int = 2, size: int = 14) -> TokenBatch:
    """Returns conversations that share prompts of 5 tokens; two of the rest were not written."""
    torch.manual_seed(0)
    ids = torch.randint(VOCABULARY, (rows, size))
    ids[:, :5] = ids[torch.arange(rows) % prompts, :5]
    written = torch.ones(rows, size - 1, dtype=torch.bool)
    written[:, :4] = written[:, 8:10] = False
    return TokenBatch(ids, torch.ones_like(ids), written)


def with_head(name: str, **options: Any) -> Critic:
    """Returns a critic whose head is not zero."""
    critic = Critic(policy(name, **options))
    with torch.no_grad():
        critic.head.weight.copy_(torch.linspace(-1, 1, critic.head.in_features)[None])
        critic.head.bias.fill_(0.5)
    return critic


# ---- Scores -----------------------------------------------------------------------------


@pytest.mark.parametrize("prompts", [2, 6], ids=["shared", "apart"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("tiny", {}), ("gpt2", {}), ("tiny", {"gradient_checkpointing": True})],
    ids=["tiny", "gpt2", "checkpointed"],
)
def test_values_stand_beside_the_log_probabilities(
    name: str, options: dict[str, Any], prompts: int
) -> None:
    critic, batch = with_head(name, **options), conversations(prompts=prompts)
    model, inside = critic._scorer.policy, batch.written
    logprobs, entropies, values = critic.score(batch, 0.7, want_entropy=True)
    expected = SharedPrompts(model).logprobs(batch, 0.7, want_entropy=True)
    for ours, theirs in zip((logprobs, entropies), expected, strict=True):
        torch.testing.assert_close(ours[inside], theirs[inside], atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        states = model.causal_lm(batch.ids, output_hidden_states=True).hidden_states[-1]
        plain = critic.head(states[:, :-1].flatten(0, 1)).view(inside.shape)
    torch.testing.assert_close(values[inside], plain[inside], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(critic.values(batch), values[inside], atol=1e-5, rtol=1e-5)
    assert not values[~inside].any()


def test_a_value_is_of_the_state_before_its_token() -> None:
    critic, batch = with_head("tiny"), conversations()
    other = batch.ids.clone()
    other[:, 7] = (other[:, 7] + 1) % VOCABULARY
    before = critic.score(batch, 1.0)[-1]
    after = critic.score(replace(batch, ids=other), 1.0)[-1]
    torch.testing.assert_close(after[:, :7], before[:, :7])  # place 6 is of token 7
    assert (after[:, 7] - before[:, 7]).abs().min() > 1e-6


def test_before_it_has_learned_all_is_worth_nothing() -> None:
    critic = Critic(policy("tiny"))
    assert not critic.values(conversations()).any()
    assert critic.head.weight.dtype == torch.float32


def test_values_move_the_backbone() -> None:
    critic = with_head("tiny")
    model = critic._scorer.policy.causal_lm
    critic.score(conversations(), 1.0)[-1].sum().backward()  # type: ignore[no-untyped-call]
    embedding = model.get_input_embeddings().weight.grad
    assert embedding is not None
    assert float(embedding.abs().sum()) > 0.0
    assert critic.head.bias.grad == conversations().written.sum()


# ---- The loss ---------------------------------------------------------------------------


def plain_loss(
    values: Tensor, old: Tensor, targets: Tensor, weights: Tensor, coefficient: float, clip: float
) -> Tensor:
    """Returns the value loss of PPO, token by token."""
    total = torch.zeros(())
    for v, before, goal, weight in zip(
        *(x.flatten() for x in (values, old, targets, weights)), strict=True
    ):
        held = torch.minimum(torch.maximum(v, before - clip), before + clip)
        total = total + weight * 0.5 * torch.maximum((v - goal) ** 2, (held - goal) ** 2)
    return coefficient * total


@settings(max_examples=20)
@given(seed=st.integers(0, 2**20), coefficient=st.sampled_from([0.1, 5.0]))
def test_loss_and_gradient_are_those_of_a_plain_loop(seed: int, coefficient: float) -> None:
    random = torch.Generator().manual_seed(seed)
    values, old, targets = torch.randn(3, 3, 5, generator=random)
    values = (old + 0.3 * values).requires_grad_()
    weights = torch.rand(3, 5, generator=random) * (torch.rand(3, 5, generator=random) < 0.7)
    ours = ValueObjective(coefficient, 0.2)(values, old, targets, weights).value
    theirs = plain_loss(values, old, targets, weights, coefficient, 0.2)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    mine, plain = (torch.autograd.grad(loss, values)[0] for loss in (ours, theirs))
    torch.testing.assert_close(mine, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("value", "loss", "slope"),
    [
        (0.1, 0.405, -0.9),  # within the clip: the squared error
        (0.5, 0.32, 0.0),  # past it on the way to the target: held
        (-0.5, 1.125, -1.5),  # past it the other way: pulled back
    ],
)
def test_card_values_of_the_loss(value: float, loss: float, slope: float) -> None:
    values = torch.tensor([[value, 7.0]], requires_grad=True)
    old, targets, weights = torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([[1.0, 0.0]])
    found = ValueObjective(coefficient=1.0)(values, old, targets, weights)
    assert found.value.item() == pytest.approx(loss)
    assert torch.autograd.grad(found.value, values)[0].tolist() == [[pytest.approx(slope), 0.0]]
    assert found.metrics["value_clip_fraction"] == (1.0 if slope == 0.0 else 0.0)


# ---- Learning ---------------------------------------------------------------------------


def test_a_planted_value_is_found() -> None:
    """The first token of the prompt tells what an episode will be paid; no advantage is given."""
    model = policy("tiny")
    update = Update(model, Critic.of(model, SETTINGS.advantage), SETTINGS, longest=9)
    assert update.critic is not None
    batch, random = conversations(rows=8, prompts=4), np.random.default_rng(0)
    paid = (torch.arange(8) % 4 > 1).float()[:, None].expand(batch.written.shape)
    still = torch.zeros(batch.written.shape)
    explained = []
    for number in range(1, 40):
        with torch.no_grad():
            logprobs, values = (x.detach() for x in update.critic.score(batch, 1.0))
        lesson = Lesson(batch, logprobs, still, still + 1, values=values, targets=paid)
        explained.append(update(lesson, random, number=number)["explained_variance"])
    assert explained[0] == 0.0
    assert explained[-1] > 0.95
    assert (values - paid)[batch.written].abs().max() < 0.3


def test_right_values_leave_the_policy_to_its_advantages() -> None:
    batch = conversations()
    still = torch.zeros(batch.written.shape)
    advantages = torch.linspace(-1, 1, still.numel()).view(still.shape)
    learned = [torch.nn.utils.parameters_to_vector(policy("tiny").model.parameters())]
    for advantage in (GeneralisedAdvantage(), GroupRelative()):
        model = policy("tiny")
        update = Update(model, Critic.of(model, advantage), SETTINGS, longest=9)
        update.optimiser.param_groups[0]["eps"] = 1e-3  # else rounding alone makes a full step
        with torch.no_grad():
            [old] = SharedPrompts(model).logprobs(batch)
        lesson = Lesson(batch, old, advantages, still + 1, values=still, targets=still)
        update(lesson, np.random.default_rng(0), number=20)
        learned.append(torch.nn.utils.parameters_to_vector(model.model.parameters()))
    torch.testing.assert_close(learned[1], learned[2], atol=1e-5, rtol=0)
    assert (learned[1] - learned[0]).abs().max() > 1e-3


def test_an_update_fits_the_policy_and_its_values() -> None:
    made = trainer()
    before = everything(made)
    told = [made.step() for _ in range(3)]
    assert made.last is not None
    rollouts = made.last.rollouts
    assert rollouts.signal("value", "token").any()
    assert rollouts.signal("reference_logprob", "token").all()
    assert told[0]["value_loss"] > told[-1]["value_loss"] > 0.0
    assert {"value_clip_fraction", "explained_variance"} <= told[0].keys()
    head = made.update.critic.head if made.update.critic else None
    assert head is not None
    assert head.weight.abs().min() > 0.0
    moved = everything(made) != before
    assert moved[: -head.in_features - 1].float().mean() > 0.5


def test_the_trainer_gives_the_values_and_what_they_are_fitted_to() -> None:
    made = trainer(epochs=1)
    made.step()
    groups, paid, _ = made.collect()
    rollouts, advantage = paid.rollouts, made.settings.advantage
    lesson = made._lesson(groups, rollouts)
    assert made.update.critic is not None
    assert isinstance(advantage, GeneralisedAdvantage)
    inside = lesson.batch.written
    assert lesson.values is not None
    assert lesson.targets is not None
    with torch.no_grad():
        temperature = made.settings.sampling.temperature
        logprobs, values = made.update.critic.score(lesson.batch, temperature)
    torch.testing.assert_close(lesson.values[inside], values[inside], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(lesson.old[inside], logprobs[inside], atol=1e-4, rtol=1e-4)
    targets = torch.from_numpy(advantage.value_targets(rollouts)).float()
    assert torch.equal(lesson.targets[inside], targets)


def test_a_conversation_is_encoded_once_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(epochs=1)
    groups, paid, _ = made.collect()
    lesson = made._lesson(groups, paid.rollouts)
    passes: list[int] = []
    encode = SharedPrompts.states

    def counted(self: SharedPrompts, batch: TokenBatch) -> Tensor:
        passes.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(SharedPrompts, "states", counted)
    monkeypatch.setattr(SharedPrompts, "logprobs", None)
    made.update(lesson, made.prompts.random, number=1)
    assert sum(passes) == len(lesson.batch)


def test_there_is_no_critic_where_nobody_asks() -> None:
    assert trainer("grpo").update.critic is None


# ---- The reference ----------------------------------------------------------------------


def test_the_price_of_leaving_the_reference_is_paid() -> None:
    made = trainer("reinforce_pp", advantage=BatchWhitened(kl_weight=0.1))
    divergences = []
    for _ in range(3):
        made.step()
        assert made.last is not None
        own, other = (
            made.last.rollouts.signal(name, "token") for name in ("logprob", "reference_logprob")
        )
        divergences.append(float(np.abs(own - other).max()))
    assert divergences[0] < 1e-4 < 1e-3 < divergences[-1]


def test_the_reference_of_the_reward_is_that_of_the_objective() -> None:
    made = trainer("grpo", objective=ClippedObjective(kl=0.1), epochs=2, minibatches=2)
    groups, paid, _ = made.collect()
    lesson = made._lesson(groups, paid.rollouts)
    assert lesson.reference is not None
    inside = lesson.batch.written
    torch.testing.assert_close(lesson.reference[inside], lesson.old[inside], atol=1e-4, rtol=1e-4)
    assert "reference_kl" in made.step()


# ---- Keeping ----------------------------------------------------------------------------


def test_a_resumed_trainer_goes_on_bit_for_bit() -> None:
    whole, again = trainer(minibatches=2, micro_batch=5), trainer(minibatches=2, micro_batch=5)
    whole.step()
    again.load_state_dict(whole.state_dict())
    assert torch.equal(everything(again), everything(whole))
    for _ in range(2):
        expected, told = whole.step(), again.step()
        del expected["tokens_per_s"], told["tokens_per_s"]
        assert told == expected
    assert torch.equal(everything(again), everything(whole))


SMALL = [
    "env=calculator",
    "agent=reft",
    "reward=toolrl",  # pays whatever a random model says
    "total_steps=24",
    "agent.n_envs=8",
    "+agent.settings.model.hidden=16",
    "agent.settings.warm_up.steps=0",
    "agent.settings.training.prompts_per_batch=8",
    "agent.settings.training.sampling.max_new_tokens=12",
    "evaluation.points=3",
    "evaluation.episodes=2",
    "evaluation.final_episodes=2",
]


def test_the_design_pays_as_the_paper_does() -> None:
    dialogue = calculator().dialogue
    start = dialogue.begin(5)
    for said, paid in ((start.task.answer, 1.0), ("0.123", 0.1), ("no number", 0.0)):
        episode = episode_of(dialogue.reply(start, parse(write(answer=said))))
        assert episode.pay(design("reft")).tolist() == [paid]


class Crash(BaseException):
    """Stands for a death that no handler sees."""


def test_a_killed_run_ends_with_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    config = compose(SMALL)
    whole = train(config, RunFolder(tmp_path / "whole"))
    step = Trainer.step

    def dying(self: Trainer) -> dict[str, float]:
        if self.updates >= 2:
            raise Crash
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", dying)
        with pytest.raises(Crash):
            train(config, RunFolder(tmp_path / "broken"))
    assert train(config, RunFolder(tmp_path / "broken")) == whole
    folders = [tmp_path / run / "model" for run in ("whole", "broken")]
    files = [folder / "model.safetensors" for folder in folders]
    assert files[0].read_bytes() == files[1].read_bytes()
    told = AutoModelForCausalLM.from_pretrained(folders[0], output_loading_info=True)[1]
    assert not told["unexpected_keys"]
    samples = json.loads((tmp_path / "whole" / "transcripts.json").read_text())
    trained = samples["credit"]["trained"]
    [row] = [row for row in samples["credit"]["rows"] if row["method"] == trained]
    assert row["ok"]
    assert row["level"] == "token"


def test_adapters_are_trained_with_a_value_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    train(compose([*SMALL, "+agent.settings.model.lora_rank=2"]), RunFolder(tmp_path))
    assert (tmp_path / "model" / "adapter_config.json").exists()


# ---- Mistakes ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Unfitted(Advantage):
    """Asks for values and does not say what they are fitted to."""

    level: ClassVar[Level] = "token"
    invariant: ClassVar[str] = "none"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("value",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        return rollouts.signal("value", "token")

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        return 0.0


def test_values_that_are_fitted_to_nothing_are_refused() -> None:
    sentence = "Unfitted needs 'value' and says nothing of what values are fitted to; derive it"
    with pytest.raises(ConfigError, match=sentence):
        trainer("grpo", advantage=Unfitted())
    config = compose([*SMALL, "agent=grpo"])
    config["agent"]["settings"]["training"]["advantage"] = {"_target_": "test_critic.Unfitted"}
    with pytest.raises(ConfigError, match=sentence):
        check_llm(config, make_task(config["env"], 1))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"coefficient": 0.0}, "value_objective.coefficient must be above 0, got 0.0"),
        ({"clip": -0.2}, "value_objective.clip must be above 0, got -0.2"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ValueObjective(**wrong)
