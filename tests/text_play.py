"""A small language model with random weights, and trainers of it, for the tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from gymnasium.vector import AutoresetMode

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.tiny import character_tokenizer, tiny_model
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.rewards.config import build, build_design


def calculator(rows: int = 4, turns: int = 3) -> Calculator:
    """Returns problems of two operations."""
    return Calculator(rows, difficulty=2, turns=turns, autoreset_mode=AutoresetMode.DISABLED)


def fresh_policy() -> Policy:
    """Returns a policy on the CPU with random weights, large enough to have opinions."""
    torch.set_num_threads(1)
    tokenizer = character_tokenizer()
    model = tiny_model(tokenizer, hidden=32, context=512)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    return Policy(model, tokenizer, device="cpu")


def settings_of(agent: str, **changes: Any) -> Settings:
    """Returns the training settings of a configured agent, made small."""
    config = compose(["env=calculator", "reward=sparse", f"agent={agent}"])
    training: Settings = build(config["agent"]["settings"])["training"]
    small: dict[str, Any] = {
        "sampling": Sampling(max_new_tokens=12),
        "prompts_per_batch": 2,
        "group_size": 3,
    }
    return replace(training, **small | changes)


def trainer_of(agent: str, reward: str = "sparse", **changes: Any) -> Trainer:
    """Returns a small trainer of a configured agent and reward."""
    env = calculator()
    design = build_design(compose(["env=calculator", f"reward={reward}", "agent=grpo"])["reward"])
    design.bind(env.card)
    return Trainer(fresh_policy(), env, design, settings_of(agent, **changes), seed=0)
