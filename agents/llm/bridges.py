"""Bridges: our dialogues, verifiers and designs in the terms of TRL's `GRPOTrainer`.

    dialogue = Calculator(1).dialogue
    trainer = GRPOTrainer(
        model,
        reward_funcs=trl_reward(design, dialogue),
        train_dataset=Dataset.from_list(trl_dataset(dialogue, range(1_000))),
        environment_factory=trl_environment(dialogue),  # leave out for single-turn training
    )

TRL itself is not imported here: what it asks for are plain functions, classes and dicts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.probes import asked_by
from rewardsmith.agents.llm.replay import episode_of, replay
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.dialogue import Dialogue
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.tools import Tool
from rewardsmith.envs.text.transcript import Message, ToolCall, Transcript
from rewardsmith.rewards.credit.group_reward import SoftOverlongPenalty
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.episode import Episode, Group
from rewardsmith.rewards.verify.verifier import Verified, Verifier

RewardFunction = Callable[..., list[float | None]]
"""TRL's: (prompts, completions, **columns) -> one reward per completion, None where unknown."""

_PYTHON_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}
_TAKEN = ("reset", "get_reward")


def trl_dataset(
    dialogue: Dialogue, seeds: Iterable[int], *, system: bool = True
) -> list[dict[str, Any]]:
    """Returns rows for `datasets.Dataset.from_list`: "prompt" in messages, and "seed".

    Args:
        dialogue: The kind of task.
        seeds: One per row; equal seeds are equal tasks.
        system: Whether the task's instructions are said first.

    Example:
        >>> from rewardsmith.envs.text.calculator import Calculator
        >>> [row] = trl_dataset(Calculator(1).dialogue, [5], system=False)
        >>> row["prompt"][0]["role"], row["seed"]
        ('user', 5)
    """
    said = [{"role": "system", "content": dialogue.instructions}] if system else []
    return [
        {
            "prompt": [*said, {"role": "user", "content": dialogue.begin(seed).observation}],
            "seed": seed,
        }
        for seed in seeds
    ]


