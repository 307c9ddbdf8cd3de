"""`ServerGenerator`: turns written by a server, tokens in and tokens out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from rewardsmith.agents.endpoint import Endpoint, ServerError
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.turns import Finished
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray
from rewardsmith.rewards.episode import TokenSpan

_THREADS = 256
"""Requests in flight, at most."""
_NO_FURTHER_SHAPING = {
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""vLLM takes what a request leaves out from the model's generation_config.json."""


class ServerGenerator:
    """A `Generator` over the completions endpoint of a vLLM server, 0.10.2 or later.

    Prompts are sent as token ids and turns come back as token ids (`return_token_ids`), so
    nothing is tokenised twice. A conversation is sent whole at every turn; the server's prefix
    cache keeps that cheap. Requests run side by side, and a slot's turn is drawn with a seed of
    its own.

    The server keeps its weights until `rewardsmith.agents.llm.weight_sync.send_weights` gives it
    others: without that after every update, what is learned from its turns is learned
    off-policy. The `train` job does not use it, and generates in its own process. vLLM's
    log-probabilities are those of softmax(z), whatever the temperature; at others than 0 and 1
    start it with `--logprobs-mode processed_logprobs`, or score the tokens anew with
    `Policy.logprobs`.

    Args:
        endpoint: The server.
        stop_ids: Ids that end a turn, as in `Chat.stop_ids`.
        slots: Conversations held at once.
        context: Most tokens of a conversation: the server's `--max-model-len`.
        sampling: How tokens are drawn.
        seed: Seed of the turns' seeds.

    Raises:
        ConfigError: If a setting is out of range, or asks for entropies, which no server tells.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        stop_ids: Iterable[int],
        *,
        slots: int,
        context: int,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> None:
        self.endpoint, self.context = endpoint, context
        self.sampling = sampling or Sampling()
        if slots < 1 or context < 2:
            raise ConfigError(
                f"slots must be at least 1 and context at least 2, got {slots} and {context}"
            )
        if self.sampling.want_entropies:
            raise ConfigError("a server tells no entropies; set sampling.want_entropies to false")
        self._stops = frozenset(int(i) for i in stop_ids)
        self._seed = seed
        self._turns = [0] * slots
        self._history: list[IntArray] = [np.zeros(0, np.int64)] * slots
        self._fed: dict[int, IntArray] = {}
        self._running: dict[int, Future[Finished]] = {}
        self._pool = ThreadPoolExecutor(min(slots, _THREADS), "rollout")

    def feed(self, slot: int, context: IntArray) -> None:
        """Appends tokens the policy did not write (C,) and starts a turn.

        Raises:
            ConfigError: If the slot is mid-turn or unknown, the conversation would be empty,
                or the tokens leave no room for a turn.
        """
        self._check_between_turns(slot)
        if len(context) > self.room(slot):
            raise ConfigError(
                f"a prompt of {len(context)} tokens leaves no room for a turn: "
                f"{self.room(slot)} of {self.context} are free; shorten it, or raise context"
            )
        ids = np.concatenate([self._fed.get(slot, np.zeros(0, np.int64)), context])
        if not len(self._history[slot]) + len(ids):
            raise ConfigError(f"slot {slot} holds no conversation; feed it at least one token")
        self._fed[slot] = ids

    def run(self, at_least: int = 1) -> list[Finished]:
        """Waits for the started turns until this many have ended, or all if they are fewer.

        Raises:
            ConfigError: If the server refuses what is asked, or returns no token ids.
            ServerError: If it gives no usable answer.
        """
        for slot, context in self._fed.items():
            prompt = np.concatenate([self._history[slot], context])
            seed = np.random.SeedSequence([self._seed, slot, self._turns[slot]])
            self._running[slot] = self._pool.submit(self._turn, slot, context, prompt, seed)
            self._turns[slot] += 1
        self._fed.clear()
        finished: list[Finished] = []
        while self._running and len(finished) < at_least:
            wait(self._running.values(), return_when=FIRST_COMPLETED)
            for slot in [slot for slot, turn in self._running.items() if turn.done()]:
                finished.append(self._running.pop(slot).result())
                span = finished[-1].span
                self._history[slot] = np.concatenate([self._history[slot], span.context, span.ids])
        return finished

    def room(self, slot: int) -> int:
        """Returns how many tokens may still be fed to a slot so that a turn can start."""
        return self.context - 1 - len(self._history[slot]) - len(self._fed.get(slot, ()))

    def close(self, slot: int) -> None:
        """Forgets a conversation; the answer to a request on its way is dropped."""
        self._check(slot)
        self._fed.pop(slot, None)
        if turn := self._running.pop(slot, None):
            turn.cancel()
        self._history[slot] = np.zeros(0, np.int64)

    def fork(self, source: int, target: int) -> None:
        """Makes `target` a copy of the conversation in `source`; its seeds are its own.

        Raises:
            ConfigError: If `source` is mid-turn, or a slot is unknown.
        """
        self._check_between_turns(source)
        self.close(target)
        self._history[target] = self._history[source]
        if source in self._fed:
            self._fed[target] = self._fed[source]

    def shut_down(self) -> None:
        """Lets go of the threads; requests on their way are waited for."""
        self._pool.shutdown(cancel_futures=True)

    # ---- Machinery -----------------------------------------------------------------

    def _turn(
        self, slot: int, context: IntArray, prompt: IntArray, seed: np.random.SeedSequence
    ) -> Finished:
        most = min(self.sampling.max_new_tokens, self.context - len(prompt))
        body = {
            "prompt": prompt.tolist(),
            "max_tokens": most,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "top_k": self.sampling.top_k or 0,
            "seed": int(seed.generate_state(1)[0]),
            "stop_token_ids": sorted(self._stops),
            "logprobs": 1,
            "return_token_ids": True,
            **_NO_FURTHER_SHAPING,
        }
        ids, logprobs = self._read(self.endpoint.post("/completions", body), most)
        return Finished(slot, TokenSpan(context, ids, logprobs), int(ids[-1]) in self._stops)

    def _read(self, answer: Any, most: int) -> tuple[IntArray, np.ndarray]:
        """Returns the ids and log-probabilities of an answer, each (L,)."""
        url = self.endpoint.url
        try:
            choice = answer["choices"][0]
            ids, told = choice.get("token_ids"), choice.get("logprobs") or {}
        except (TypeError, KeyError, IndexError, AttributeError):
            raise ServerError(f"{url} sent an answer without choices", "parse") from None
        logprobs = told.get("token_logprobs") if isinstance(told, dict) else None
        if ids is None or logprobs is None:
            missing = "token ids" if ids is None else "log-probabilities"
            raise ConfigError(
                f"{url} returned no {missing}, and text cannot be turned back into the tokens "
                "that were drawn; use a vLLM server of version 0.10.2 or later"
            )
        sound = len(ids) == len(logprobs) and 1 <= len(ids) <= most
        if not sound or not all(isinstance(x, int | float) and math.isfinite(x) for x in logprobs):
            raise ServerError(
                f"{url} sent {len(ids)} token ids with {len(logprobs)} log-probabilities; of 1 to "
                f"{most} were asked for, all of them numbers",
                "parse",
            )
        return np.array(ids, dtype=np.int64), np.array(logprobs, dtype=np.float64)

    def _check(self, slot: int) -> None:
        if not 0 <= slot < len(self._history):
            raise ConfigError(f"slot {slot} is not among the {len(self._history)} slots")

    def _check_between_turns(self, slot: int) -> None:
        self._check(slot)
        if slot in self._running:
            raise ConfigError(f"slot {slot} is mid-turn; run() until its turn ends, or close it")
