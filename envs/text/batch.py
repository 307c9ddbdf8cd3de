"""`TextEnv`: n conversations side by side, in lockstep or each at its own pace."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.envs.text.dialogue import Dialogue
from rewardsmith.envs.text.message import LONGEST, parse
from rewardsmith.envs.text.slow_turns import SlowTurns
from rewardsmith.envs.text.transcript import Transcript

THREADS = 256
"""Slow tools that run at a time, at most."""

FACTS = (
    Field("success", "whether the last message gave a right answer", low=0.0, high=1.0),
    Field("answered", "whether it ended the task", low=0.0, high=1.0),
    Field("calls", "tool calls run in the last turn", low=0.0),
    Field("errors", "calls that failed in it, and parts that could not be read", low=0.0),
    Field("cost", "price of its calls", low=0.0),
)


class Speech(gym.spaces.Text):
    """The space of all texts that are not too long, in whatever script."""

    def __init__(self) -> None:
        super().__init__(LONGEST, min_length=0)

    def contains(self, x: Any) -> bool:
        """Whether `x` is such a text."""
        return isinstance(x, str) and len(x) <= self.max_length


class TextEnv(BatchEnv):
    """`n` conversations about tasks of one kind.

    Observation: the newest message to the agent. Action: the agent's message, see
    `rewardsmith.envs.text.message`; it ends the episode (`terminated`) with an answer, which
    pays 1 if it is right. The last turn of the budget ends it too: the limit is part of the task,
    and nothing is to be expected after it. Besides the facts of the card `info` holds the
    `transcript`, an object array (n,).

    With `actions="menu"` the same task is played by choosing one of the messages that the
    dialogue offers, on an observation of numbers: any agent for discrete actions can do that.

    `step` goes on when every row has its reply. Where tools are slow, `send` and `recv` let each
    row go at its own pace.

    Args:
        dialogue: The kind of task.
        card: What a person is told of it; observation, action and facts are filled in.
        num_envs: Number of rows n.
        actions: "text" or "menu".
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "ansi", which gives the transcript, or None.

    Raises:
        EnvError: If the dialogue has no menu, or an argument is out of range.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 10}  # noqa: RUF012
    state_names = ("transcripts",)

    def __init__(
        self,
        dialogue: Dialogue,
        card: EnvCard,
        num_envs: int = 1,
        *,
        actions: str = "text",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        known = ("text", "menu") if dialogue.menu_size else ("text",)
        if actions not in known:
            raise EnvError(f"actions of {card.id} must be one of {known}, got {actions!r}")
        self.dialogue, self.by_menu = dialogue, actions == "menu"
        self.card = _full_card(card, dialogue, self.by_menu)
        if self.by_menu:
            features = len(dialogue.feature_names)
            self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (features,), np.float32)
            self.single_action_space = gym.spaces.Discrete(dialogue.menu_size)
        else:
            self.single_observation_space = self.single_action_space = Speech()
        super().__init__(
            num_envs,
            time_limit=dialogue.budget.turns,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.transcripts: list[Transcript] = [None] * num_envs  # type: ignore[list-item]
        self._arrived: list[int] = []
        self._slow = SlowTurns(min(num_envs, THREADS), dialogue.budget.timeout_s)

    def open(self, row: int, seed: int) -> str:
        """Starts a new episode in one row, as `reset(seed=seed)` of a single environment does.

        Returns:
            The first message to the agent.
        """
        rows = np.array([row])
        self._seed(rows, [seed] * self.num_envs)
        self._begin(rows)
        return self.transcripts[row].observation

    def place(self, row: int, transcript: Transcript) -> None:
        """Puts a conversation into one row, to be gone on with from there.

        Raises:
            EnvError: If the conversation is over, or the row still waits for a tool.
        """
        turns = len(transcript.turns)
        if transcript.over or turns >= self.dialogue.budget.turns or row in self._slow:
            state = "waits for a tool" if row in self._slow else "cannot hold what is over"
            raise EnvError(f"row {row} {state}; place a conversation that goes on in a free row")
        self.transcripts[row], self.elapsed[row], self.done[row] = transcript, turns, False

    def send(self, rows: Sequence[int] | IntArray, messages: Sequence[str]) -> None:
        """Says one message in each of `rows`; slow tools go on in the background.

        Raises:
            EnvError: If a row is over, was never reset, or still waits for a tool.
        """
        for row, text in zip(rows, messages, strict=True):
            if self.done[row] or row in self._slow:
                state = "is over or was never reset" if self.done[row] else "waits for a tool"
                raise EnvError(f"row {row} {state}; no message can be sent there")
            self._say(int(row), text)

    def recv(self, at_least: int = 1) -> list[int]:
        """Waits for replies in at least `at_least` of the rows that were sent to.

        Returns:
            The rows; their new state stands in `transcripts`, `done` and `elapsed`.

        Raises:
            EnvError: If fewer rows were sent to.
        """
        open_rows = len(self._arrived) + len(self._slow)
        if at_least > open_rows:
            raise EnvError(f"recv waits for {at_least} rows, but only {open_rows} were sent to")
        self._collect(at_least)
        rows, self._arrived = self._arrived, []
        for row in rows:
            self.elapsed[row] += 1
            self.done[row] = self.transcripts[row].over or self.elapsed[row] >= self.time_limit
        return rows

    def facts(self, row: int) -> dict[str, Any]:
        """Returns one row's facts, the transcript among them."""
        return turn_facts(self.transcripts[row])

    def close_extras(self, **kwargs: Any) -> None:
        """Lets go of the tools' threads."""
        self._slow.close()

    def _say(self, row: int, text: str) -> None:
        transcript, message = self.transcripts[row], parse(text)
        if not self.dialogue.is_slow(message):
            self.transcripts[row] = self.dialogue.reply(transcript, message)
            self._arrived.append(row)
            return
        work, late = (
            functools.partial(act, transcript, message)
            for act in (self.dialogue.reply, self.dialogue.give_up)
        )
        self._slow.start(row, work, late)

    def _collect(self, at_least: int) -> None:
        while True:
            for row, transcript in self._slow.collect(block=len(self._arrived) < at_least):
                self.transcripts[row] = transcript
                self._arrived.append(row)
            if len(self._arrived) >= at_least:
                return

    def _spawn(self, rows: IntArray) -> None:
        seeds = self.streams.integers(rows, 2**53)
        for row, seed in zip(rows.tolist(), seeds.tolist(), strict=True):
            self.transcripts[row] = self.dialogue.begin(seed)

    def _advance(self, action: Any) -> tuple[FloatArray, BoolArray]:
        rows = np.flatnonzero(~self.done).tolist()  # a row that is over waits for its reset
        for row in rows:
            text = action[row]
            if self.by_menu:
                text = self.dialogue.menu(self.transcripts[row])[int(text)]
            self._say(row, text)
        self._collect(len(rows))
        self._arrived = []
        last = [transcript.turns[-1] for transcript in self.transcripts]
        reward = np.array([turn.reward for turn in last], dtype=np.float64)
        over = np.array([turn.over for turn in last], dtype=np.bool_)
        return reward, over | (self.elapsed + 1 >= self.dialogue.budget.turns)

    def _observe(self) -> Any:
        if self.by_menu:
            seen = [self.dialogue.features(transcript) for transcript in self.transcripts]
            return np.array(seen, dtype=np.float32)
        return [transcript.observation for transcript in self.transcripts]

    def _facts(self) -> Info:
        rows = [turn_facts(transcript) for transcript in self.transcripts]
        facts: Info = {f.name: np.array([r[f.name] for r in rows], np.float64) for f in FACTS}
        facts["success"] = facts["success"].astype(np.bool_)
        told = np.empty(self.num_envs, dtype=object)
        told[:] = self.transcripts
        return facts | {"transcript": told}

    def _checked(self, actions: Any) -> Any:
        if self.by_menu:
            return super()._checked(np.asarray(actions))
        messages = list(actions)
        if len(messages) != self.num_envs or not all(isinstance(m, str) for m in messages):
            raise EnvError(f"actions must be {self.num_envs} texts, one per row, got {actions!r}")
        return [str(message) for message in messages]

    def one(self, action: Any) -> Any:
        """Returns the action of a single environment as that of a batch of one."""
        return super().one(action) if self.by_menu else [action]

    def _draw(self, row: int) -> Any:
        return show(self.transcripts[row])

    def _identity(self) -> str:
        return f"{super()._identity()}, {type(self.dialogue).__name__}"


def turn_facts(transcript: Transcript) -> dict[str, Any]:
    """Returns the facts of a transcript's last turn, see `FACTS`, and the transcript."""
    if not transcript.turns:
        none = dict.fromkeys((f.name for f in FACTS), 0.0)
        return none | {"success": False, "transcript": transcript}
    turn = transcript.turns[-1]
    failed = sum(not result.ok for result in turn.results)
    return {
        "success": transcript.success,
        "answered": float(turn.over),
        "calls": float(len(turn.results)),
        "errors": float(failed + len(turn.message.errors)),
        "cost": sum(result.cost for result in turn.results),
        "transcript": transcript,
    }


def show(transcript: Transcript) -> str:
    """Returns a transcript as text for people."""
    lines = [f"task: {transcript.task.prompt}"]
    for turn in transcript.turns:
        lines.append(f"agent: {turn.message.text}")
        lines.append(f"judge: reward {turn.reward:g}" if turn.over else f"reply: {turn.reply}")
    return "\n".join(lines)


def _full_card(card: EnvCard, dialogue: Dialogue, by_menu: bool) -> EnvCard:
    """Returns the card with the fields that follow from the dialogue."""
    observation: tuple[Field, ...] = (Field("message", "the newest message to the agent"),)
    action = (Field("message", "what the agent says"),)
    if by_menu:
        observation = tuple(
            Field(name, "feature of the menu's agent", (i, i + 1), low=-1.0, high=1.0)
            for i, name in enumerate(dialogue.feature_names)
        )
        action = (Field("choice", "place on the menu", low=0, high=dialogue.menu_size - 1),)
    return replace(
        card,
        observation=observation,
        action=action,
        facts=FACTS + card.facts,
        score="success",
        time_limit=dialogue.budget.turns,
    )
