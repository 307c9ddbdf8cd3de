"""Tree rollouts: what branches share, what they cost, and that their tokens are the policy's."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from text_play import calculator, fresh_policy, trainer_of

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.evidence import diverse, evidence
from rewardsmith.agents.llm.generator import CachedGenerator, Finished
from rewardsmith.agents.llm.learner import check_llm
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.rollout import spans
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.tree_rollout import (
    NODE,
    TreeRollout,
    TreeSettings,
)
from rewardsmith.agents.tasks import make_task
from rewardsmith.envs import ConfigError
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import IntArray
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.transcript import ToolCall
from rewardsmith.rewards import Group, RewardDesign
from rewardsmith.rewards.credit import RolloutTree
from rewardsmith.rewards.episode import Episode, Step, TokenSpan
from rewardsmith.rewards.shaping import TaskReward

POLICY = fresh_policy()
CHAT = Chat(POLICY.tokenizer)
STOP = CHAT.stop_ids[0]


class Talker:
    """A generator whose turns are drawn from a few messages; each is different by a number.

    Args:
        slots: Conversations held at once.
        seed: Seed of what is said.

    Attributes:
        read: For the ids of every turn, the conversation it was written after.
    """

    def __init__(self, slots: int, seed: int) -> None:
        self.said: list[list[int]] = [[] for _ in range(slots)]
        self.started: set[int] = set()
        self.random = np.random.default_rng(seed)
        self.number = itertools.count(1)
        self.read: dict[tuple[int, ...], list[int]] = {}

    def feed(self, slot: int, context: IntArray) -> None:
        assert slot not in self.started
        self.said[slot] += context.tolist()
        self.started.add(slot)

    def run(self, at_least: int = 1) -> list[Finished]:
        assert at_least == len(self.started) <= len(self.said)
        finished = []
        for slot in sorted(self.started, reverse=True):
            expression = self.random.choice(["", "1", "2", "2", "answer"])
            call = ToolCall("calculator", {"expression": expression})
            body = write([call] if expression else [])
            if expression == "answer":
                body = write(answer="1")
            text = f"<think>{next(self.number)}</think>{body}"
            ids = np.array([*POLICY.tokenizer(text).input_ids, STOP], dtype=np.int64)
            self.read[tuple(ids.tolist())] = list(self.said[slot])
            span = TokenSpan(np.array(self.said[slot]), ids, np.zeros(len(ids)))
            self.said[slot] += ids.tolist()
            finished.append(Finished(slot, span, stopped=True))
        self.started.clear()
        return finished

    def room(self, slot: int) -> int:
        return 10_000

    def close(self, slot: int) -> None:
        assert slot not in self.started
        self.said[slot] = []

    def fork(self, source: int, target: int) -> None:
        assert not {source, target} & self.started
        self.said[target] = list(self.said[source])


class Silent(Talker):
    """Neither calls nor answers."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots, 0)
        self.random = type("Silence", (), {"choice": lambda _, __: ""})()


def nodes(episode: Episode) -> list[int]:
    return [step.info[NODE] for step in episode.steps]


def tokens(episode: Episode) -> IntArray:
    return np.concatenate([part for span in spans(episode) for part in (span.context, span.ids)])


# ---- The shape of the trees -----------------------------------------------------------------

SHAPES = st.builds(
    TreeSettings,
    roots=st.integers(1, 5),
    width=st.integers(1, 4),
    children=st.integers(1, 3),
    similarity=st.sampled_from([None, 0.5, 1.0]),
)


@settings(max_examples=30)
@given(shape=SHAPES, slots=st.integers(1, 9), seed=st.integers(0, 99), turns=st.integers(1, 4))
def test_the_shape_of_trees(shape: TreeSettings, slots: int, seed: int, turns: int) -> None:
    talker = Talker(slots, seed)
    rollout = TreeRollout(
        calculator(slots, turns), talker, CHAT, POLICY.tokenizer.decode, settings=shape
    )
    groups = rollout.play([3, 8])
    assert [group.start for group in groups] == [3, 8]
    assert 2 <= rollout.turns <= 2 * (shape.roots + (turns - 1) * shape.width * shape.children)
    assert talker.said == [[] for _ in range(slots)]  # every conversation was closed
    for group in groups:
        check_tree(group, shape, turns)
        check_paths(group, talker)


