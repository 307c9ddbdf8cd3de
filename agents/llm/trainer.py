"""`Trainer`: rollouts, pay, credit, update; one loop for every design and credit method."""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rewardsmith.agents.llm import distributed
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.likelihood_objective import (
    GoldAnswers,
    LikelihoodObjective,
    episode_weights,
)
from rewardsmith.agents.llm.objectives import token_weights
from rewardsmith.agents.llm.pay import PaidBatch, pay
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probes import Signals, asked_by, probed
from rewardsmith.agents.llm.rollout import Rollout
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.agents.llm.tree_rollout import TreeRollout, TreeSettings
from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.episode import Group

_LEAST_RATE, _RISE = 0.1, 20


class TrainingError(RewardsmithError):
    """Training cannot go on; the last good checkpoint stays."""


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
        parameters = [p for p in policy.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            parameters, settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._parameters = parameters
        self._scorer = SharedPrompts(policy)
        self._reference = self._copy_of_policy() if settings.objective.kl > 0 else None
        self._reference_scorer = SharedPrompts(self._reference) if self._reference else None
        self._likelihood = LikelihoodObjective.of(
            design, settings.advantage, settings.reward_gradient, settings.micro_batch
        )
        self._fact_names = asked_by(design)
        self._answers: GoldAnswers | None = None

    def step(self) -> dict[str, float]:
        """Plays a batch and learns from it; returns what to report.

        Raises:
            TrainingError: If the loss is not finite; go back to the last `state_dict`.
        """
        started = time.monotonic()
        groups, paid, told = self.collect()
        rollouts = paid.rollouts
        advantages = self.settings.advantage.tokens(rollouts)
        episodes = [episode for group in groups for episode in group]
        batch = TokenBatch.of(episodes, self._pad)
        old = batch.lay_out(rollouts.signal("logprob", "token"))
        share = batch.lay_out(rollouts.weight[rollouts.step])
        if self._likelihood is not None:
            weights = episode_weights(self.settings.advantage, rollouts)
            self._answers = self._likelihood.on(self.policy, self.chat, episodes, weights)
        told |= self._update(batch, old, batch.lay_out(advantages), share)
        self.updates += 1
        told["tokens_per_s"] = rollouts.n_tokens / (time.monotonic() - started)
        return told | {f"term/{name}": float(v.mean()) for name, v in paid.parts.items()}

    def collect(self) -> tuple[list[Group], PaidBatch, dict[str, float]]:
        """Plays until a batch is full of groups to learn from; returns it, its pay, metrics."""
        settings = self.settings
        played: list[Group] = []
        kept: list[Group] = []
        for _ in range(self.prompts.most_rounds):
            groups = self._play(settings.prompts_per_batch - len(kept))
            solved = [np.array([episode.success for episode in group]) for group in groups]
            for group, right in zip(groups, solved, strict=True):
                self.prompts.learn(group.start, float(right.sum()), len(right))
            keep = self.prompts.keep(np.array([right.mean() for right in solved]))
            played += groups
            kept += [group for group, kept_ in zip(groups, keep, strict=True) if kept_]
            if len(kept) >= settings.prompts_per_batch:
                break
        groups = kept or played[: settings.prompts_per_batch]
        groups, signals = self._probed(groups, [*self._fact_names, *settings.advantage.needs])
        paid = pay(self.design, groups, signals)
        self.last, self.last_groups = paid, groups
        return groups, paid, _batch_metrics(played, paid)

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the next step depends on; of several processes all have to call it."""
        torch_state = io.BytesIO()
        weights = {n: p.detach() for n, p in self.policy.model.named_parameters()}
        reference = self._reference.model.state_dict() if self._reference is not None else {}
        saved = {
            "weights": weights,
            "optimiser": self.optimiser.state_dict(),
            "reference": reference,
        }
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
        self.optimiser.load_state_dict(saved["optimiser"])
        if self._reference is not None:
            self._reference.model.load_state_dict(saved["reference"])
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

    def _update(
        self, batch: TokenBatch, old: Tensor, advantages: Tensor, share: Tensor
    ) -> dict[str, float]:
        """Takes the optimiser's steps on a batch; returns the means of what they report."""
        settings, total = self.settings, dict[str, float]()
        longest = settings.sampling.max_new_tokens * self.env.dialogue.budget.turns
        sizes = settings.epochs * settings.minibatches
        for _ in range(settings.epochs):
            order = torch.from_numpy(self.prompts.random.permutation(len(batch)))
            for rows in (drawn.sort().values for drawn in order.tensor_split(settings.minibatches)):
                weights = token_weights(batch.written[rows], settings.aggregation, longest)
                weights = weights * share[rows]
                told = self._optimise(batch, rows, old[rows], advantages[rows], weights)
                for name, value in told.items():
                    total[name] = total.get(name, 0.0) + value / sizes
        return total

    def _optimise(
        self, batch: TokenBatch, rows: Tensor, old: Tensor, advantages: Tensor, weights: Tensor
    ) -> dict[str, float]:
        """Takes one optimiser step, its gradient summed over micro-batches."""
        told: dict[str, float] = {"loss": 0.0}
        self.optimiser.zero_grad()
        own = distributed.own_rows(len(rows))
        pieces = range(self.settings.micro_batch, len(own), self.settings.micro_batch)
        for part in own.tensor_split(tuple(pieces)):
            piece = batch.take(rows[part]).to(self.policy.device)
            width = piece.written.shape[1]
            laid = (x[part, :width].to(self.policy.device) for x in (old, advantages, weights))
            loss = self._loss(piece, *laid)
            loss.value.backward()
            told["loss"] += float(loss.value.detach())
            for name, value in loss.metrics.items():
                told[name] = told.get(name, 0.0) + value
        if self._answers is not None:
            told |= self._answers.backward(rows[own].tolist(), len(own) / len(rows))
        told = distributed.add_up(self._parameters, told)
        if not math.isfinite(told["loss"]):
            raise TrainingError(
                f"the loss is {told['loss']} at update {self.updates + 1}; the weights of the last "
                "checkpoint stay. Lower agent.settings.training.learning_rate"
            )
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.max_grad_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * self._rate()
        self.optimiser.step()
        return told | {"grad_norm": float(norm)}

    def _loss(self, piece: TokenBatch, old: Tensor, advantages: Tensor, weights: Tensor) -> Any:
        objective, temperature = self.settings.objective, self.settings.sampling.temperature
        wanted = bool(objective.entropy)
        logprobs, *entropies = self._scorer.logprobs(piece, temperature, want_entropy=wanted)
        reference = None
        if self._reference_scorer is not None:
            with torch.no_grad():
                [reference] = self._reference_scorer.logprobs(piece, temperature)
        return objective(logprobs, old, advantages, weights, reference, *entropies)

    def _rate(self) -> float:
        """Returns the share of the learning rate that is taken now, in (0, 1].

        It rises over the first batches, because Adam's first steps are of full size whatever
        the gradient, and would undo what the policy knows.
        """
        played = 0.0 if self.horizon is None else self.episodes / self.horizon
        return min((self.updates + 1) / _RISE, max(1.0 - played, _LEAST_RATE))

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

    def _probed(self, groups: Sequence[Group], names: Sequence[str]) -> tuple[list[Group], Signals]:
        return probed(self.policy, self.chat, groups, names, self.settings.micro_batch)

    def _copy_of_policy(self) -> Policy:
        model = copy.deepcopy(self.policy.model)
        return Policy(model, self.policy.tokenizer, device=self.policy.device, dtype=model.dtype)


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
