"""Attempts to reach anything by a socket."""

from __future__ import annotations

import socket
from typing import Any

from rewardsmith.llm_reward_design.jail.attempts import Targets, attempt, reaches


def _connect(family: int, kind: int, address: Any) -> bool:
    with socket.socket(family, kind) as connection:
        connection.settimeout(1.0)
        connection.connect(address)
        connection.send(b"x")
    return True


@attempt
def _connect_tcp(t: Targets) -> object:
    return _connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", t.tcp4))


@attempt
def _connect_tcp6(t: Targets) -> object:
    return t.tcp6 and _connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", t.tcp6))


@attempt
def _send_a_datagram(t: Targets) -> object:
    return _connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", t.udp))


@attempt
def _connect_a_unix_socket(t: Targets) -> object:
    return _connect(socket.AF_UNIX, socket.SOCK_STREAM, t.path)


@attempt
def _connect_an_abstract_socket(t: Targets) -> object:
    return _connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + t.name)


@attempt
def _listen_on_a_port(t: Targets) -> object:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
    return True


@attempt
def _open_any_socket(t: Targets) -> object:
    families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16, 17, 40)
    return any(reaches("socket", family, 2, 0) for family in families)
