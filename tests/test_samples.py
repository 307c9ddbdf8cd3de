"""What a run leaves to read is what was said, paid and credited, and small."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from text_play import calculator, trainer_of

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.samples import (
    LONGEST_TEXT,
    METHODS,
    SHOWN,
    lens,
    most_telling,
    pieces,
    samples,
)
from rewardsmith.agents.llm.tiny import character_tokenizer
from rewardsmith.agents.llm.warm_up import scripted
from rewardsmith.envs.text.message import parse
from rewardsmith.rewards import RewardDesign, TaskReward
from rewardsmith.rewards.credit import GroupRelative, Rollouts
from rewardsmith.rewards.episode import Episode, Group, Step

DECODE = character_tokenizer().decode


def spoken(script: str, seed: int) -> Episode:
    """Returns an episode of a script, as a language model would have written it."""
    return scripted(calculator(1), Chat(character_tokenizer()), script, seed, None)


def recorded(episodes: list[Episode]) -> list[dict[str, float]]:
    return [
        {"success": float(e.success), "designed_return": float(e.rewards.sum())} for e in episodes
    ]


def mixed_batch() -> tuple[list[Group], Rollouts]:
    """Returns groups of right and wrong rollouts and what the task pays them."""
    groups = [
        Group(tuple(spoken(script, seed) for script in ("oracle", "hacker", "careless")), seed)
        for seed in range(3)
    ]
    return groups, pay(RewardDesign({"task": TaskReward()}), groups).rollouts


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Returns the samples of a run of one batch."""
    trainer = trainer_of("gigpo")
    trainer.step()
    episodes = [spoken("oracle" if i % 4 else "hacker", i) for i in range(12)]
    return samples(episodes, recorded(episodes), trainer)


def test_right_and_wrong_transcripts_tell_what_was_paid(told: dict[str, Any]) -> None:
    shown = told["transcripts"]
    assert len(shown) == SHOWN
    assert [talk["record"]["success"] for talk in shown].count(0.0) == 3
    for talk in shown:
        paid = sum(turn["paid"] for turn in talk["turns"])
        assert paid == talk["record"]["designed_return"] == talk["turns"][-1]["reward"]
        right = talk["turns"][-1]["said"] == f"<answer>{talk['answer']}</answer>"
        assert right == bool(talk["record"]["success"])


def test_samples_are_plain_and_small(told: dict[str, Any]) -> None:
    text = json.dumps(told, allow_nan=False)
    assert json.loads(text) == told
    assert len(text) < 60_000
    assert told["credit"]["trained"] == "GiGPO"


def test_the_lens_shows_what_the_methods_give() -> None:
    groups, rollouts = mixed_batch()
    place = most_telling(groups, rollouts)
    seen = lens(groups, rollouts, GroupRelative(), DECODE)
    assert [row["method"] for row in seen["rows"]] == list(METHODS)
    given = {row["method"]: row for row in seen["rows"] if row["turns"]}
    assert set(METHODS) - set(given) == {"TreePS-RAG", "IGPO", "JEPO"}
    steps = slice(rollouts.first[place], rollouts.last[place] + 1)
    for name, row in given.items():
        method = METHODS[name]
        credit = method(rollouts)
        turns = rollouts.to_steps(method.level, credit)[steps]
        assert_allclose(row["turns"], turns, rtol=1e-3, atol=1e-12)
        assert row["ok"]
        assert row["value"] < 1e-9
        if method.level == "token":
            own = credit[rollouts.token_episode == place]
            assert_allclose([v for part in row["tokens"] for v in part], own, rtol=1e-3)
        else:
            assert row["tokens"] == []
    missing = {row["method"]: row["check"] for row in seen["rows"] if not row["turns"]}
    assert "needs 'node'" in missing["TreePS-RAG"]
    assert "needs 'belief'" in missing["IGPO"]


