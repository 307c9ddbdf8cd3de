"""`CachedGenerator`: many conversations decoded together, on one key-value cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardsmith.agents.llm.batching import alike, batches, padded
from rewardsmith.agents.llm.cache import SlotCache
from rewardsmith.agents.llm.forward import forward_of
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.turns import Finished, Generator, stop_table
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray, Stateful
from rewardsmith.envs.streams import Streams
from rewardsmith.rewards.episode import TokenSpan

__all__ = ["CachedGenerator", "Finished", "Generator"]

_DEFAULT_CONTEXT = 4096


class CachedGenerator(Stateful):
    """Continuous batching in this process: one key-value cache, one row per conversation.

    A conversation is encoded once: feeding it encodes the new tokens alone, and nothing the
    policy wrote is tokenised again. So are the equal prompts of conversations that begin
    together, as those of a group do. Rows of turns in progress are kept next to each other, so
    a turn that ends frees its share of the work at once, and another may take its place while
    the rest go on. Every slot draws from its own random stream: what it writes does not
    depend on the other slots, but for the rounding of the model's arithmetic.

    Weights that change are seen once all conversations are closed, since the cache holds what
    the old weights made of the tokens.

    Args:
        policy: The language model.
        stop_ids: Ids that end a turn, as in `Chat.stop_ids`.
        slots: Conversations held at once.
        sampling: How tokens are drawn.
        context: Most tokens of a conversation, what the policy writes included; by default
            what the model can attend to, at most 4,096.
        seed: Seed of the slots' random streams.

    Raises:
        ConfigError: If a setting is out of range, or the model cannot be run on a cache.

    Example:
        >>> policy = Policy.load("tiny", device="cpu")
        >>> generator = CachedGenerator(policy, [policy.tokenizer.eos_token_id], slots=2,
        ...                             sampling=Sampling(max_new_tokens=3))
        >>> generator.feed(0, np.array(policy.tokenizer("1+1=").input_ids))
        >>> [turn] = generator.run()
        >>> turn.slot, turn.span.ids.shape, turn.stopped
        (0, (3,), False)
    """

    state_names = ("_streams", "_slot_in_row")

    def __init__(
        self,
        policy: Policy,
        stop_ids: Iterable[int],
        *,
        slots: int,
        sampling: Sampling | None = None,
        context: int | None = None,
        seed: int = 0,
    ) -> None:
        if slots < 1:
            raise ConfigError(f"slots must be at least 1, got {slots}")
        self.policy = policy
        self.sampling = sampling or Sampling()
        self.context = _context(policy, context)
        self._stops = stop_table(stop_ids, policy.causal_lm.config.vocab_size)
        self._cache = SlotCache(policy.causal_lm.config, slots, self.context)
        self._forward = forward_of(policy.causal_lm, self._cache)
        self._streams = Streams(slots)
        seeds = np.random.SeedSequence(seed).generate_state(slots, np.uint64) >> np.uint64(1)
        self._streams.seed(np.arange(slots), seeds.astype(np.int64))
        self._slot_in_row, self._row_of = np.arange(slots), np.arange(slots)  # inverse maps
        self._running = 0  # rows below this one are mid-turn
        self._fed: dict[int, IntArray] = {}  # turns started, but not yet encoded
        self._contexts: list[IntArray] = [np.zeros(0, np.int64)] * slots
        self._length = np.zeros(slots, np.int64)  # tokens in the cache
        self._last = np.full(slots, -1)  # the last token written, never in the cache yet
        self._count = np.zeros(slots, np.int64)  # tokens written this turn
        written = (slots, min(self.sampling.max_new_tokens, self.context))
        self._ids = np.zeros(written, np.int64)
        self._logprobs = np.zeros(written)
        self._entropies = np.zeros(written) if self.sampling.want_entropies else None

    def feed(self, slot: int, context: IntArray) -> None:
        """Appends tokens the policy did not write (C,) and starts a turn.

        Raises:
            ConfigError: If the slot is mid-turn or unknown, the conversation would be empty,
                or the tokens leave no room for a turn.
        """
        self._check_between_turns(slot)
        room, size = self.room(slot), len(context)
        if size > room:
            held = self.context - 1 - room
            raise ConfigError(
                f"a prompt of {size} tokens after {held} tokens of conversation leaves no room "
                f"for a turn in a context of {self.context}; shorten it, or raise context"
            )
        if not size and room == self.context - 1:
            raise ConfigError(f"slot {slot} holds no conversation; feed it at least one token")
        ids = np.array(context, dtype=np.int64)
        self._fed[slot] = np.concatenate([self._fed[slot], ids]) if slot in self._fed else ids

    @torch.inference_mode()
    def run(self, at_least: int = 1) -> list[Finished]:
        """Decodes every started turn until this many have ended, or all if they are fewer."""
        finished = self._start() if self._fed else []
        while self._running and len(finished) < at_least:
            finished += self._go_on()
        return finished

    def room(self, slot: int) -> int:
        """Returns how many tokens may still be fed to a slot so that a turn can start."""
        fed = len(self._fed.get(slot, ()))
        return int(self.context - 1 - self._length[slot] - (self._last[slot] >= 0) - fed)

    @torch.inference_mode()
    def close(self, slot: int) -> None:
        """Forgets a conversation, also one that is mid-turn; its slot may be fed anew."""
        self._check(slot)
        if self._is_running(slot):
            self._retire(slot)
        self._fed.pop(slot, None)
        self._length[slot], self._last[slot] = 0, -1

    @torch.inference_mode()
    def fork(self, source: int, target: int) -> None:
        """Makes `target` a copy of the conversation in `source`; its random stream is its own.

        Raises:
            ConfigError: If `source` is mid-turn, or a slot is unknown.
        """
        self._check_between_turns(source)
        if source == target:
            return
        self.close(target)
        if source in self._fed:
            self._fed[target] = self._fed[source]
        self._last[target] = self._last[source]
        self._share(np.array([source]), np.array([target]))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts the random streams back and closes all conversations: they are not saved."""
        for slot in range(len(self._length)):
            self.close(slot)
        super().load_state_dict(state)
        self._row_of = np.argsort(self._slot_in_row)

    # ---- Machinery -----------------------------------------------------------------

    def _start(self) -> list[Finished]:
        """Encodes what was fed, equal prompts once, and draws first tokens."""
        if not self._length.any():  # no conversation is open that other weights began
            self._forward.read_weights()
        started = sorted(self._fed, key=self._row)
        for row, slot in enumerate(started, start=self._running):
            self._swap_rows(self._row(slot), row)
        self._running += len(started)
        groups = alike(self._fed, self._length == 0)
        unread = {slot: self._unread(slot) for slot in started}
        finished: list[Finished] = []
        firsts = list(groups)
        for part in batches([len(unread[first]) for first in firsts]):
            batch = [firsts[place] for place in part]
            logits = self._encode(batch, [unread[first] for first in batch])
            place = np.repeat(np.arange(len(batch)), [len(groups[first]) for first in batch])
            slots = np.concatenate([groups[first] for first in batch])
            self._share(np.array(batch)[place], slots)
            uniform = self._tensor(self._streams.uniform(slots))
            finished += self._record(slots, [self._draw(logits[self._tensor(place)], uniform)])
        return finished

    def _share(self, sources: IntArray, targets: IntArray) -> None:
        """Copies what the cache holds of some slots to others."""
        sources, targets = (slots[sources != targets] for slots in (sources, targets))
        self._length[targets] = self._length[sources]
        longest = int(self._length[targets].max(initial=0))
        self._cache.copy(self._row_of[sources], self._row_of[targets], longest)

    def _unread(self, slot: int) -> IntArray:
        """Begins a slot's turn; returns the tokens that are not in the cache yet."""
        self._count[slot] = 0
        self._contexts[slot] = context = self._fed.pop(slot)
        return context if self._last[slot] < 0 else np.r_[self._last[slot], context]

    def _encode(self, slots: list[int], unread: list[IntArray]) -> Tensor:
        """Encodes the unread tokens of some slots in one pass; returns their logits (k, V)."""
        ids, positions = padded(unread, self._length[slots])
        self._length[slots] = positions[:, -1] + 1
        rows, width = self._tensor(self._row_of[slots]), int(positions.max()) + 1
        return self._forward(self._tensor(ids), self._tensor(positions), rows, width)

    def _go_on(self) -> list[Finished]:
        """Decodes all running turns, token by token, until one of them ends."""
        slots, rows = self._slot_in_row[: self._running].copy(), slice(0, self._running)
        ids, positions = self._tensor(self._last[slots]), self._tensor(self._length[slots, None])
        longest, most = int(self._length[slots].max()), int(self._count[slots].max())
        drawn: list[tuple[Tensor, ...]] = []
        for step in range(min(self._ids.shape[1] - most, self.context - 1 - longest)):
            if not step & (step - 1):  # at 0, 1, 2, 4, ...
                coming = iter(self._tensor(uniforms(self._streams, slots, max(step, 1)).T))
            logits = self._forward(ids[:, None], positions + step, rows, longest + step + 1)
            drawn.append(self._draw(logits, next(coming)))
            ids = drawn[-1][0]
            if self._stops[ids.cpu().numpy()].any():
                break
        self._streams.give_back(slots, sum(1 for _ in coming))
        self._length[slots] += len(drawn)
        return self._record(slots, drawn)

    def _draw(self, logits: Tensor, uniform: Tensor) -> tuple[Tensor, ...]:
        """Draws a token for every slot; returns it, its log-probability, the entropy if wanted."""
        drawn = self.sampling.draw(logits, uniform)
        return tuple(part for part in drawn if part is not None)

    def _record(self, slots: IntArray, drawn: list[tuple[Tensor, ...]]) -> list[Finished]:
        """Notes what was drawn, step by step; returns the turns that ended with the last step."""
        steps = [torch.stack(part, 1).cpu().numpy() for part in zip(*drawn, strict=True)]
        cells = slots[:, None], self._count[slots, None] + np.arange(len(drawn))
        self._ids[cells], self._logprobs[cells] = steps[:2]
        if self._entropies is not None:
            self._entropies[cells] = steps[2]
        self._last[slots] = steps[0][:, -1]
        self._count[slots] += len(drawn)
        stopped = self._stops[steps[0][:, -1]]
        cut = (self._count[slots] == self._ids.shape[1]) | (self._length[slots] + 1 >= self.context)
        ended = np.flatnonzero(stopped | cut)[::-1]  # last row first, so that few rows move
        turns = zip(slots[ended].tolist(), stopped[ended].tolist(), strict=True)
        return [self._finish(slot, stop) for slot, stop in turns]

    def _finish(self, slot: int, stopped: bool) -> Finished:
        size = self._count[slot]
        entropies = None if self._entropies is None else self._entropies[slot, :size].copy()
        span = TokenSpan(
            self._contexts[slot],
            self._ids[slot, :size].copy(),
            self._logprobs[slot, :size].copy(),
            entropies,
        )
        self._retire(slot)
        return Finished(slot, span, stopped)

    def _retire(self, slot: int) -> None:
        self._running -= 1
        self._swap_rows(self._row(slot), self._running)

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self.policy.device)

    def _swap_rows(self, a: int, b: int) -> None:
        if a == b:
            return
        held = self._slot_in_row
        self._cache.swap(a, b, int(self._length[held[[a, b]]].max()))
        held[[a, b]] = held[[b, a]]
        self._row_of[held[[a, b]]] = a, b

    def _row(self, slot: int) -> int:
        return int(self._row_of[slot])

    def _is_running(self, slot: int) -> bool:
        return self._row(slot) < self._running

    def _check(self, slot: int) -> None:
        if not 0 <= slot < len(self._length):
            raise ConfigError(f"slot {slot} is not among the {len(self._length)} slots")

    def _check_between_turns(self, slot: int) -> None:
        self._check(slot)
        if self._is_running(slot):
            raise ConfigError(f"slot {slot} is mid-turn; run() until its turn ends, or close it")


def _context(policy: Policy, context: int | None) -> int:
    limit = policy.context
    if context is None:
        return min(limit or _DEFAULT_CONTEXT, _DEFAULT_CONTEXT)
    if context < 2 or (limit is not None and context > limit):
        most = f" and at most {limit}, what the model can attend to" if limit else ""
        raise ConfigError(f"context must be at least 2 tokens{most}, got {context}")
    return context
