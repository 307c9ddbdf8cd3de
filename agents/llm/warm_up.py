"""Warm-up: supervised fine-tuning on what a scripted policy says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.objectives import likelihood_loss, token_weights
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.batch import TextEnv, turn_facts
from rewardsmith.envs.text.message import parse
from rewardsmith.rewards.episode import Episode, Step, TokenSpan

CHECK_EVERY, CHECK_EVERY_CLOSE = 10, 2
"""Steps between looks at how many tasks are solved, far from the end and close to it."""


@dataclass(frozen=True)
class WarmUp:
    """How a policy is fitted to a script before it learns from reward.

    Attributes:
        steps: Optimiser steps at most; 0 for none.
        until: Share of fresh tasks, solved by the likeliest tokens, at which it stops. What is
            learned from reward afterwards then starts from equally good policies.
        batch: Transcripts of a step.
        learning_rate: Of AdamW, after a linear rise over the first tenth of the steps.
        script: "oracle" or "careless".
    """

    steps: int = 0
    until: float = 1.0
    batch: int = 32
    learning_rate: float = 3e-3
    script: str = "oracle"

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch < 1 or not self.learning_rate > 0:
            raise ConfigError(
                f"warm_up needs steps of at least 0, a batch of at least 1 and a learning_rate "
                f"above 0, got {self.steps}, {self.batch} and {self.learning_rate}"
            )
        if not 0.0 < self.until <= 1.0:
            raise ConfigError(f"warm_up.until must be in (0, 1], got {self.until}")

    def is_due(self, step: int, close: bool) -> bool:
        """Whether it is time to see if the policy is good enough to stop."""
        every = CHECK_EVERY_CLOSE if close else CHECK_EVERY
        return self.until < 1.0 and step % every == 0

    def fit(
        self, policy: Policy, env: TextEnv, system: str | None, seed: int
    ) -> Iterator[tuple[int, float]]:
        """Fits the policy's weights; yields the step and the loss.

        -mean over the script's tokens of ln pi(token): what tools say is read, not fitted.
        """
        chat, parameters = Chat(policy.tokenizer), list(policy.model.parameters())
        optimiser = torch.optim.AdamW(parameters, self.learning_rate, weight_decay=0.0)
        random, rise = np.random.default_rng(seed), max(1, self.steps // 10)
        pad = int(policy.tokenizer.pad_token_id or 0)
        for step in range(self.steps):
            seeds = random.integers(0, 2**40, self.batch)
            episodes = [scripted(env, chat, self.script, int(s), system) for s in seeds]
            batch = TokenBatch.of(episodes, pad).to(policy.device)
            logprobs = policy.logprobs(batch.ids, batch.attention)
            loss = likelihood_loss(logprobs, token_weights(batch.written, "token_mean"))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate * min(1.0, (step + 1) / rise)
            optimiser.step()
            yield step + 1, float(loss.detach())


def scripted(env: TextEnv, chat: Chat, script: str, seed: int, system: str | None) -> Episode:
    """Returns a script's episode with the tokens a language model would have read and written."""
    dialogue, steps = env.dialogue, list[Step]()
    transcript = start = dialogue.begin(seed)
    context = chat.opening(system, transcript.observation)
    end = next(int(i) for i in chat.continuation("", stopped=False) if i in chat.stop_ids)
    while not transcript.over and len(steps) < dialogue.budget.turns:
        text = dialogue.script(script)(transcript)
        ids = np.array([*chat.tokenizer(text, add_special_tokens=False).input_ids, end])
        span = TokenSpan(context, ids, np.zeros(len(ids)))
        seen, transcript = transcript.observation, dialogue.reply(transcript, parse(text))
        steps.append(Step(seen, text, transcript.turns[-1].reward, turn_facts(transcript), span))
        context = chat.continuation(transcript.observation)
    return Episode(
        tuple(steps), transcript.observation, terminated=True, initial_info=turn_facts(start)
    )
