"""Generation with the cache: what encoding from scratch gives, whatever the other slots do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import ARCHITECTURES, CONTEXT, VOCABULARY, policy
from transformers import MistralConfig, MistralForCausalLM

from rewardsmith.agents.llm import fast_llama
from rewardsmith.agents.llm.batching import batches
from rewardsmith.agents.llm.fast_llama import LlamaForward
from rewardsmith.agents.llm.generator import CachedGenerator, Finished
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.sampling import Sampling, invert
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray

STOPS = tuple(range(20, 28))
MODELS = {name: policy(name) for name in ARCHITECTURES}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def generator(name: str = "tiny", slots: int = 4, **options: Any) -> CachedGenerator:
    drawn = {field.name for field in fields(Sampling)} & options.keys()
    sampling = {"temperature": 0.0, "max_new_tokens": 6} | {key: options.pop(key) for key in drawn}
    return CachedGenerator(
        MODELS[name], STOPS, slots=slots, sampling=Sampling(**sampling), **options
    )


def prompt(seed: int, length: int) -> IntArray:
    return np.random.default_rng(seed).integers(0, VOCABULARY, length)


@torch.no_grad()
def from_scratch(
    model: Policy, history: list[int], stops: tuple[int, ...] = STOPS, most: int = 6
) -> list[int]:
    """Returns a greedy turn after `history`, encoding everything anew for every token."""
    turn: list[int] = []
    while len(turn) < most and len(history) + len(turn) < CONTEXT:
        logits = model.model(input_ids=torch.tensor([history + turn])).logits
        turn.append(int(logits[0, -1].argmax()))
        if turn[-1] in stops:
            break
    return turn


class Players:
    """Feeds slots, and holds each turn against a conversation encoded from scratch."""

    def __init__(self, name: str, played: CachedGenerator) -> None:
        self.model, self.generator = MODELS[name], played
        self.history: dict[int, list[int]] = {}
        self.turns = 0

    def feed(self, slot: int, context: IntArray) -> None:
        self.generator.feed(slot, context)
        self.history.setdefault(slot, []).extend(context.tolist())

    def close(self, slot: int) -> None:
        self.generator.close(slot)
        del self.history[slot]

    def run(self, at_least: int) -> list[Finished]:
        finished = self.generator.run(at_least)
        for turn in finished:
            history = self.history[turn.slot]
            assert history[-len(turn.span.context) :] == turn.span.context.tolist()
            written = turn.span.ids.tolist()
            assert written == from_scratch(self.model, history)
            assert turn.stopped == (written[-1] in STOPS)
            history += written
            self.turns += 1
        return finished


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_greedy_turns_equal_encoding_from_scratch(name: str) -> None:
    """Mixed lengths, several turns, refilled slots and a fork, in one go."""
    players = Players(name, generator(name))
    for slot, length in enumerate((9, 1, 5, 14)):
        players.feed(slot, prompt(slot, length))
    finished = players.run(2)
    while players.turns < 14:
        for turn in finished:
            if len(players.history[turn.slot]) > 30:
                players.close(turn.slot)
            players.feed(turn.slot, prompt(100 + players.turns + turn.slot, 3 + turn.slot))
        finished = players.run(2)
    players.run(4)
    players.generator.fork(0, 0)
    players.generator.fork(0, 3)
    players.history[3] = list(players.history[0])
    players.feed(0, prompt(7, 2))
    players.feed(3, prompt(8, 4))
    assert len(players.run(4)) == 2


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_order_of_calls_equals_encoding_from_scratch(data: st.DataObject) -> None:
    players = Players("tiny", generator(slots=3))
    mid_turn: set[int] = set()
    for _ in range(data.draw(st.integers(3, 12))):
        slot = data.draw(st.integers(0, 2))
        action = data.draw(st.sampled_from(("feed", "run", "close", "fork")))
        if action == "feed" and slot not in mid_turn and players.generator.room(slot) >= 5:
            players.feed(slot, prompt(data.draw(st.integers(0, 99)), data.draw(st.integers(1, 5))))
            mid_turn.add(slot)
        elif action == "run":
            mid_turn -= {turn.slot for turn in players.run(data.draw(st.integers(0, 2)))}
        elif action == "close" and slot in players.history:
            players.close(slot)
            mid_turn.discard(slot)
        elif action == "fork" and slot in players.history and slot not in mid_turn:
            target = (slot + 1) % 3
            players.generator.fork(slot, target)
            players.history[target] = list(players.history[slot])
            mid_turn.discard(target)
    players.run(3)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.6])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logprobs_and_entropies_are_those_of_a_fresh_forward_pass(
    name: str, temperature: float
) -> None:
    played = generator(name, temperature=temperature, want_entropies=True, top_p=0.9)
    turns: dict[int, list[Finished]] = {slot: [] for slot in range(4)}
    for t in range(3):
        for slot in range(4):
            played.feed(slot, prompt(10 * t + slot, 1 + 2 * slot))
        for turn in played.run(4):
            turns[turn.slot].append(turn)
    spans = [[turn.span for turn in turns[slot]] for slot in range(4)]
    rows = [np.concatenate([np.r_[s.context, s.ids] for s in row]) for row in spans]
    ids = torch.zeros(4, max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = torch.from_numpy(row), 1
    with torch.no_grad():
        scored = MODELS[name].logprobs(ids, mask, temperature or 1.0, want_entropy=True)
    for i, row_spans in enumerate(spans):
        written = np.concatenate([np.r_[s.context < 0, s.ids >= 0] for s in row_spans])
        drawn = [[s.logprobs for s in row_spans], [s.entropies for s in row_spans]]
        for here, fresh in zip(map(np.concatenate, drawn), scored, strict=True):
            again = fresh[i, : len(written) - 1].numpy()[written[1:]]
            np.testing.assert_allclose(here, again, atol=1e-4)


def test_a_slot_writes_the_same_whatever_the_others_do() -> None:
    alone = generator(temperature=1.0, seed=3)
    alone.feed(2, prompt(2, 7))
    expected = alone.run()[0].span
    crowd = generator(temperature=1.0, seed=3)
    for slot in (3, 1):
        crowd.feed(slot, prompt(slot, 4 * slot))
    crowd.run()
    crowd.feed(2, prompt(2, 7))
    crowd.feed(0, prompt(0, 11))
    [span] = [turn.span for turn in crowd.run(4) if turn.slot == 2]
    assert span.ids.tolist() == expected.ids.tolist()
    np.testing.assert_allclose(span.logprobs, expected.logprobs, atol=1e-5)


def test_equal_prompts_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    players, encoded = Players("tiny", generator(slots=5)), list[int]()
    forward = LlamaForward.__call__

    def counted(self: LlamaForward, ids: torch.Tensor, *where: Any) -> torch.Tensor:
        encoded.append(ids.numel())
        return forward(self, ids, *where)

    monkeypatch.setattr(LlamaForward, "__call__", counted)
    for slot, seed in enumerate((1, 2, 1, 1, 2)):
        players.feed(slot, prompt(seed, 9))
    players.run(0)
    assert encoded == [2 * 9]
    players.run(5)
    for slot in range(5):
        players.feed(slot, prompt(3, 2))
    encoded.clear()
    players.run(0)
    assert encoded == [5 * 3]
    players.run(5)


@pytest.mark.parametrize("name", ["tiny", "grouped_llama", "qwen2"])
def test_long_prompts_go_on_as_from_scratch_by_either_attention(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most_scores in (fast_llama._MOST_SCORES, 0):
        monkeypatch.setattr(fast_llama, "_MOST_SCORES", most_scores)
        players = Players(name, generator(name, slots=6))
        for slot in range(6):
            players.feed(slot, prompt(slot, 48 + slot))
        players.run(6)
        assert players.turns == 6


def test_numbers_drawn_ahead_are_not_lost() -> None:
    played = generator(temperature=1.0, slots=8, max_new_tokens=40)
    written = np.zeros(8, np.int64)
    for slot in range(8):
        played.feed(slot, prompt(slot, 3))
    while turns := played.run():
        for turn in turns:
            written[turn.slot] = len(turn.span.ids)
    assert len(set(written.tolist())) > 2
    assert played.state_dict()["_streams"]["counter"].tolist() == written.tolist()


def test_seeds_and_slots_draw_differently() -> None:
    drawn = set()
    for seed in (0, 1):
        played = generator(temperature=1.0, seed=seed, max_new_tokens=12)
        for slot in range(4):
            played.feed(slot, prompt(0, 7))
        drawn |= {tuple(turn.span.ids.tolist()) for turn in played.run(4)}
    assert len(drawn) == 8


def test_a_restored_generator_goes_on_bit_for_bit() -> None:
    played = generator(temperature=1.0)
    wave(played)
    state = played.state_dict()
    other = generator(temperature=1.0, seed=9)
    other.feed(0, prompt(0, 3))
    other.run(0)
    other.load_state_dict(state)
    for here, there in zip(wave(played), wave(other), strict=True):
        assert here.slot == there.slot
        np.testing.assert_array_equal(here.span.ids, there.span.ids)
        np.testing.assert_array_equal(here.span.logprobs, there.span.logprobs)


def wave(played: CachedGenerator) -> list[Finished]:
    """Plays two turns in every slot, refilling as they end, and closes them all."""
    finished: list[Finished] = []
    for slot in range(4):
        played.feed(slot, prompt(slot, 3 + slot))
    while turns := played.run(2):
        finished += turns
        for turn in turns:
            if sum(done.slot == turn.slot for done in finished) < 2:
                played.feed(turn.slot, prompt(turn.slot, 2))
    for slot in range(4):
        played.close(slot)
    return finished


def test_a_turn_ends_at_a_stop_id_or_at_the_most_tokens() -> None:
    played = generator(temperature=1.0, slots=64)
    for slot in range(64):
        played.feed(slot, prompt(slot, 3))
    turns = played.run(64)
    for turn in turns:
        ids = turn.span.ids.tolist()
        assert not set(ids[:-1]) & set(STOPS)
        assert turn.stopped == (ids[-1] in STOPS)
        assert turn.stopped or len(ids) == 6
    assert {turn.stopped for turn in turns} == {True, False}


def test_a_turn_is_cut_off_at_the_end_of_the_context() -> None:
    played = CachedGenerator(MODELS["tiny"], [], slots=1, context=16)
    assert played.room(0) == 15
    played.feed(0, prompt(0, 10))
    assert played.room(0) == 5
    [turn] = played.run()
    assert not turn.stopped
    assert len(turn.span.ids) == 6
    assert played.room(0) == -1
    with pytest.raises(ConfigError, match=r"1 tokens after 16 tokens .* context of 16"):
        played.feed(0, prompt(0, 1))


def test_a_turn_cut_off_can_go_on_without_new_tokens() -> None:
    sampling = Sampling(temperature=0.0, max_new_tokens=3)
    played = CachedGenerator(MODELS["tiny"], [], slots=1, sampling=sampling)
    played.feed(0, prompt(1, 5))
    first = played.run()[0].span.ids.tolist()
    played.feed(0, np.zeros(0, np.int64))
    second = played.run()[0].span.ids.tolist()
    assert first + second == from_scratch(MODELS["tiny"], prompt(1, 5).tolist(), stops=())


def test_training_is_seen_once_all_conversations_are_closed() -> None:
    trained = policy("tiny")
    played = CachedGenerator(trained, STOPS, slots=1, sampling=Sampling(temperature=0.0))
    played.feed(0, prompt(0, 5))
    played.run()
    played.close(0)
    with torch.no_grad():
        for parameter in trained.model.parameters():
            parameter.copy_(parameter.roll(1, -1))
    played.feed(0, prompt(0, 5))
    assert played.run()[0].span.ids.tolist()[:6] == from_scratch(trained, prompt(0, 5).tolist())


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.5),
                                      Sampling(top_k=3), Sampling(top_p=0.6)])  # fmt: skip
def test_draws_follow_the_tempered_and_narrowed_distribution(sampling: Sampling) -> None:
    logits = torch.tensor([0.0, 2.0, 1.0, -1.0, 1.5])
    n = 20_000
    uniform = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    tokens, logprobs, _ = sampling.draw(logits.expand(n, -1), uniform)
    whole = (logits / sampling.temperature).softmax(-1)
    kept = whole.clone()
    order = whole.argsort(descending=True).tolist()
    if sampling.top_k:
        kept[order[3:]] = 0
    if sampling.top_p < 1:  # 0.43 + 0.26 reach 0.6
        kept[order[2:]] = 0
    shares = torch.bincount(tokens, minlength=5) / n
    np.testing.assert_allclose(shares, kept / kept.sum(), atol=2e-4)
    np.testing.assert_allclose(logprobs, whole.log()[tokens], atol=1e-5)


def test_weights_that_are_no_numbers_draw_some_token() -> None:
    drawn = invert(torch.full((2, 5), torch.nan), torch.tensor([0.0, 1.0]))
    assert ((drawn >= 0) & (drawn < 5)).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1e-30, 0.3, 1.0]), min_size=1, max_size=9),
       st.floats(0, 1))  # fmt: skip
def test_a_token_without_probability_is_never_drawn(weights: list[float], uniform: float) -> None:
    row = torch.tensor([[*weights, 0.5, 0.0]])
    assert row[0, int(invert(row, torch.tensor([uniform])))] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature must be finite and >= 0, got -1.0"),
        ({"top_p": 0.0}, "top_p must lie in"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1"),
        ({"context": 65}, "at most 64, what the model can attend to, got 65"),
        ({"slots": 0}, "slots must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_get_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generator(**options)


def test_wrong_calls_get_a_sentence() -> None:
    played = generator()
    with pytest.raises(ConfigError, match=r"a prompt of 99 tokens .* in a context of 64; shorten"):
        played.feed(0, prompt(0, 99))
    with pytest.raises(ConfigError, match="slot 4 is not among the 4 slots"):
        played.feed(4, prompt(0, 3))
    with pytest.raises(ConfigError, match="holds no conversation"):
        played.feed(0, np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="stop id 500 is outside the model's vocabulary of 109"):
        CachedGenerator(MODELS["tiny"], [500], slots=1)
    played = generator(slots=1)
    played.feed(0, prompt(0, 3))
    played.run(0)
    with pytest.raises(ConfigError, match="slot 0 is mid-turn"):
        played.feed(0, prompt(0, 3))


# ---- Which models, and by which forward pass --------------------------------------------


def test_plain_llamas_take_the_quick_forward_pass() -> None:
    quick = {name for name in ARCHITECTURES if LlamaForward.suits(MODELS[name].causal_lm)}
    assert quick == {"tiny", "grouped_llama", "qwen2"}


@pytest.mark.parametrize("name", ["tiny", "grouped_llama", "qwen2"])
def test_both_forward_passes_write_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = []
    for suits in (True, False):
        monkeypatch.setattr(LlamaForward, "suits", staticmethod(lambda model, suits=suits: suits))
        played = generator(name, temperature=1.0, seed=4, want_entropies=True)
        spans.append([turn.span for turn in sorted(wave(played), key=lambda turn: turn.slot)])
    for here, there in zip(*spans, strict=True):
        assert here.ids.tolist() == there.ids.tolist()
        np.testing.assert_allclose(here.logprobs, there.logprobs, atol=1e-4)
        np.testing.assert_allclose(here.entropies, there.entropies, atol=1e-4)


def test_adapters_take_part_in_generation() -> None:
    pytest.importorskip("peft")
    adapted = Policy.load("tiny", device="cpu", lora_rank=2, hidden=32, context=CONTEXT)
    with torch.no_grad():
        for name, parameter in adapted.model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.5)
    played = CachedGenerator(adapted, STOPS, slots=1, sampling=Sampling(temperature=0.0))
    played.feed(0, prompt(0, 9))
    assert played.run()[0].span.ids.tolist()[:6] == from_scratch(adapted, prompt(0, 9).tolist())


def test_a_model_that_forgets_gets_a_sentence() -> None:
    config = MistralConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1,
                           num_attention_heads=2, num_key_value_heads=1, sliding_window=8,
                           intermediate_size=16, max_position_embeddings=CONTEXT,
                           bos_token_id=None, eos_token_id=2)  # fmt: skip
    windowed = Policy(MistralForCausalLM(config), MODELS["tiny"].tokenizer, device="cpu")
    CachedGenerator(windowed, STOPS, slots=1, context=8)
    with pytest.raises(ConfigError, match="'mistral' has layers that do not attend to all 9"):
        CachedGenerator(windowed, STOPS, slots=1, context=9)


def test_contexts_of_very_different_length_are_encoded_apart() -> None:
    assert batches([900, 20, 1000, 30, 10]) == [[4, 1, 3], [0, 2]]
    assert batches([2**14] * 5) == [[0, 1], [2, 3], [4]]
    assert batches([70, 70, 800, 70, 72], rows=3) == [[0, 1, 3], [4], [2]]
    assert batches([1000, 1500, 1600, 1700]) == [[0], [1, 2, 3]]
    assert batches([]) == []


@given(sizes=st.lists(st.integers(1, 2000), max_size=40), rows=st.none() | st.integers(1, 8))
def test_passes_hold_everything_once_with_little_padding(
    sizes: list[int], rows: int | None
) -> None:
    groups = batches(sizes, rows)
    assert sorted(index for group in groups for index in group) == list(range(len(sizes)))
    for group in groups:
        held = [sizes[index] for index in group]
        assert held == sorted(held)
        assert len(group) <= (rows or len(sizes))
        assert max(held) * len(held) - sum(held) <= max(256, sum(held) / 8)
