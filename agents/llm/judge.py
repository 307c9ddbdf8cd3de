"""`Judge`: fresh tasks played by a language model, and what each episode earned."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probes import facts_of, probed
from rewardsmith.agents.llm.rollout import Rollout
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.warm_up import scripted
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.episode import Episode, Group

_GREEDY = 0.0


class Judge:
    """Plays fresh tasks with a policy and reports what each episode earned.

    Args:
        env: The conversations, under autoreset mode "Disabled".
        policy: Who plays, with the weights it has at the time.
        design: Whose pay is reported beside the task's; it stays as it is.
        settings: How the policy is trained: what is said to it and how it is sampled.
        gamma: Discount of the designed return.
        deterministic: Whether the likeliest tokens are taken instead of sampling.
        reference: The trainer's reference policy, for designs that read it.

    Raises:
        ConfigError: If the model has no chat template.
    """

    def __init__(
        self,
        env: TextEnv,
        policy: Policy,
        design: RewardDesign,
        settings: Settings,
        *,
        gamma: float,
        deterministic: bool,
        reference: Policy | None = None,
    ) -> None:
        self.env, self.policy, self.design, self.settings = env, policy, design, settings
        self.chat, self.gamma, self.reference = Chat(policy.tokenizer), gamma, reference
        drawn = settings.sampling
        self.sampling = replace(drawn, temperature=_GREEDY) if deterministic else drawn

    def play(self, episodes: int, seed: int) -> tuple[list[Episode], list[dict[str, float]]]:
        """Returns the episodes of the seeds from `seed` on, and a record of each."""
        generator = CachedGenerator(
            self.policy,
            self.chat.stop_ids,
            slots=self.env.num_envs,
            sampling=self.sampling,
            seed=seed,
        )
        system = self.env.dialogue.instructions if self.settings.system else None
        decode = self.policy.tokenizer.decode
        rollout = Rollout(self.env, generator, self.chat, decode, system)
        return self._recorded(rollout.play(range(seed, seed + episodes)))

    def scripted(self, script: str, episodes: int, seed: int) -> list[dict[str, float]]:
        """Returns the records of a scripted policy on the same tasks."""
        seeds = range(seed, seed + episodes)
        return self._recorded([scripted(self.env, self.chat, script, s, None) for s in seeds])[1]

    def _recorded(
        self, episodes: Sequence[Episode]
    ) -> tuple[list[Episode], list[dict[str, float]]]:
        """Returns episodes, with the probabilities that the design reads, and their records."""
        asked, piece, played = facts_of(self.design), self.settings.micro_batch, tuple(episodes)
        groups, _ = probed(self.policy, self.chat, [Group(played)], asked, piece, self.reference)
        design: RewardDesign = copy.deepcopy(self.design)
        return list(groups[0]), [self._record(design, episode) for episode in groups[0]]

    def _record(self, design: RewardDesign, episode: Episode) -> dict[str, float]:
        payment = design.settle(episode.transitions())
        discount = self.gamma ** np.arange(len(episode))
        return {
            "success": float(episode.success),
            "task_return": float(episode.rewards.sum()),
            "designed_return": float((discount * payment.total).sum()),
            "length": float(len(episode)),
            **{f"term/{name}": float(value.sum()) for name, value in payment.parts.items()},
        }
