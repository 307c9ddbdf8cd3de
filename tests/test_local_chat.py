"""Answers from a model in this process: seeded by the request, ended by the model's marks."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_cases import request

from rewardsmith.agents.llm.tiny import character_tokenizer, tiny_model
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ClientError
from rewardsmith.llm_reward_design.clients.local_chat import LocalChat

torch.set_num_threads(1)


def talkative(model: str = "tiny") -> LocalChat:
    """Returns a client whose answers hold none of the tokenizer's marks, so never end early."""
    client = LocalChat(model, device="cpu")
    client._model.generation_config.suppress_tokens = client.chat.tokenizer.all_special_ids
    return client


@pytest.fixture(scope="module")
def tiny() -> LocalChat:
    return talkative()


def saved(folder: Path, template: bool = True, context: int = 128) -> str:
    tokenizer = character_tokenizer()
    model = tiny_model(tokenizer, hidden=32, context=context, seed=3)
    for parameter in model.parameters():
        parameter.data *= 4 if parameter.ndim > 1 else 1  # so that it has opinions
    if not template:
        tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


def test_samples_differ_and_re_runs_agree(tiny: LocalChat) -> None:
    asked = [request("1+1?", i, temperature=1.0, max_tokens=16) for i in range(4)]
    answers = [tiny.complete(one) for one in asked]
    assert len({answer.text for answer in answers}) == 4
    before = torch.random.get_rng_state()
    again = [talkative().complete(one) for one in reversed(asked)]
    assert [answer.text for answer in again[::-1]] == [answer.text for answer in answers]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_tokens_are_counted(tiny: LocalChat) -> None:
    answer = tiny.complete(request("1+1?", max_tokens=5, temperature=1.0, top_k=50, top_p=0.9))
    # A character a token; a mark before either message and before the answer, two ends.
    assert answer.prompt_tokens == len("You write rewards.") + len("1+1?") + 5
    assert (answer.completion_tokens, answer.cut_off) == (5, True)
    assert (answer.cost, tiny.name) == (0.0, "tiny in this process")


def test_greedy_answers_are_the_likeliest_tokens(tmp_path: Path) -> None:
    client = talkative(saved(tmp_path))
    asked = [request("Hi.", i, temperature=0, max_tokens=8) for i in range(2)]
    answers = {client.complete(one).text for one in asked}
    model, chat = client._model, client.chat
    ids = torch.from_numpy(chat.opening("You write rewards.", "Hi."))[None]
    size = ids.shape[1]
    with torch.inference_mode():
        for _ in range(8):
            logits = model(ids).logits[:, -1:]
            logits[..., chat.tokenizer.all_special_ids] = -torch.inf
            ids = torch.cat([ids, logits.argmax(-1)], 1)
    assert answers == {chat.tokenizer.decode(ids[0, size:], skip_special_tokens=True)}


def test_the_end_of_a_turn_ends_an_answer_whatever_the_model_says() -> None:
    client = LocalChat("tiny", device="cpu")
    client._model.generation_config.eos_token_id = None
    answer = client.complete(request(temperature=1.0, max_tokens=3000))
    assert answer.completion_tokens < 3000
    assert not answer.cut_off


def test_a_model_of_a_folder(tmp_path: Path) -> None:
    client = talkative(saved(tmp_path))
    answer = client.complete(request("1+1?", max_tokens=1000))
    assert answer.prompt_tokens + answer.completion_tokens == 128
    with pytest.raises(ConfigError, match=r"prompt of 2\d\d tokens leaves no room.*attends to 128"):
        client.complete(request("x" * 200))


def test_models_that_cannot_chat(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no chat template.*use an instruct model"):
        LocalChat(saved(tmp_path, template=False), device="cpu")
    with pytest.raises(ConfigError, match="cannot load the model"):
        LocalChat(str(tmp_path / "nothing"), device="cpu")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"max_token": 5}, r"unknown setting 'max_token'.*'max_tokens'"),
        ({"temperature": -1.0}, "temperature must be"),
        ({"temperature": "hot"}, "takes numbers"),
        ({"max_tokens": 0}, "max_new_tokens must be"),
    ],
)
def test_wrong_settings(tiny: LocalChat, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        tiny.complete(request(**settings))


def test_closing_ends_the_answer_under_way() -> None:
    client = talkative()
    ending = threading.Timer(0.3, client.close)
    started = time.monotonic()
    ending.start()
    with pytest.raises(ClientError, match="was closed"):
        client.complete(request(max_tokens=20_000))
    assert time.monotonic() - started < 3
    ending.join()
