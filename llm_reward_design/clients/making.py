"""`make_client`: from the `llm` group of a configuration to whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, get_args

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.llm_reward_design.client import ChatClient, Completion, Request
from rewardsmith.llm_reward_design.clients.budget import Budget, Budgeted, Prices, longest_answer
from rewardsmith.llm_reward_design.clients.call_store import CallStore
from rewardsmith.llm_reward_design.clients.recording import Mode, Recorded

_EVERY = frozenset({"name", "kind", "mode", "workers"})
_ASKED = _EVERY | {"model", "sampling", "budget"}
_KINDS = {
    "offline": _EVERY,
    "local": _ASKED,
    "openai": _ASKED | {"url", "key_variable", "prices", "timeout_s"},
}
_OURS = ("messages", "model", "n", "stream")

Part = TypeVar("Part", Budget, Prices)


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """The `llm` group of a configuration, checked.

    Args:
        name: The group's option.
        kind: "offline" for program search, "openai" for a server, "local" for a model here.
        model: The model's name at the server, or its folder or hub name.
        url: Base address of the server.
        key_variable: Environment variable that holds its key; None for a server without one.
        sampling: Settings sent along with every request, such as temperature.
        prices: What tokens cost; None if unknown, and costs then count as 0.
        budget: What may be spent in all.
        timeout_s: Longest wait for an answer, in seconds.
        mode: What is asked anew, as in `Recorded`.
        workers: Calls under way at once.

    Raises:
        ConfigError: If a setting is missing or out of range.
    """

    name: str
    kind: str
    model: str = ""
    url: str = ""
    key_variable: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    prices: Prices | None = None
    budget: Budget = field(default_factory=Budget)
    timeout_s: float = 300.0
    mode: Mode = "record"
    workers: int = 1

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise unknown("mode", self.mode, get_args(Mode), where="llm.mode")
        if not isinstance(self.workers, int) or self.workers < 1:
            raise ConfigError(f"llm.workers must be at least 1, got {self.workers!r}")
        if not isinstance(self.timeout_s, int | float) or not self.timeout_s > 0:
            raise ConfigError(f"llm.timeout_s must be a number above 0, got {self.timeout_s!r}")
        for setting in _KINDS[self.kind] & {"model", "url"}:
            value = getattr(self, setting)
            if not isinstance(value, str):
                raise ConfigError(f"llm.{setting} must be text, got {value!r}")
            if not value:
                raise ConfigError(f"llm.{setting} is missing; set llm.{setting}=...")
        for setting in _OURS:
            if setting in self.sampling:
                raise ConfigError(f"llm.sampling must not hold {setting!r}, which is set by us")
        if self.budget.needs_longest:
            longest_answer(self.sampling)

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> ClientSettings:
        """Returns the settings that plain data describes.

        Raises:
            ConfigError: If a setting is unknown, missing or out of range; names the nearest.

        Example:
            >>> ClientSettings.read({"name": "offline", "kind": "offline"}).mode
            'record'
        """
        given = dict(settings)
        kind = str(given.get("kind"))
        if kind not in _KINDS:
            raise unknown("kind", kind, _KINDS, where="llm.kind")
        for setting in given:
            if setting not in _KINDS[kind]:
                raise unknown("setting", setting, _KINDS[kind], where=f"llm of kind {kind}")
        given["budget"] = _part(Budget, given.get("budget"), "budget") or Budget()
        given["prices"] = _part(Prices, given.get("prices"), "prices")
        given["sampling"] = {
            name: value
            for name, value in _mapping(given.get("sampling"), "sampling").items()
            if value is not None
        }
        given["url"] = str(given.get("url", "")).rstrip("/")
        return cls(**{"name": kind} | given)

    @property
    def remark(self) -> str:
        """What a user should know before the search starts, "" if nothing."""
        if self.kind != "openai" or self.prices is not None:
            return ""
        return (
            f"no prices are known for {self.model}, so its cost counts as 0; set "
            "llm.prices={prompt: ..., completion: ...}, per million tokens"
        )


def make_client(settings: ClientSettings | Mapping[str, Any], store: CallStore) -> ChatClient:
    """Makes whoever answers, within its budget and with its answers recorded.

    In mode "replay" only recorded answers are given: no key, network or model is needed.

    Args:
        settings: The `llm` group of a configuration.
        store: Where the answers are kept.

    Raises:
        ConfigError: If a setting is wrong, a key is not set, or a model cannot be loaded.
    """
    given = settings if isinstance(settings, ClientSettings) else ClientSettings.read(settings)
    client = _made(given, absent=given.mode == "replay")
    if given.mode != "replay" and given.budget != Budget():
        client = Budgeted(client, given.budget, store, given.prices)
    return Recorded(client, store, given.mode)


class _Absent:
    """Lends its name to a model whose recorded answers are given again."""

    is_language_model = True

    def __init__(self, name: str) -> None:
        self.name = name

    def complete(self, request: Request) -> Completion:
        raise ConfigError(f"{self.name} is not there; set mode=record to ask it")

    def close(self) -> None:
        """Holds nothing."""


def _made(given: ClientSettings, *, absent: bool = False) -> ChatClient:
    if given.kind == "offline":
        from rewardsmith.llm_reward_design.grammar import OfflineWriter

        return OfflineWriter()
    if given.kind == "local":
        from rewardsmith.llm_reward_design.clients import local_chat

        name = local_chat.name_of(given.model)
        return _Absent(name) if absent else local_chat.LocalChat(given.model)
    from rewardsmith.agents.endpoint import Endpoint
    from rewardsmith.llm_reward_design.clients import openai_chat

    if absent:
        return _Absent(openai_chat.name_of(given.model, given.url))
    endpoint = Endpoint(
        given.url, given.model, key_variable=given.key_variable, timeout_s=given.timeout_s
    )
    return openai_chat.OpenAIChat(endpoint, given.prices)


def _part(kind: type[Part], value: Any, setting: str) -> Part | None:
    """Returns a group of settings as its class, None where there is none."""
    if value is None:
        return None
    given, known = _mapping(value, setting), [part.name for part in fields(kind)]
    for name in given:
        if name not in known:
            raise unknown("setting", name, known, where=f"llm.{setting}")
    try:
        return kind(**given)
    except TypeError:
        raise ConfigError(f"llm.{setting} needs {' and '.join(known)}, got {given}") from None


def _mapping(value: Any, setting: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"llm.{setting} must be a mapping of names to values, got {value!r}")
    return {str(name): part for name, part in value.items()}