def trl_reward(
    judge: RewardDesign | Verifier, dialogue: Dialogue, *, column: str = "seed"
) -> RewardFunction:
    """Returns a reward function for TRL that pays by a design or a verifier.

    The assistant's messages of a completion are said again in the dialogue, tools included:
    dialogues are pure, so that gives the transcript the model took part in. What is said after
    the task's end or its budget of turns is not heard. Where a verifier abstained or failed the
    reward is None, and TRL leaves the completion out of its group's statistics. TRL logs
    "success" beside the reward: the task's own judgement, whatever the design pays.

    Group rewards compare the completions of equal seeds that TRL passes in one call: make its
    batch per device a multiple of `num_generations`.

    Args:
        judge: What pays; bound to the task here.
        dialogue: The kind of task.
        column: The dataset's column of seeds.

    Raises:
        ConfigError: If the design reads what TRL does not show to a reward function: the
            policy's probabilities, or its tokens turn by turn.

    Example:
        >>> from rewardsmith.envs.text.calculator import Calculator
        >>> from rewardsmith.rewards import RewardDesign
        >>> from rewardsmith.rewards.shaping import TaskReward
        >>> dialogue = Calculator(1).dialogue
        >>> reward = trl_reward(RewardDesign({"task": TaskReward()}), dialogue)
        >>> right = f"<answer>{dialogue.begin(5).task.answer}</answer>"
        >>> reward([""] * 2, [right, "<answer>unknown</answer>"], seed=[5, 5])
        [1.0, 0.0]
    """
    design = judge if isinstance(judge, RewardDesign) else RewardDesign({"score": Verified(judge)})
    _check_design(design)
    name = type(dialogue).__name__
    design.bind(TextEnv(dialogue, EnvCard(id=name, goal=dialogue.goal)).card)

    def reward(
        prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        if column not in columns:
            raise ConfigError(
                f"the dataset has no column {column!r}, which says the task of a prompt; make it "
                "with trl_dataset, or name another column"
            )
        heard = [
            replay(dialogue, seed, completion)
            for seed, completion in zip(columns[column], completions, strict=True)
        ]
        if "log_metric" in columns:
            columns["log_metric"]("success", float(np.mean([t.success for t in heard])))
        return _paid(design, columns[column], [episode_of(t, dialogue.budget) for t in heard])

    reward.__name__ = type(judge).__name__
    return reward


class ToolEnvironment:
    """One conversation as TRL's `environment_factory` wants it; made by `trl_environment`.

    Attributes:
        transcript: What the tools were asked so far, a turn per call; None before the first
            `reset`.
    """

    _dialogue: Dialogue

    def __init__(self) -> None:
        self.transcript: Transcript | None = None

    def reset(self, seed: int | None = None, prompt: Any = (), **columns: Any) -> str | None:
        """Starts the task of a row of the dataset.

        Returns:
            The first message, which TRL appends to the prompt; None if the prompt says it.

        Raises:
            ConfigError: If the row has no seed: the members of a group would get other tasks.
        """
        if seed is None:
            raise ConfigError(
                "the dataset has no column 'seed', which says the task of a prompt; make it "
                "with trl_dataset"
            )
        self.transcript = self._dialogue.begin(seed)
        first = self.transcript.observation
        said = str(prompt[-1]["content"]) if prompt else ""
        return None if said.endswith(first) else first

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        if self.transcript is None:
            raise ConfigError(f"{name} was called before reset; TRL resets every environment")
        call = ToolCall(name, arguments)
        message = Message(write([call]), calls=(call,))
        self.transcript = self._dialogue.reply(self.transcript, message)
        return self.transcript.observation


def trl_environment(dialogue: Dialogue) -> type[ToolEnvironment]:
    """Returns a class for TRL's `environment_factory`: the dialogue's tools are its methods.

    The methods have the types and docstrings that TRL shows the model. What is wrong with a
    call is told as a tool's text, as in our own environments; only names that are no tool are
    answered by TRL. Pay with `trl_reward`, which also reads the final answer, and give
    `GRPOConfig(max_tool_calling_iterations=dialogue.budget.turns - 1)`.

    Args:
        dialogue: The kind of task.

    Raises:
        ConfigError: If there is no tool, or one is called as TRL's own methods are.

    Example:
        >>> from rewardsmith.envs.text.calculator import Calculator
        >>> dialogue = Calculator(1).dialogue
        >>> environment = trl_environment(dialogue)()
        >>> environment.reset(seed=5) == dialogue.begin(5).task.prompt
        True
        >>> environment.calculator(expression="18+76")
        '94'
    """
    name = type(dialogue).__name__
    if not dialogue.tools:
        raise ConfigError(
            f"{name} has no tools that TRL could call; use trl_reward without environment_factory"
        )
    for tool in dialogue.tools:
        if tool in _TAKEN or tool.startswith("_") or not tool.isidentifier():
            raise ConfigError(
                f"the tool {tool!r} of {name} cannot be a method of TRL's environment; rename it "
                f"to a Python name other than {' and '.join(_TAKEN)}, without a leading _"
            )
    methods = {tool.name: _method(tool) for tool in dialogue.tools.values()}
    return type(f"{name}Environment", (ToolEnvironment,), {**methods, "_dialogue": dialogue})


def _method(tool: Tool) -> Callable[..., str]:
    """Returns a method with the signature and docstring of a tool."""

    def method(self: ToolEnvironment, /, **arguments: Any) -> str:
        return self._call(tool.name, arguments)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(
            p.name,
            keyword,
            annotation=_PYTHON_TYPES[p.type],
            default=inspect.Parameter.empty if p.required else None,
        )
        for p in tool.parameters
    ]
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.Signature([first, *parameters], return_annotation=str)
    lines = [f"    {p.name}: {' '.join(p.description.split())}" for p in tool.parameters]
    method.__name__ = tool.name
    method.__doc__ = "\n".join([tool.description, "", "Args:", *lines])
    method.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": str}
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def _check_design(design: RewardDesign) -> None:
    if asked_by(design):
        raise ConfigError(
            "the design reads the policy's probabilities or states, which TRL shows to "
            "no reward function; train it with rewardsmith train"
        )
    if any(isinstance(reward, SoftOverlongPenalty) for reward in design.group):
        raise ConfigError(
            "SoftOverlongPenalty counts the policy's tokens, which TRL does not tell apart from "
            "those of tools; leave it out and add trl.rewards.get_soft_overlong_punishment"
        )


def _paid(
    design: RewardDesign, seeds: Sequence[int], episodes: Sequence[Episode]
) -> list[float | None]:
    """Returns each episode's return, or None; episodes of one seed are a group."""
    members: dict[int, list[int]] = {}
    for place, seed in enumerate(seeds):
        members.setdefault(seed, []).append(place)
    groups = [Group(tuple(episodes[i] for i in own), seed) for seed, own in members.items()]
    rollouts = pay(design, groups).rollouts
    paid: list[float | None] = [None] * len(episodes)
    places = (place for own in members.values() for place in own)
    for place, amount, scored in zip(places, rollouts.returns, rollouts.scored, strict=True):
        paid[place] = float(amount) if scored else None
    return paid