def check_tree(group: Group, shape: TreeSettings, turns: int) -> None:
    """Holds a tree against its settings."""
    children: dict[tuple[int, ...], set[int]] = defaultdict(set)
    steps: dict[int, Step] = {}
    for episode in group:
        path = nodes(episode)
        for depth, (node, step) in enumerate(zip(path, episode.steps, strict=True)):
            assert steps.setdefault(node, step) is step  # equal keys: one and the same step
            children[tuple(path[:depth])].add(node)
    assert len(steps) == sum(len(below) for below in children.values())  # one parent each
    assert 1 <= len(children.pop(())) <= shape.roots
    by_depth = Counter(len(path) for path in children)
    assert all(count <= shape.width for count in by_depth.values())
    assert all(len(below) <= shape.children for below in children.values())
    assert len({tuple(nodes(episode)) for episode in group}) == len(group)
    for episode in group:
        assert episode.terminated or len(episode) == turns


def check_paths(group: Group, talker: Talker) -> None:
    """Holds every leaf's messages, facts and tokens against what was really said."""
    for episode in group:
        transcript = episode.steps[-1].info["transcript"]
        assert [turn.message.text for turn in transcript.turns] == [s.action for s in episode.steps]
        whole, place = tokens(episode).tolist(), 0
        for t, step in enumerate(episode.steps):
            assert step.tokens is not None
            place += len(step.tokens.context)
            assert talker.read[tuple(step.tokens.ids.tolist())] == whole[:place]
            place += len(step.tokens.ids)
            assert step.info["transcript"].turns == transcript.turns[: t + 1]
    for one, other in itertools.combinations(group, 2):
        shared = [a == b for a, b in zip(nodes(one), nodes(other), strict=False)]
        assert shared == sorted(shared, reverse=True)
        size = sum(len(span.context) + len(span.ids) for span in spans(one)[: sum(shared)])
        assert_array_equal(tokens(one)[:size], tokens(other)[:size])


@pytest.mark.parametrize("slots", [1, 2, 20])
def test_a_full_tree(slots: int) -> None:
    shape = TreeSettings(roots=3, width=2, children=3)
    rollout = TreeRollout(
        calculator(slots, 3), Silent(slots), CHAT, POLICY.tokenizer.decode, settings=shape
    )
    (group,) = rollout.play([0])
    assert (len(group), rollout.turns) == (6, 3 + 6 + 6)
    assert len({nodes(episode)[0] for episode in group}) == 2  # of each parent the first child


FORCED = POLICY.tokenizer("<answer>").input_ids


class Obedient(Talker):
    """Calls the calculator, and answers only where its turn was begun for it."""

    def run(self, at_least: int = 1) -> list[Finished]:
        finished = []
        for slot in sorted(self.started):
            forced = self.said[slot][-len(FORCED) :] == FORCED
            text = "7</answer>" if forced else write([ToolCall("calculator", {"expression": "1"})])
            ids = np.array([*POLICY.tokenizer(text).input_ids, STOP], dtype=np.int64)
            span = TokenSpan(np.array(self.said[slot]), ids, np.zeros(len(ids)))
            self.said[slot] += ids.tolist()
            finished.append(Finished(slot, span, stopped=True))
        self.started.clear()
        return finished


