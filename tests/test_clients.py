"""From settings to whoever answers: every option, replay with nothing there, and what is wrong."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_cases import request
from fake_chat_server import Script, serving

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ClientError
from rewardsmith.llm_reward_design.clients.budget import Budget, Prices
from rewardsmith.llm_reward_design.clients.call_store import SqliteCalls
from rewardsmith.llm_reward_design.clients.making import ClientSettings, make_client

OPTIONS = ("offline", "openai", "server", "local")
KEY = "sk-very-secret"


def option(name: str, **changes: Any) -> dict[str, Any]:
    """Returns a configured option; the model, where one is needed, is "tiny"."""
    text = resources.files("rewardsmith.conf").joinpath("llm", f"{name}.yaml").read_text()
    settings = {key: "tiny" if v == "???" else v for key, v in yaml.safe_load(text).items()}
    return settings | changes


def store() -> SqliteCalls:
    return SqliteCalls(":memory:")


# ---- Every option -----------------------------------------------------------------------------


def test_every_option_is_tested_and_named_after_its_file() -> None:
    folder = resources.files("rewardsmith.conf").joinpath("llm")
    found = {file.name.removesuffix(".yaml") for file in folder.iterdir() if "yaml" in file.name}
    assert found == set(OPTIONS)
    for name in OPTIONS:
        settings = ClientSettings.read(option(name))
        assert (settings.name, settings.mode) == (name, "record")


def test_offline_needs_nothing() -> None:
    kept = store()
    client = make_client(option("offline"), kept)
    assert not client.is_language_model
    answers = [client.complete(request(sample=i)) for i in range(2)]
    assert "def compute_reward(" in answers[0].text
    again = make_client(option("offline", mode="replay"), kept)
    assert [again.complete(request(sample=i)) for i in range(2)] == answers
    assert kept.spent().calls == 2


def test_a_local_model() -> None:
    kept, sampling = store(), ClientSettings.read(option("local")).sampling
    client = make_client(option("local", budget={"calls": 1}), kept)
    asked = request(**{**sampling, "max_tokens": 12})
    answer = client.complete(asked)
    assert client.complete(asked) == answer
    with pytest.raises(ClientError, match="budget of 1 calls"):
        client.complete(request("Another."))


@pytest.mark.parametrize("name", ["openai", "server"])
def test_a_server(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = tmp_path / "journal.sqlite"
    with serving(Script(key=KEY if name == "openai" else None)) as server:
        settings = option(name, url=f"{server.url}/", budget={"calls": 2})
        client = make_client(settings, SqliteCalls(path))
        assert client.name == f"tiny at {server.url}"
        sampling = ClientSettings.read(settings).sampling
        answers = [client.complete(request(sample=i, **sampling)) for i in range(2)]
        assert list(sampling.values()) == [8192]  # under the name that each of them knows
        assert all(body.items() >= sampling.items() for body in server.bodies)
        resumed = make_client(settings, SqliteCalls(path))
        assert [resumed.complete(request(sample=i, **sampling)) for i in range(2)] == answers
        with pytest.raises(ClientError, match="2 are spent"):
            resumed.complete(request(sample=2, **sampling))
        assert len(server.bodies) == 2
    monkeypatch.delenv("OPENAI_API_KEY")
    replay = make_client({**settings, "mode": "replay"}, SqliteCalls(path))
    assert [replay.complete(request(sample=i, **sampling)) for i in range(2)] == answers
    assert replay.is_language_model
    with pytest.raises(ConfigError, match="set mode=record"):
        replay.complete(request(sample=2, **sampling))
    assert KEY.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_replay_loads_no_model() -> None:
    client = make_client(option("local", model="gone", mode="replay"), store())
    assert client.name == "gone in this process"
    client.close()


def test_names_are_those_recorded_under(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("openai", "server", "local"):
        made = [make_client(option(name, mode=mode), store()) for mode in ("record", "replay")]
        assert made[0].name == made[1].name
        for client in made:
            client.close()


# ---- What is read -----------------------------------------------------------------------------


def test_groups_of_settings_are_read() -> None:
    given = option(
        "openai",
        prices={"prompt": 2, "completion": 8.0},
        budget={"cost": 5, "calls": None},
        sampling={"temperature": None, "max_tokens": 100, "seed": 7},
    )
    settings = ClientSettings.read(given)
    assert settings.prices == Prices(2, 8.0)
    assert settings.budget == Budget(cost=5)
    assert settings.sampling == {"max_tokens": 100, "seed": 7}
    assert settings.workers == 8


def test_unknown_prices_are_told() -> None:
    remark = ClientSettings.read(option("openai")).remark
    assert "no prices are known for tiny, so its cost counts as 0; set llm.prices" in remark
    assert all(ClientSettings.read(option(name)).remark == "" for name in ("server", "local"))


@pytest.mark.parametrize(
    ("name", "changes", "match"),
    [
        ("openai", {"kind": "open_ai"}, r"unknown kind 'open_ai' in llm.kind; .*'openai'"),
        ("openai", {"modle": "x"}, r"unknown setting 'modle' in llm of kind openai; .*'model'"),
        ("offline", {"url": "http://x"}, r"unknown setting 'url' in llm of kind offline"),
        ("openai", {"mode": "relpay"}, r"unknown mode 'relpay'.*'replay'"),
        ("openai", {"model": ""}, r"llm.model is missing; set llm.model="),
        ("openai", {"model": 4}, r"llm.model must be text, got 4"),
        ("openai", {"url": ""}, r"llm.url is missing"),
        ("openai", {"url": "localhost:1"}, r"url must begin with http"),
        ("openai", {"key_variable": "NO_SUCH_KEY"}, r"NO_SUCH_KEY is not set"),
        ("openai", {"workers": 0}, r"llm.workers must be at least 1, got 0"),
        ("openai", {"timeout_s": -1.0}, r"llm.timeout_s must be .* above 0, got -1.0"),
        ("openai", {"timeout_s": "long"}, r"llm.timeout_s must be a number.*'long'"),
        ("openai", {"sampling": {"n": 4}}, r"llm.sampling must not hold 'n'"),
        ("openai", {"sampling": "hot"}, r"llm.sampling must be a mapping .*'hot'"),
        ("openai", {"prices": {"prompt": 1.0}}, r"llm.prices needs prompt and completion"),
        ("openai", {"prices": {"promt": 1.0}}, r"unknown setting 'promt' in llm.prices"),
        ("openai", {"budget": {"call": 1}}, r"unknown setting 'call' in llm.budget.*'calls'"),
        ("openai", {"budget": {"calls": -1}}, r"budget.calls must be a number .* got -1"),
        ("openai", {"budget": {"tokens": 9}, "sampling": None}, r"set sampling.max_completion"),
        ("openai", {"budget": {"cost": 9}}, r"budget.cost=9 cannot be kept without prices"),
        ("local", {"model": "no/such/folder"}, r"cannot load the model"),
    ],
)
def test_wrong_settings_get_a_sentence(
    name: str, changes: dict[str, Any], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=match):
        make_client(option(name, **changes), store())
