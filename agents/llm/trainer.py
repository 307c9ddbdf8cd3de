"""`Trainer`: rollouts, pay, credit, update; one loop for every design and credit method."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rewardsmith.agents.llm import distributed
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.critic import Critic, needs_values
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.likelihood_objective import (
    GoldAnswers,
    LikelihoodObjective,
    episode_weights,
)
from rewardsmith.agents.llm.outcomes import Outcomes
from rewardsmith.agents.llm.pay import PaidBatch, pay
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probe_points import before_answers
from rewardsmith.agents.llm.probes import OF_REFERENCE, asked_by, probed
from rewardsmith.agents.llm.reference import frozen_copy
from rewardsmith.agents.llm.rollout import Rollout
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.agents.llm.token_signals import REFERENCE, VALUE, Scorer, token_signals
from rewardsmith.agents.llm.tree_rollout import TreeRollout, TreeSettings
from rewardsmith.agents.llm.update import Lesson, TrainingError, Update
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards.credit import Rollouts, join, take_groups
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.episode import Group

__all__ = ["Trainer", "TrainingError"]


class Trainer:
    """Trains a policy in text environments by a design.

    Args:
        policy: The language model.
        env: The conversations, under autoreset mode "Disabled".
        design: What is paid; bound to the task.
        settings: How.
        seed: Seed of prompts and sampling.
        horizon: Rollouts over which the learning rate falls linearly to a tenth, after it rose
            over the first 20 batches; None keeps it.

    Attributes:
        update: Fits the policy, and its critic if the advantage needs values.
        reference: The policy as training began, or as `reference_sync` has it follow, if the
            loss, the advantage or the design asks for one.
        episodes: Rollouts played so far.
        updates: Batches learned from so far.

    Raises:
        ConfigError: If the model has no chat template, or the settings do not fit together.
    """

    def __init__(
        self,
        policy: Policy,
        env: TextEnv,
        design: RewardDesign,
        settings: Settings,
        seed: int,
        horizon: int | None = None,
    ) -> None:
        self.policy, self.env, self.design, self.settings = policy, env, design, settings
        self.horizon = horizon
        self.chat = Chat(policy.tokenizer)
        self.generator = CachedGenerator(
            policy,
            self.chat.stop_ids,
            slots=env.num_envs,
            sampling=replace(settings.sampling, want_entropies=True),
            seed=distributed.own_seed(seed),
        )
        self.prompts = settings.prompts
        self.prompts.begin(seed)
        self.episodes = self.updates = 0
        self.last: PaidBatch | None = None
        self.last_groups: list[Group] = []
        longest = settings.sampling.max_new_tokens * env.dialogue.budget.turns
        self.update = Update(policy, Critic.of(policy, settings.advantage), settings, longest)
        self._asked = {*asked_by(design), *settings.advantage.needs}
        if settings.objective.kl > 0:
            self._asked.add(REFERENCE)
        wanted = self._asked & {REFERENCE, *OF_REFERENCE}
        self.reference = frozen_copy(policy) if wanted else None
        self._scorers = self._token_scorers()
        self._likelihood = LikelihoodObjective.of(
            design, settings.advantage, settings.reward_gradient, settings.micro_batch
        )

    def step(self) -> dict[str, float]:
        """Plays a batch and learns from it; returns what to report.

        Raises:
            TrainingError: If the loss is not finite; go back to the last `state_dict`.
        """
        started = time.monotonic()
        groups, paid, told = self.collect()
        rollouts = paid.rollouts
        told |= self.update(
            self._lesson(groups, rollouts),
            self.prompts.random,
            number=self.updates + 1,
            played=0.0 if self.horizon is None else self.episodes / self.horizon,
            answers=self._gold_answers(groups, rollouts),
        )
        self.updates += 1
        if self.reference is not None and self.settings.reference_sync is not None:
            self.settings.reference_sync(self.reference, self.policy, self.updates)
        told["tokens_per_s"] = rollouts.n_tokens / (time.monotonic() - started)
        return told | {f"term/{name}": float(v.mean()) for name, v in paid.parts.items()}

    def collect(self) -> tuple[list[Group], PaidBatch, dict[str, float]]:
        """Plays until a batch is full of groups to learn from; returns it, its pay, metrics."""
        wanted = self.settings.prompts_per_batch
        played: list[Group] = []
        parts: list[Rollouts] = []
        kept: list[bool] = []
        for _ in range(self.prompts.most_rounds):
            groups, rollouts = self._paid(self._play(wanted - sum(kept)))
            for group in groups:
                right = sum(episode.success for episode in group)
                self.prompts.learn(group.start, float(right), len(group))
            played += groups
            parts.append(rollouts)
            kept += self.prompts.keep(Outcomes.of(groups, rollouts)).tolist()
            if sum(kept) >= wanted:
                break
        if not any(kept):
            kept = [place < wanted for place in range(len(played))]
        groups = [group for group, is_kept in zip(played, kept, strict=True) if is_kept]
        paid = PaidBatch(take_groups(join(parts), np.array(kept)))
        self.last, self.last_groups = paid, groups
        return groups, paid, _batch_metrics(played, paid)

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the next step depends on; of several processes all have to call it."""
        torch_state = io.BytesIO()
        weights = {n: p.detach() for n, p in self.policy.model.named_parameters()}
        reference = self.reference.model.state_dict() if self.reference is not None else {}
        saved = {"weights": weights, "reference": reference, **self.update.state_dict()}
        torch.save(saved, torch_state)
        return {
            "torch": torch_state.getvalue(),
            "generators": distributed.from_all(self.generator.state_dict()),
            "prompts": self.prompts.state_dict(),
            "design": self.design.state_dict(),
            "counts": (self.episodes, self.updates),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state_dict` returned, in as many processes."""
        saved = torch.load(io.BytesIO(state["torch"]), weights_only=True)
        self.policy.model.load_state_dict(saved["weights"], strict=False)
        self.update.load_state_dict(saved)
        if self.reference is not None:
            self.reference.model.load_state_dict(saved["reference"])
        self.generator.load_state_dict(distributed.own_part(state["generators"]))
        self.prompts.load_state_dict(state["prompts"])
        self.design.load_state_dict(state["design"])
        self.episodes, self.updates = state["counts"]

    # ---- Machinery -----------------------------------------------------------------

    def _play(self, count: int) -> list[Group]:
        chosen = distributed.share(self.prompts.choose(count, self.settings.group_size))
        if self.settings.tree is not None:
            groups = self._tree_rollout(self.settings.tree).play(prompt for prompt, _ in chosen)
        else:
            seeds = [prompt for prompt, rollouts in chosen for _ in range(rollouts)]
            episodes = iter(self._rollout().play(seeds))
            groups = [
                Group(tuple(next(episodes) for _ in range(rollouts)), prompt)
                for prompt, rollouts in chosen
            ]
        groups = distributed.gather(groups)
        self.episodes += sum(map(len, groups))
        return groups

    def _paid(self, groups: Sequence[Group]) -> tuple[list[Group], Rollouts]:
        """Returns groups with what was read off the policy, and the same paid."""
        policy, piece = self.policy, self.settings.micro_batch
        told, signals = probed(policy, self.chat, groups, self._asked, piece, self.reference)
        signals |= token_signals(told, self._scorers, policy.device, piece)
        return told, pay(self.design, told, signals).rollouts

    def _lesson(self, groups: Sequence[Group], rollouts: Rollouts) -> Lesson:
        """Returns what the tokens of a batch teach."""
        advantage, signals = self.settings.advantage, rollouts.signals
        episodes, weights = [e for group in groups for e in group], rollouts.weight[rollouts.step]
        if not self.settings.train_answers:
            weights = weights * before_answers(self.chat, episodes)
        batch = TokenBatch.of(episodes, self._pad)
        lesson = Lesson(
            batch,
            old=batch.lay_out(rollouts.signal("logprob", "token")),
            advantages=batch.lay_out(advantage.tokens(rollouts)),
            weights=batch.lay_out(weights),
        )
        if self.settings.objective.kl > 0:
            lesson = replace(lesson, reference=batch.lay_out(signals[REFERENCE]))
        if needs_values(advantage):
            values = batch.lay_out(signals[VALUE])
            targets = batch.lay_out(advantage.value_targets(rollouts))
            lesson = replace(lesson, values=values, targets=targets)
        return lesson

    def _gold_answers(self, groups: Sequence[Group], rollouts: Rollouts) -> GoldAnswers | None:
        if self._likelihood is None:
            return None
        episodes = [episode for group in groups for episode in group]
        weights = episode_weights(self.settings.advantage, rollouts)
        return self._likelihood.on(self.policy, self.chat, episodes, weights)

    def _token_scorers(self) -> dict[str, Scorer]:
        """Returns who scores the tokens of a batch once it is played, by signal."""
        scorers: dict[str, Scorer] = {}
        if self.update.critic is not None:
            scorers[VALUE] = self.update.critic.values
        if self.reference is not None and REFERENCE in self._asked:
            shared, temperature = SharedPrompts(self.reference), self.settings.sampling.temperature
            scorers[REFERENCE] = lambda piece: shared.logprobs(piece, temperature)[0][piece.written]
        return scorers

    @property
    def _pad(self) -> int:
        tokenizer = self.policy.tokenizer
        return int(tokenizer.pad_token_id or tokenizer.eos_token_id or 0)

    def _rollout(self) -> Rollout:
        system = self.env.dialogue.instructions if self.settings.system else None
        decode = self.policy.tokenizer.decode
        return Rollout(self.env, self.generator, self.chat, decode, system)

    def _tree_rollout(self, settings: TreeSettings) -> TreeRollout:
        system = self.env.dialogue.instructions if self.settings.system else None
        decode = self.policy.tokenizer.decode
        return TreeRollout(self.env, self.generator, self.chat, decode, system, settings)


def _batch_metrics(played: Sequence[Group], paid: PaidBatch) -> dict[str, float]:
    """Returns what a batch came to, before anything is learned from it."""
    rollouts = paid.rollouts
    returns: FloatArray = rollouts.returns
    silent = [len(set(returns[rollouts.group == g].tolist())) < 2 for g in range(rollouts.n_groups)]
    return {
        "success": float(np.mean([episode.success for group in played for episode in group])),
        "designed_return": float(returns.mean()),
        "no_signal": float(np.mean(silent)),
        "abstained": float(1.0 - rollouts.scored.mean()),
        "turns": rollouts.n_steps / rollouts.n_episodes,
        "tokens": rollouts.n_tokens / rollouts.n_episodes,
        "entropy": float(rollouts.signal("entropy", "token").mean()),
    }