@pytest.mark.parametrize("turns", [1, 2, 4])
@pytest.mark.parametrize("slots", [1, 3])
def test_the_last_turn_has_to_be_an_answer(turns: int, slots: int) -> None:
    shape, talker = TreeSettings(roots=3, width=2, children=2), Obedient(slots, 0)
    rollout = TreeRollout(
        calculator(slots, turns), talker, CHAT, POLICY.tokenizer.decode, settings=shape
    )
    (group,) = rollout.play([0])
    for episode in group:
        transcript, (*earlier, last) = episode.steps[-1].info["transcript"], spans(episode)
        assert len(episode) == turns
        assert transcript.answer == (None if turns == 1 else "7")  # the first turn is free
        assert all(span.context.tolist()[-len(FORCED) :] != FORCED for span in earlier)
        if turns > 1:
            assert last.context.tolist()[-len(FORCED) :] == FORCED
            assert POLICY.tokenizer.decode(last.ids[:-1]) == "7</answer>"
            assert episode.steps[-1].action == "<answer>7</answer>"


def test_evidence_is_what_tools_found() -> None:
    dialogue = calculator(1).dialogue
    transcript = dialogue.begin(0)
    assert evidence(transcript) == frozenset()
    for expression in ("1+1", "1/0", "2*3"):
        transcript = dialogue.reply(
            transcript, parse(write([ToolCall("calculator", {"expression": expression})]))
        )
    assert evidence(transcript) == {"2", "6"}


@pytest.mark.parametrize(("similarity", "kept"), [(None, 3), (1.0, 1)])
def test_conversations_without_new_evidence(similarity: float | None, kept: int) -> None:
    shape = TreeSettings(roots=3, width=3, children=1, similarity=similarity)
    rollout = TreeRollout(calculator(4, 3), Silent(4), CHAT, POLICY.tokenizer.decode, None, shape)
    (group,) = rollout.play([0])
    assert len(group) == kept


def test_what_was_seen_already_is_given_up() -> None:
    sets = [frozenset(text.split()) for text in ("a b c", "a b c", "a b d", "e", "")]
    assert diverse(sets, most=9, similarity=1.0) == [0, 3, 4, 2]
    assert diverse(sets, most=9, similarity=0.5) == [0, 3, 4]
    assert diverse(sets, most=9, similarity=1.1) == [0, 3, 4, 2, 1]
    assert diverse(sets, most=2, similarity=1.1) == [0, 3]
    assert diverse([frozenset(), frozenset()], most=2, similarity=1.0) == [0]


@settings(max_examples=60)
@given(
    found=st.lists(st.frozensets(st.sampled_from("abcde")), min_size=1, max_size=8),
    most=st.integers(1, 8),
    similarity=st.floats(0.1, 1.0),
)
def test_kept_sets_are_no_near_duplicates(
    found: list[frozenset[str]], most: int, similarity: float
) -> None:
    def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
        return len(a & b) / len(a | b) if a | b else 1.0

    kept = diverse(found, most, similarity)
    assert kept[0] == 0
    assert len(set(kept)) == len(kept) <= most
    for i, j in itertools.combinations(kept, 2):
        assert jaccard(found[i], found[j]) < similarity
    if len(kept) < most:  # nothing else would have done
        for other in set(range(len(found))) - set(kept):
            assert max(jaccard(found[other], found[i]) for i in kept) >= similarity


# ---- With a language model ------------------------------------------------------------------


def tree_of(seed: int, slots: int, temperature: float = 1.0) -> list[Group]:
    sampling = Sampling(temperature=temperature, max_new_tokens=10)
    generator = CachedGenerator(
        POLICY, CHAT.stop_ids, slots=slots, sampling=sampling, seed=seed, context=400
    )
    shape = TreeSettings(roots=3, width=2, children=2)
    rollout = TreeRollout(
        calculator(slots), generator, CHAT, POLICY.tokenizer.decode, settings=shape
    )
    return rollout.play([1, 2])


@pytest.mark.parametrize("slots", [2, 5, 16])
def test_log_probabilities_are_those_of_a_fresh_forward_pass(slots: int) -> None:
    for group in tree_of(0, slots):
        assert len(group) == 4
        for episode in group:
            whole = torch.from_numpy(tokens(episode))[None]
            fresh = POLICY.logprobs(whole, torch.ones_like(whole))[0].detach()
            place = 0
            for span in spans(episode):
                place += len(span.context)
                expected = fresh[place - 1 : place - 1 + len(span.ids)]
                assert_allclose(span.logprobs, expected, atol=1e-4)
                place += len(span.ids)


