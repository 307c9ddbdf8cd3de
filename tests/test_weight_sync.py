"""A server goes on with the weights that are sent to it, and never mixes old and new."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import test_server
import torch
from test_server import CHAT, CONTEXT, GREEDY, KEY, Handler, Server, endpoint, generator, say
from test_server import server as plain_server
from text_play import fresh_policy

from rewardsmith.agents.endpoint import ServerError
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.weight_sync import send_weights
from rewardsmith.envs.errors import ConfigError

__all__ = ["plain_server"]


class Reloading(Handler):
    """vLLM's requests of development mode, which stand beside "/v1" and answer nothing."""

    server: Server

    def do_POST(self) -> None:
        server: Any = self.server
        if self.path.startswith("/v1/"):
            assert server.awake == {"weights", "kv_cache"}
            super().do_POST()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.told.append(self.path)
        status = server.refusals.pop(self.path, HTTPStatus.OK)
        if status == HTTPStatus.OK:
            self.obey(server, body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def obey(self, server: Any, body: bytes) -> None:
        assert self.headers["Authorization"] == f"Bearer {KEY}"
        if self.path == "/sleep?level=2":
            server.awake = set()
        elif self.path == "/collective_rpc":
            assert server.awake == {"weights"}
            assert b'"method":"reload_weights"' in body.replace(b" ", b"")
            test_server.POLICY = Policy.load(str(server.folder), device="cpu")
        else:
            server.awake.add(self.path.removeprefix("/wake_up?tags="))


@pytest.fixture
def server(plain_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a server that was started from a folder with the weights of `fresh_policy`."""
    running: Any = plain_server
    running.RequestHandlerClass = Reloading
    running.folder, running.awake = tmp_path, {"weights", "kv_cache"}
    running.told, running.refusals = [], {}
    policy = fresh_policy()
    policy.model.save_pretrained(tmp_path)
    policy.tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr(test_server, "POLICY", policy)
    return running


def trained() -> Policy:
    """Returns a policy after an update, which says something else."""
    policy = fresh_policy()
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(-parameter.flip(0))
    return policy


def own(policy: Policy) -> list[int]:
    return say(CachedGenerator(policy, CHAT.stop_ids, slots=1, sampling=GREEDY, context=CONTEXT), 0)


def test_the_server_speaks_with_the_weights_that_were_sent(server: Any) -> None:
    policy = trained()
    before = say(generator(server), 0)
    assert before == own(fresh_policy()) != own(policy)
    send_weights(policy, endpoint(server), server.folder)
    assert say(generator(server), 0) == own(policy)
    assert server.told == [
        "/sleep?level=2", "/wake_up?tags=weights", "/collective_rpc", "/wake_up?tags=kv_cache",
    ]  # fmt: skip


def test_a_call_that_failed_is_made_again(server: Any) -> None:
    policy = trained()
    server.refusals["/collective_rpc"] = HTTPStatus.NOT_FOUND
    with pytest.raises(ConfigError, match="refuses the request"):
        send_weights(policy, endpoint(server), server.folder)
    assert server.awake == {"weights"}
    send_weights(policy, endpoint(server), server.folder)
    assert say(generator(server), 0) == own(policy)


def test_a_server_out_of_development_mode_is_an_error(server: Any) -> None:
    server.refusals["/sleep?level=2"] = HTTPStatus.NOT_FOUND
    with pytest.raises(ConfigError, match="404"):
        send_weights(trained(), endpoint(server), server.folder)
    assert server.told == ["/sleep?level=2"]
    assert say(generator(server), 0) == own(fresh_policy())


def test_a_busy_server_is_asked_again(server: Any) -> None:
    server.refusals["/sleep?level=2"] = HTTPStatus.SERVICE_UNAVAILABLE
    send_weights(trained(), endpoint(server), server.folder)
    assert server.told[:2] == ["/sleep?level=2"] * 2
    server.refusals["/sleep?level=2"] = HTTPStatus.SERVICE_UNAVAILABLE
    with pytest.raises(ServerError):
        send_weights(trained(), endpoint(server, retries=0), server.folder)


def test_what_cannot_be_sent_is_refused_before_the_server_is_asked(
    server: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="holds no model"):
        send_weights(trained(), endpoint(server), tmp_path / "other")
    adapted = Policy.load("tiny", device="cpu", lora_rank=2)
    with pytest.raises(ConfigError, match="train without lora_rank"):
        send_weights(adapted, endpoint(server), server.folder)
    assert server.told == []
