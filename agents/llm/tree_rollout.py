"""Tree rollouts: turns that branch, so that a step's worth shows in the leaves below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.evidence import diverse, evidence
from rewardsmith.agents.llm.generator import Finished, Generator
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.message import ANSWER
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards.episode import Episode, Group, Step

_FORCED = f"<{ANSWER}>"
"""How the last turn begins."""

NODE = "node"
"""The fact of a step that is equal where episodes of a group share the step."""


@dataclass(frozen=True)
class TreeSettings:
    """How the rollouts of a prompt branch.

    At most `roots + (T - 1) * width * children` turns are written for a prompt of T turns.

    Attributes:
        roots: First turns of a prompt.
        width: Unfinished conversations of a depth that are gone on with, at most.
        children: Next turns of each.
        similarity: A conversation is given up if its evidence is at least so similar to that
            of one that is kept, see `diverse`, so that different documents are read. Leave it
            at None where right conversations find the same and wrong ones differ, as with
            sums: then evidence is not looked at.

    Raises:
        ConfigError: If a number is out of range.
    """

    roots: int = 4
    width: int = 4
    children: int = 2
    similarity: float | None = None

    def __post_init__(self) -> None:
        for name in ("roots", "width", "children"):
            if getattr(self, name) < 1:
                raise ConfigError(f"tree.{name} must be at least 1, got {getattr(self, name)}")
        if self.similarity is not None and not self.similarity > 0:
            raise ConfigError(f"tree.similarity must be above 0, got {self.similarity}")


@dataclass(eq=False, slots=True)
class _Node:
    """A conversation between two turns.

    Attributes:
        tree: The prompt it is about.
        transcript: What was said.
        steps: The turns on the way from the root.
        ids: All tokens up to the end of the last turn.
        context: Tokens between that turn and the next, the `opening` of the next among them.
        rank: Its place among its siblings.
        slot: The generator's slot that holds `ids`; None if they are to be read again.
        opening: What the next turn begins with, whatever the policy would say.
    """

    tree: _Tree
    transcript: Transcript
    steps: tuple[Step, ...]
    ids: IntArray
    context: IntArray
    rank: int = 0
    slot: int | None = None
    opening: str = ""


@dataclass(eq=False, slots=True)
class _Tree:
    seed: int
    initial_info: dict[str, Any]
    frontier: list[_Node] = field(default_factory=list)
    leaves: list[Episode] = field(default_factory=list)
    nodes: int = 0


class TreeRollout:
    """Plays trees of conversations: at every depth some are kept, and each goes on several ways.

    All prompts grow together, depth by depth. A conversation is copied in the generator's
    cache (`fork`) and in the environment (a transcript is its own snapshot). With more
    conversations than slots they take turns: one that has to leave its slot is read again
    later, token for token. Unfinished conversations that are not kept leave the tree. One that
    goes on to the last turn of its budget has to answer there: the turn begins with `<answer>`,
    which the policy reads, and gets no credit for. So a leaf is an answer, unless
    its message or its context was too long for one.

    Source: TreePS-RAG, arXiv 2601.06922.

    Args:
        env: The conversations; row i is slot i.
        generator: Writes the turns; it has a slot for every row.
        chat: Turns messages into tokens.
        decode: Turns the tokens of a turn into the message that the environment is sent.
        system: Said before the first message; None says nothing.
        settings: How the trees branch.

    Attributes:
        turns: Turns written so far, those of given-up conversations included.
    """

    def __init__(
        self,
        env: TextEnv,
        generator: Generator,
        chat: Chat,
        decode: Callable[[Sequence[int]], str],
        system: str | None = None,
        settings: TreeSettings | None = None,
    ) -> None:
        self._env, self._generator, self._chat = env, generator, chat
        self._decode, self._system = decode, system
        self._settings = settings or TreeSettings()
        self._holder: list[_Node | None] = [None] * env.num_envs
        self.turns = 0

    def play(self, seeds: Iterable[int]) -> list[Group]:
        """Returns the leaves of one tree for each seed, in their order.

        Episodes that share turns share the `Step`s, whose fact "node" numbers them.
        """
        trees = [self._plant(seed) for seed in seeds]
        size = self._env.num_envs
        while turns := [turn for tree in trees for turn in self._next_turns(tree)]:
            for start in range(0, len(turns), size):
                self._grow(turns[start : start + size])
        return [Group(tuple(tree.leaves), tree.seed) for tree in trees]

    def _plant(self, seed: int) -> _Tree:
        message = self._env.open(0, seed)
        tree, nothing = _Tree(seed, self._env.facts(0)), np.zeros(0, np.int64)
        opening = self._chat.opening(self._system, message)
        tree.frontier.append(_Node(tree, self._env.transcripts[0], (), nothing, opening))
        return tree

    def _next_turns(self, tree: _Tree) -> list[tuple[_Node, int]]:
        """Empties the frontier; returns every kept node with its children's ranks."""
        frontier = sorted(tree.frontier, key=lambda node: node.rank)  # one of each parent first
        tree.frontier = []
        if not frontier:
            return []
        settings = self._settings
        count = settings.children if frontier[0].steps else settings.roots
        kept = list(range(len(frontier)))[: settings.width]
        if settings.similarity is not None:
            found = [evidence(node.transcript) for node in frontier]
            kept = diverse(found, settings.width, settings.similarity)
        for place, node in enumerate(frontier):
            if place not in kept and node.slot is not None:
                self._leave(node.slot)
        return [(frontier[place], rank) for place in kept for rank in range(count)]

    def _grow(self, wave: Sequence[tuple[_Node, int]]) -> None:
        """Writes one turn for each of at most as many conversations as there are slots."""
        slots = self._seat([node for node, _ in wave])
        ended = {turn.slot: turn for turn in self._generator.run(len(wave))}
        for slot, (node, _) in zip(slots, wave, strict=True):
            self._env.place(slot, node.transcript)
        said = [
            node.opening + self._text(ended[slot])
            for slot, (node, _) in zip(slots, wave, strict=True)
        ]
        self._env.send(slots, said)
        self._env.recv(len(slots))
        for slot, (node, rank) in zip(slots, wave, strict=True):
            self._add(node, rank, ended[slot])
        self.turns += len(wave)

    def _seat(self, parents: Sequence[_Node]) -> list[int]:
        """Starts a turn after each conversation, siblings side by side; returns their slots.

        The last sibling goes on in its parent's slot, the others in copies. Slots nobody holds
        are taken first, then those of conversations that have to wait.
        """
        generator, used = self._generator, {node.slot for node in parents}
        others = [slot for slot in range(len(self._holder)) if slot not in used]
        spare = iter(sorted(others, key=lambda slot: self._holder[slot] is not None))
        slots = []
        for node, following in zip(parents, [*parents[1:], None], strict=True):
            takes_over = node.slot is not None and following is not node
            slot = node.slot if takes_over and node.slot is not None else next(spare)
            if takes_over:
                self._holder[slot], node.slot = None, None
            else:
                self._leave(slot)
                if node.slot is not None:
                    generator.fork(node.slot, slot)
            cached = takes_over or node.slot is not None
            context = node.context if cached else np.concatenate([node.ids, node.context])
            generator.feed(slot, context)
            slots.append(slot)
        return slots

    def _leave(self, slot: int) -> None:
        self._generator.close(slot)
        if (node := self._holder[slot]) is not None:
            self._holder[slot] = node.slot = None

    def _add(self, parent: _Node, rank: int, turn: Finished) -> None:
        """Adds the node that a turn leads to: to the frontier, or to the leaves."""
        env, tree, slot = self._env, parent.tree, turn.slot
        transcript = env.transcripts[slot]
        last, span = transcript.turns[-1], replace(turn.span, context=parent.context)
        facts = env.facts(slot) | {NODE: tree.nodes}
        tree.nodes += 1
        seen = parent.transcript.observation
        steps = (*parent.steps, Step(seen, last.message.text, last.reward, facts, span))
        if not env.done[slot]:
            opening = _FORCED if len(steps) == env.dialogue.budget.turns - 1 else ""
            context = self._context(last.reply, turn.stopped, opening)
            if len(context) <= self._generator.room(slot):
                ids = np.concatenate([parent.ids, span.context, span.ids])
                node = _Node(tree, transcript, steps, ids, context, rank, slot, opening)
                self._holder[slot] = node
                tree.frontier.append(node)
                return
        self._leave(slot)
        over = bool(env.done[slot])  # if not, the context is full
        tree.leaves.append(Episode(steps, transcript.observation, over, tree.initial_info))

    def _context(self, reply: str, stopped: bool, opening: str) -> IntArray:
        begun = self._chat.tokenizer(opening, add_special_tokens=False).input_ids
        context = self._chat.continuation(reply, stopped=stopped)
        return np.concatenate([context, np.asarray(begun, dtype=np.int64)])

    def _text(self, turn: Finished) -> str:
        return self._decode((turn.span.ids[:-1] if turn.stopped else turn.span.ids).tolist())