def test_the_lens_tells_what_was_written_and_paid() -> None:
    groups, rollouts = mixed_batch()
    place = most_telling(groups, rollouts)
    episode = [e for group in groups for e in group][place]
    seen = lens(groups, rollouts, GroupRelative(), DECODE)
    assert seen["prompt"] == episode.steps[0].observation
    assert ["".join(turn["tokens"]) for turn in seen["turns"]] == [
        f"{step.action}<|end|>" for step in episode.steps
    ]
    assert [turn["reply"] for turn in seen["turns"][:-1]] == [
        step.observation for step in episode.steps[1:]
    ]
    assert seen["paid"] == episode.rewards.tolist()
    assert sorted(seen["returns"]) == [0.0, 1.0, 1.0]
    assert seen["trained"] == "GRPO"


def test_a_method_of_ones_own_is_in_the_lens() -> None:
    groups, rollouts = mixed_batch()
    seen = lens(groups, rollouts, GroupRelative(ddof=0), DECODE)
    assert seen["trained"] == seen["rows"][0]["method"] == "this run's"
    assert seen["rows"][0]["turns"] != seen["rows"][1]["turns"]


def plain(length: int, success: bool) -> Episode:
    """Returns an episode about nothing."""
    step = Step("", "", float(success), {"success": success})
    return Episode((step,) * length, "", terminated=True)


def test_the_most_telling_episode_is_long_and_of_a_mixed_group() -> None:
    groups = [
        Group((plain(9, True), plain(9, True), plain(9, True))),
        Group((plain(1, True), plain(2, False), plain(2, True), plain(2, False))),
        Group((plain(5, True), plain(5, False), plain(5, True), plain(7, True))),
    ]
    group = np.repeat([0, 1, 2], [3, 4, 4])
    reward = np.array([float(e.success) for of_group in groups for e in of_group])
    scored = np.ones(11, dtype=np.bool_)
    assert most_telling(groups, Rollouts(group, scored, np.arange(11), reward)) == 4
    scored[4] = False
    assert most_telling(groups, Rollouts(group, scored, np.arange(11), reward)) == 6
    assert most_telling(groups[:1], Rollouts(group[:3], scored[:3], np.arange(3), reward[:3])) == 0


def test_the_lens_is_over_the_last_batch_also_if_nothing_was_learned_from_it() -> None:
    trainer = trainer_of("grpo")
    trainer.collect()
    episodes = [spoken("oracle", 0)]
    seen = samples(episodes, recorded(episodes), trainer)["credit"]
    assert len(seen["returns"]) == trainer.settings.group_size
    assert trainer.updates == 0


def test_long_texts_and_turns_are_cut() -> None:
    trainer = trainer_of("grpo")
    trainer.collect()
    env, said = calculator(1), "x" * (LONGEST_TEXT + 5)
    env.open(0, seed=0)
    start = env.transcripts[0]
    transcript = env.dialogue.reply(start, parse(said))
    step = Step(start.observation, said, 0.0, {"transcript": transcript, "success": False})
    episodes = [Episode((step,), transcript.observation, terminated=False)]
    told = samples(episodes, recorded(episodes), trainer)["transcripts"][0]
    assert told["turns"][0]["said"] == "x" * LONGEST_TEXT + "… (5 more characters)"


def test_characters_of_several_tokens_come_with_their_last() -> None:
    tokens = list("a€ü!".encode())
    texts = pieces(tokens, lambda ids: bytes(ids).decode(errors="replace"))
    assert texts == ["a", "", "", "€", "", "ü", "!"]
    assert "".join(texts) == "a€ü!"


def test_only_so_many_tokens_of_a_turn_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewardsmith.agents.llm.samples.LONGEST_TURN", 10)
    groups, rollouts = mixed_batch()
    seen = lens(groups, rollouts, GroupRelative(), DECODE)
    place = most_telling(groups, rollouts)
    counts = rollouts.token_counts[rollouts.first[place] : rollouts.last[place] + 1]
    assert max(counts) > 10
    assert [len(turn["tokens"]) for turn in seen["turns"]] == np.minimum(counts, 10).tolist()
    assert [turn["left_out"] for turn in seen["turns"]] == np.maximum(counts - 10, 0).tolist()
    tempo = next(row for row in seen["rows"] if row["method"] == "TEMPO")
    assert [len(values) for values in tempo["tokens"]] == np.minimum(counts, 10).tolist()
