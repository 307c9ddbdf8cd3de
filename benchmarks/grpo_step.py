"""R8: a GRPO step, rollouts and update together, against TRL's `GRPOTrainer`."""

from __future__ import annotations

import copy
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.agents.llm.bridges import trl_dataset, trl_reward
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.samplers import Prompts
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.rewards import RewardDesign
from rewardsmith.rewards.verify import Judgement, Verified

GROUP = 8
LEARNING_RATE = 1e-3
POOL = 4096
SKIPPED = Skipped("`pip install rewardsmith[bridges]` installs TRL")


@dataclass
class InOrder(Prompts):
    """Prompts 0, 1, 2, ..., as TRL takes them from an unshuffled dataset."""

    following: int = 0

    def choose(self, prompts: int, rollouts: int) -> list[tuple[int, int]]:
        first, self.following = self.following, self.following + prompts
        return [(prompt % POOL, rollouts) for prompt in range(first, first + prompts)]


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    torch.set_num_threads(1)
    try:
        import trl  # noqa: F401
    except ImportError:
        yield SKIPPED
        return
    prompts, lengths = (2, (8,)) if quick else (8, (64, 128))
    for tokens in lengths:
        policy = Policy.load("tiny", device="cpu", key_value_heads=1)
        yield Contest(
            f"{prompts} prompts x {GROUP} rollouts of {tokens} tokens",
            Side(_Ours(copy.deepcopy(policy), prompts, tokens)),
            Side(_Theirs(copy.deepcopy(policy), prompts, tokens)),
            Target("faster", 2.5),
        )


def design() -> RewardDesign:
    """Pays random messages differently, so that every step has something to learn."""
    return RewardDesign({"variety": Verified(Judgement(_variety))})


def _variety(transcript: Any) -> float:
    return min(1.0, len(set(transcript.turns[-1].message.text)) / 100)


def _task(rows: int) -> Calculator:
    return Calculator(rows, turns=1, autoreset_mode=AutoresetMode.DISABLED)


class _Ours:
    """Takes a step of our trainer per call; no id ends a turn, so all have equal length."""

    def __init__(self, policy: Policy, prompts: int, tokens: int) -> None:
        env, paid = _task(prompts * GROUP), design()
        paid.bind(env.card)
        sampling = Sampling(max_new_tokens=tokens)
        settings = Settings(prompts=InOrder(), prompts_per_batch=prompts, group_size=GROUP,
                            sampling=sampling, learning_rate=LEARNING_RATE,
                            micro_batch=4 * GROUP)  # fmt: skip
        self.trainer = Trainer(policy, env, paid, settings, seed=0)
        drawn = self.trainer.generator.sampling
        self.trainer.generator = CachedGenerator(policy, (), slots=env.num_envs, sampling=drawn)

    def __call__(self) -> Outcome:
        self.trainer.step()
        groups = self.trainer.last_groups
        written = [len(s.tokens.ids) for g in groups for e in g for s in e.steps if s.tokens]
        return {"seeds": [g.start for g in groups for _ in g], "tokens": written}


class _Theirs:
    """Takes a step of TRL's own training loop per call: it runs in a thread that is held."""

    def __init__(self, policy: Policy, prompts: int, tokens: int) -> None:
        from datasets import Dataset
        from transformers import TrainerCallback
        from trl import GRPOTrainer

        warnings.filterwarnings("ignore", category=FutureWarning)
        dialogue = _task(1).dialogue
        pay = trl_reward(design(), dialogue)
        self.made: Outcome = {}
        go, done = threading.Semaphore(0), threading.Semaphore(0)
        self._go, self._done = go, done

        def reward(completion_ids: Any, seed: Any, **asked: Any) -> list[float | None]:
            self.made = {"seeds": list(seed), "tokens": [len(ids) for ids in completion_ids]}
            return pay(seed=seed, **asked)

        class Held(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, *_: Any, **__: Any) -> None:
                done.release()
                go.acquire()

        trainer = GRPOTrainer(
            policy.model, reward, _config(prompts, tokens),
            Dataset.from_list(trl_dataset(dialogue, range(POOL), system=False)),
            processing_class=policy.tokenizer, callbacks=[Held()],
        )  # fmt: skip
        trainer.generation_config.eos_token_id = None  # no id ends a turn here either
        trainer.eos_token_ids = [-1]
        self._thread = threading.Thread(target=self._train, args=(trainer,), daemon=True)

    def _train(self, trainer: Any) -> None:
        torch.set_num_threads(1)
        self._go.acquire()
        trainer.train()

    def __call__(self) -> Outcome:
        if self._thread.ident is None:
            self._thread.start()
        self._go.release()
        while not self._done.acquire(timeout=1.0):
            if not self._thread.is_alive():
                raise RuntimeError("TRL's training loop ended; see its error above")
        return self.made


def _config(prompts: int, tokens: int) -> Any:
    from trl import GRPOConfig

    return GRPOConfig(
        tempfile.mkdtemp(), max_steps=100_000, per_device_train_batch_size=prompts * GROUP,
        num_generations=GROUP, max_completion_length=tokens, temperature=1.0,
        learning_rate=LEARNING_RATE, lr_scheduler_type="constant", loss_type="grpo", beta=0.0,
        shuffle_dataset=False, use_cpu=True, bf16=False, gradient_checkpointing=False,
        report_to="none", logging_strategy="no", save_strategy="no", disable_tqdm=True,
    )  # fmt: skip


RACE = Race(
    "R8",
    "GRPO step",
    f"""\
CPU time of a whole GRPO step: {GROUP} rollouts for each of 8 prompts, pay, advantages, the
clipped loss and AdamW. The same tiny Llama (2 layers, width 64) with the same first weights, the
same prompts in the same order, one turn, no end-of-turn mark: both sides write and train on equally
many tokens, which every round checks. Ours takes the gradient over four groups at a time. Peer:
TRL's `GRPOTrainer` in its own training loop, paid by the same design through `trl_reward`, with
what makes it fastest here: float32, the gradient over the whole batch, no gradient checkpointing,
no reference model, no logging; its `generate` keeps the default dynamic cache.""",
    contests,
)
