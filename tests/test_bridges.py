"""TRL's `GRPOTrainer` paid by our designs and verifiers, with our dialogues as its environments."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from text_play import calculator
from transcripts import design
from transformers.utils import get_json_schema
from trl import GRPOConfig, GRPOTrainer

from rewardsmith.agents.llm.bridges import trl_dataset, trl_environment, trl_reward
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.replay import episode_of, message_text, replay
from rewardsmith.agents.llm.warm_up import WarmUp
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.tools import Parameter, Tool
from rewardsmith.envs.text.transcript import Message, ToolCall, Transcript
from rewardsmith.rewards import RewardDesign
from rewardsmith.rewards.credit.group_reward import FewestCalls, SoftOverlongPenalty
from rewardsmith.rewards.likelihood import ReferenceLikelihood
from rewardsmith.rewards.shaping import TaskReward
from rewardsmith.rewards.transition import Transition
from rewardsmith.rewards.verify import Abstained, Judgement, NumericMatch

SEEDS = range(6)
DIALOGUE = calculator(1).dialogue


def spoken(seed: int, script: str) -> Transcript:
    return DIALOGUE.play(DIALOGUE.begin(seed), DIALOGUE.script(script))


def as_messages(transcript: Transcript) -> list[dict[str, Any]]:
    """Returns what TRL makes of a conversation: parsed calls, and a message for every result."""
    messages: list[dict[str, Any]] = []
    for turn in transcript.turns:
        calls = [
            {"type": "function", "function": {"name": c.name, "arguments": dict(c.arguments)}}
            for c in turn.message.calls
        ]
        content = "" if calls else turn.message.text
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if turn.message.think:
            message["reasoning_content"] = turn.message.think
        messages.append(message | ({"tool_calls": calls} if calls else {}))
        messages += [{"role": "tool", "name": r.call.name, "content": r.text} for r in turn.results]
    return messages


# ---- Completions said again -----------------------------------------------------------------


@pytest.mark.parametrize("script", ["oracle", "careless"])
def test_a_replayed_completion_is_the_conversation(script: str) -> None:
    for seed in SEEDS:
        transcript = spoken(seed, script)
        assert replay(DIALOGUE, seed, as_messages(transcript)) == transcript


def test_thoughts_several_calls_and_arguments_as_text_are_read() -> None:
    calls = [ToolCall("calculator", {"expression": e}) for e in ("1+1", "2+2")]
    functions = [{"function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
                 for c in calls]  # fmt: skip
    text = message_text({"reasoning_content": "Two.\n", "content": None, "tool_calls": functions})
    assert text == write(calls, think="Two.")
    parts = [{"type": "text", "text": "<answer>"}, {"type": "text", "text": "2</answer>"}]
    assert parse(message_text({"content": parts})).answer == "2"


@pytest.mark.parametrize(
    "call", ["text", 3, None, {}, {"function": None}, {"function": {"name": "calculator",
             "arguments": "{"}}, {"function": {"name": "nothing"}}]
)  # fmt: skip
def test_calls_that_cannot_be_read_are_told_off(call: Any) -> None:
    messages = [{"role": "assistant", "tool_calls": [call]}]
    transcript = replay(DIALOGUE, 0, messages)
    assert "Error" in transcript.observation or "needs the argument" in transcript.observation
    assert not transcript.over


def test_nothing_is_heard_after_the_end_or_beyond_the_budget() -> None:
    right = write(answer=DIALOGUE.begin(0).task.answer)
    message = {"role": "assistant", "content": right}
    assert replay(DIALOGUE, 0, [message, message]) == replay(DIALOGUE, 0, right)
    late = [{"role": "assistant", "content": "Hm."}] * DIALOGUE.budget.turns + [message]
    transcript = replay(DIALOGUE, 0, late)
    assert (len(transcript.turns), transcript.success) == (DIALOGUE.budget.turns, False)
    assert len(replay(DIALOGUE, 0, []).turns) == 1


def test_the_episode_is_that_of_the_environment() -> None:
    transcript = spoken(2, "careless")
    env = calculator(1)
    env.reset(seed=0)
    env.place(0, Transcript(transcript.task))
    for step, turn in zip(episode_of(transcript).steps, transcript.turns, strict=True):
        assert step.observation == env.transcripts[0].observation
        env.send([0], [turn.message.text])
        env.recv()
        assert step.info == env.facts(0)
        assert step.reward == env.transcripts[0].turns[-1].reward


def ended(transition: Transition) -> FloatArray:
    """Pays the end of the task."""
    return transition.terminated.astype(np.float64)


def test_the_last_turn_of_the_budget_ends_the_task_as_in_the_environment() -> None:
    env, budget = calculator(1), DIALOGUE.budget
    env.reset(seed=0)
    for turns in range(1, budget.turns + 1):
        env.send([0], ["Hm."])
        env.recv()
        transcript = env.transcripts[0]
        assert not transcript.over
        assert episode_of(transcript, budget).terminated == env.done[0] == (turns == budget.turns)
        assert not episode_of(transcript).terminated
    pay = trl_reward(RewardDesign({"end": ended}), DIALOGUE)
    silent = [[{"role": "assistant", "content": "Hm."}] * n for n in (1, budget.turns)]
    assert pay(["", ""], silent, seed=[0, 0]) == [0.0, 1.0]


# ---- Rewards --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sparse", "toolrl", "gated_tools"])
def test_a_reward_function_pays_what_the_design_pays(name: str) -> None:
    scripts = ["oracle", "careless", "hacker"]
    played = [spoken(seed, script) for seed in SEEDS for script in scripts]
    seeds = [seed for seed in SEEDS for _ in scripts]
    reward = trl_reward(design(name), DIALOGUE)
    texts = [as_messages(transcript) for transcript in played]
    replayed = [replay(DIALOGUE, seed, text) for seed, text in zip(seeds, texts, strict=True)]
    expected = [float(episode_of(t).pay(design(name)).sum()) for t in replayed]
    assert reward([""] * len(texts), texts, seed=seeds) == pytest.approx(expected)
    assert len(set(expected)) > 1


def test_a_verifier_pays_its_score_and_nothing_where_it_abstains_or_fails() -> None:
    right = [write(answer=DIALOGUE.begin(seed).task.answer) for seed in (0, 1)]
    assert trl_reward(NumericMatch(), DIALOGUE)(["", ""], [right[0], "?"], seed=[0, 1]) == [1, 0]

    def moody(transcript: Transcript) -> Any:
        if transcript.answer is None:
            return Abstained("no answer")
        return 1 / (len(transcript.answer) - 1)

    told: dict[str, float] = {}
    reward = trl_reward(Judgement(moody), DIALOGUE)
    said = ["<answer>12</answer>", "Hm.", "<answer>1</answer>"]
    paid = reward([""] * 3, said, seed=[0, 0, 0], log_metric=told.__setitem__, trainer_state=None)
    assert paid == [1.0, None, None]
    assert told == {"success": 0.0}
    assert reward.__name__ == "Judgement"


def test_group_rewards_compare_completions_of_equal_seeds() -> None:
    fewest = RewardDesign({"task": TaskReward()}, group=[FewestCalls(kind="exp")])
    direct = {seed: write(answer=DIALOGUE.begin(seed).task.answer) for seed in (0, 1)}
    by_tool = as_messages(spoken(0, "oracle"))
    calls = sum("tool_calls" in message for message in by_tool)
    paid = trl_reward(fewest, DIALOGUE)([""] * 3, [by_tool, direct[1], direct[0]], seed=[0, 1, 0])
    assert paid == pytest.approx([0.5**calls, 1.0, 1.0])


def test_what_trl_cannot_serve_is_refused_with_a_sentence() -> None:
    with pytest.raises(ConfigError, match="no column 'seed'"):
        trl_reward(NumericMatch(), DIALOGUE)([""], ["x"])
    overlong = RewardDesign({"task": TaskReward()}, group=[SoftOverlongPenalty()])
    with pytest.raises(ConfigError, match="get_soft_overlong_punishment"):
        trl_reward(overlong, DIALOGUE)
    with pytest.raises(ConfigError, match="probabilities"):
        trl_reward(RewardDesign({"likely": ReferenceLikelihood()}), DIALOGUE)


# ---- Environments ---------------------------------------------------------------------------


def test_tools_are_typed_documented_methods() -> None:
    environment = trl_environment(DIALOGUE)()
    method = environment.calculator  # type: ignore[attr-defined]
    schema = get_json_schema(method)["function"]
    assert schema.pop("return") == {"type": "string"}
    assert schema == DIALOGUE.tools["calculator"].schema()["function"]
    with pytest.raises(ConfigError, match="before reset"):
        method(expression="1+1")


def test_an_environment_answers_as_the_dialogue_does() -> None:
    environment = trl_environment(DIALOGUE)()
    transcript = DIALOGUE.begin(3)
    assert environment.reset(seed=3) == transcript.observation
    [row] = trl_dataset(DIALOGUE, [3])
    assert environment.reset(**row) is None
    for arguments in ({"expression": "6*7"}, {"expression": "6/0"}, {"self": 1}, {}):
        call = ToolCall("calculator", arguments)
        transcript = DIALOGUE.reply(transcript, Message(write([call]), calls=(call,)))
        assert environment._call("calculator", arguments) == transcript.observation
        assert environment.calculator(**arguments)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="no column 'seed'"):
        environment.reset(prompt=[{"role": "user", "content": ""}])


class Toolbox(Dialogue):
    """A dialogue of given tools."""

    goal = "None."

    def __init__(self, *names: str) -> None:
        loud = Parameter("loud", "boolean", "whether\n to shout", required=False)
        parameters = (Parameter("n", "integer", "a number"), loud)
        tools = [Tool(name, "Counts.", parameters, lambda _, given: given["n"]) for name in names]
        super().__init__(tools, Budget(), "train")

    task = judge = oracle = careless = hacker = None  # type: ignore[assignment]


def test_optional_parameters_and_names_that_cannot_be_methods() -> None:
    method = trl_environment(Toolbox("count"))().count  # type: ignore[attr-defined]
    parameters = get_json_schema(method)["function"]["parameters"]
    assert parameters["required"] == ["n"]
    assert parameters["properties"]["loud"] == {
        "type": "boolean", "description": "whether to shout"}  # fmt: skip
    for name in ("reset", "get_reward", "_hidden", "a.b"):
        with pytest.raises(ConfigError, match="rename it"):
            trl_environment(Toolbox(name))
    with pytest.raises(ConfigError, match="no tools"):
        trl_environment(Toolbox())


# ---- TRL itself -----------------------------------------------------------------------------


@functools.cache
def taught_policy() -> Policy:
    """Returns a policy that calls the calculator and answers, rightly or not."""
    policy = Policy.load("tiny", device="cpu", hidden=32, context=1024)
    warm_up = WarmUp(steps=120, batch=16, learning_rate=1e-2)
    assert len(list(warm_up.fit(policy, calculator(1), None, 0))) == 120
    return policy


class Spy:
    """A reward function that keeps what it was asked and what it paid."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], list[float | None]]] = []
        self._reward = trl_reward(design("toolrl"), DIALOGUE)
        self.__name__ = "spy"

    def __call__(self, **asked: Any) -> list[float | None]:
        paid = self._reward(**asked)
        self.calls.append((asked, paid))
        return paid


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GRPOConfig:
    """Two steps of two groups on the CPU."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    torch.set_num_threads(1)
    return GRPOConfig(
        str(tmp_path), max_steps=2, per_device_train_batch_size=6, num_generations=3,
        max_completion_length=160, learning_rate=1e-3, temperature=1.0, beta=0.0, use_cpu=True,
        bf16=False, gradient_checkpointing=False, report_to="none", logging_steps=1,
        disable_tqdm=True, save_strategy="no", max_tool_calling_iterations=2,
    )  # fmt: skip


def trained(config: GRPOConfig, **options: Any) -> tuple[GRPOTrainer, Spy]:
    policy, spy = taught_policy(), Spy()
    model = copy.deepcopy(policy.model)
    rows = Dataset.from_list(trl_dataset(DIALOGUE, SEEDS, system=False))
    trainer = GRPOTrainer(model, spy, config, rows, processing_class=policy.tokenizer, **options)
    trainer.train()
    pairs = zip(model.parameters(), policy.model.parameters(), strict=True)
    changed = [not new.equal(old) for new, old in pairs]
    rewards = [paid for _, paid in spy.calls]
    assert any(changed) == any(len(set(paid[g : g + 3])) > 1 for paid in rewards for g in (0, 3))
    return trainer, spy


def test_grpo_trainer_is_paid_by_a_design(config: GRPOConfig) -> None:
    trainer, spy = trained(config)
    assert len(spy.calls) == 2
    for (asked, paid), log in zip(spy.calls, trainer.state.log_history, strict=False):
        assert [len(completion) for completion in asked["completions"]] == [1] * 6
        assert log["reward"] == pytest.approx(sum(map(float, filter(None, paid))) / 6)
        assert 0.0 <= log["success"] <= 1.0


def test_grpo_trainer_plays_in_our_environments(config: GRPOConfig) -> None:
    trainer, spy = trained(config, environment_factory=trl_environment(DIALOGUE))
    asked, paid = spy.calls[0]
    assert len(paid) == 6
    called = 0
    for seed, messages, environment in zip(
        asked["seed"], asked["completions"], trainer.environments or [], strict=True
    ):
        transcript = replay(DIALOGUE, seed, messages)
        heard = [m["content"] for m in messages if m["role"] == "tool"]
        given = [result.text for result in transcript.results]
        assert given[: len(heard)] == heard
        called += len(heard)
        assert type(environment).__name__ == "CalculatorDialogueEnvironment"
    assert called > 0
    assert trainer.state.log_history[0]["tools/call_frequency"] > 0