def test_greedy_trees_are_the_same_whatever_the_slots() -> None:
    few, many = tree_of(0, 2, temperature=0.0), tree_of(0, 16, temperature=0.0)
    for one, other in zip(few, many, strict=True):
        assert [nodes(episode) for episode in one] == [nodes(episode) for episode in other]
        for a, b in zip(one, other, strict=True):
            assert_array_equal(tokens(a), tokens(b))


def test_equal_seeds_give_equal_trees() -> None:
    first, again, other = tree_of(0, 5), tree_of(0, 5), tree_of(1, 5)
    said = [
        [tokens(e).tolist() for group in groups for e in group] for groups in (first, again, other)
    ]
    assert said[0] == said[1] != said[2]


def test_every_node_is_learned_from_once() -> None:
    groups = tree_of(0, 5)
    paid = pay(RewardDesign({"task": TaskReward()}), groups).rollouts
    key = [(group.start, node) for group in groups for e in group for node in nodes(e)]
    assert_allclose(paid.weight, [1 / Counter(key)[k] for k in key])
    assert_allclose(paid.weight.sum(), len(set(key)))


def test_credit_is_what_a_step_changes() -> None:
    groups = tree_of(0, 5)
    paid = pay(RewardDesign({"task": TaskReward()}), groups).rollouts
    paid = paid.with_returns(np.random.default_rng(0).random(paid.n_episodes))
    credit, leaf = iter(RolloutTree(scale="none").credit(paid)), iter(paid.returns)
    for group in groups:
        outcome = {tuple(nodes(episode)): next(leaf) for episode in group}
        for path in outcome:
            value = [
                np.mean([r for other, r in outcome.items() if other[:depth] == path[:depth]])
                for depth in range(len(path) + 1)
            ]
            for above, below in itertools.pairwise(value):
                assert_allclose(next(credit), 2 * below - above - value[0], atol=1e-9)


# ---- Training -------------------------------------------------------------------------------


def test_the_configured_agent_learns_from_trees_and_resumes() -> None:
    trainer = trainer_of("treeps_rag", "likelihood")
    for _ in range(2):
        told = trainer.step()
        assert all(np.isfinite(value) for value in told.values())
        assert trainer.last is not None
        assert trainer.last.rollouts.node is not None
    assert trainer.episodes > 2
    assert told["grad_norm"] > 0
    saved = trainer.state_dict()
    again = trainer_of("treeps_rag", "likelihood")
    again.load_state_dict(saved)
    trainer.step()
    again.step()
    for one, other in zip(
        trainer.policy.model.parameters(), again.policy.model.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_tree_credit_needs_trees() -> None:
    overrides = ["env=calculator", "reward=sparse", "agent=treeps_rag"]
    config = compose(overrides)
    check_llm(config, make_task(config["env"], 1))
    config = compose([*overrides, "agent.settings.training.tree=null"])
    with pytest.raises(ConfigError, match=r"RolloutTree needs tree rollouts.*agent=treeps_rag"):
        check_llm(config, make_task(config["env"], 1))


@pytest.mark.parametrize("name", ["roots", "width", "children", "similarity"])
def test_settings_out_of_range(name: str) -> None:
    with pytest.raises(ConfigError, match=f"tree.{name} must be"):
        replace(TreeSettings(), **{name: 0})


# ---- Placing conversations ------------------------------------------------------------------


def test_a_row_goes_on_where_it_is_put() -> None:
    env = calculator(2, turns=2)
    env.open(0, seed=4)
    start = env.transcripts[0]
    once = env.dialogue.reply(start, parse("Hm"))
    env.place(1, once)
    assert (env.elapsed[1], env.done[1]) == (1, False)
    env.send([1], ["Hm"])
    assert env.recv() == [1]
    assert (env.elapsed[1], env.done[1], len(env.transcripts[1].turns)) == (2, True, 2)
    assert env.transcripts[0] is start
    with pytest.raises(EnvError, match="row 0 cannot hold what is over"):
        env.place(0, env.transcripts[1])
