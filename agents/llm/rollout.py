"""Rollouts: a language model talks in many text environments at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gymnasium.vector import AutoresetMode

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import Finished, Generator
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards.episode import Episode, Step, TokenSpan

_WAITING_SHARE = 4
"""One in so many turns has to end before replies are fetched: encoding them together is cheaper."""


@dataclass(slots=True)
class _Open:
    """An episode that is being played in a row."""

    index: int
    observation: str
    initial_info: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    turn: Finished | None = None


class Rollout:
    """Plays episodes of a text environment with a generator's policy.

    Row i of the environment is slot i of the generator. A row that is over takes the next
    episode at once, and a row whose tool is slow holds up nobody.

    Args:
        env: The conversations, under autoreset mode "Disabled".
        generator: Writes the turns; it has a slot for every row.
        chat: Turns messages into tokens.
        decode: Turns the tokens of a turn into the message that the environment is sent.
        system: Said before the first message; None says nothing.

    Raises:
        ConfigError: If the environment resets by itself.
    """

    def __init__(
        self,
        env: TextEnv,
        generator: Generator,
        chat: Chat,
        decode: Callable[[Sequence[int]], str],
        system: str | None = None,
    ) -> None:
        if env.autoreset_mode is not AutoresetMode.DISABLED:
            raise ConfigError("a rollout resets rows itself; make env with autoreset_mode=Disabled")
        self._env, self._generator, self._chat = env, generator, chat
        self._opening = lru_cache(env.num_envs)(chat.opening)  # a group's episodes begin alike
        self._decode, self._system = decode, system
        self._open: dict[int, _Open] = {}

    def play(self, seeds: Iterable[int]) -> list[Episode]:
        """Returns one episode for each seed, in their order; equal seeds share their start."""
        waiting = list(enumerate(seeds))[::-1]
        episodes: list[Episode | None] = [None] * len(waiting)
        for row in range(min(self._env.num_envs, len(waiting))):
            self._start(row, *waiting.pop())
        while self._open:
            running = sum(episode.turn is None for episode in self._open.values())
            for turn in self._generator.run(max(1, running // _WAITING_SHARE)) if running else ():
                self._say(turn)
            talking = any(episode.turn is None for episode in self._open.values())
            for row in self._env.recv(at_least=0 if talking else 1):
                finished = self._hear(row)
                if finished is None:
                    continue
                index, episode = finished
                episodes[index] = episode
                self._generator.close(row)
                if waiting:
                    self._start(row, *waiting.pop())
        return [episode for episode in episodes if episode is not None]

    def _start(self, row: int, index: int, seed: int) -> None:
        message = self._env.open(row, seed)
        self._open[row] = _Open(index, message, self._env.facts(row))
        self._generator.feed(row, self._opening(self._system, message))

    def _say(self, turn: Finished) -> None:
        self._open[turn.slot].turn = turn
        ids = turn.span.ids[:-1] if turn.stopped else turn.span.ids
        self._env.send([turn.slot], [self._decode(ids.tolist())])

    def _hear(self, row: int) -> tuple[int, Episode] | None:
        """Takes the reply; returns the episode, and its place, if it is over."""
        env, episode = self._env, self._open[row]
        assert episode.turn is not None
        transcript = env.transcripts[row]
        last, span = transcript.turns[-1], episode.turn.span
        step = Step(episode.observation, last.message.text, last.reward, env.facts(row), span)
        episode.steps.append(step)
        episode.observation = transcript.observation
        if not env.done[row]:
            context = self._chat.continuation(last.reply, stopped=episode.turn.stopped)
            if len(context) <= self._generator.room(row):
                episode.turn = None
                self._generator.feed(row, context)
                return None
        del self._open[row]
        over = bool(env.done[row])  # if not, the context is full
        return episode.index, Episode(
            tuple(episode.steps), transcript.observation, over, episode.initial_info
        )


def spans(episode: Episode) -> list[TokenSpan]:
    """Returns the token spans of an episode's turns.

    Raises:
        ConfigError: If no language model played it.
    """
    found = [step.tokens for step in episode.steps if step.tokens is not None]
    if len(found) != len(episode):
        raise ConfigError("the episode has no tokens; it was not played by a language model")
    return found
