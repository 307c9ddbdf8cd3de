"""`LocalChat`: answers from a Hugging Face language model in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.loading import pretrained
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.tiny import character_tokenizer, tiny_model
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import IntArray
from rewardsmith.llm_reward_design.client import ClientError, Completion, Request

_LONGEST = 4096
_UNLIMITED = 1 << 40
_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_new_tokens",
}
"""Names of sampling settings, as servers call them, and as `Sampling` does."""


class LocalChat:
    """A causal language model with a chat template, one answer at a time.

    The random numbers of an answer come from its request's key, so that samples differ and a
    second run on the same machine agrees with the first.

    Args:
        model: A folder or hub name of a Hugging Face causal language model, or "tiny" for one
            made on the spot, which writes gibberish.
        device: Where it runs; by default CUDA where there is one, else the CPU.

    Raises:
        ConfigError: If there is no such model, or it has no chat template.
    """

    is_language_model = True

    def __init__(self, model: str, *, device: str | None = None) -> None:
        self.name = name_of(model)
        loaded, tokenizer = _tiny() if model == "tiny" else pretrained(model)
        self.chat = Chat(tokenizer)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model = loaded.to(self._device).eval()
        self._stops = sorted({*self.chat.stop_ids, *_ends(loaded)})
        self._lock, self._closed = threading.Lock(), False

    def complete(self, request: Request) -> Completion:
        """Answers one request; threads take turns.

        Raises:
            ClientError: If the answer is empty, or the client is closed.
            ConfigError: If a setting is unknown or out of range, or the prompt leaves no room
                for an answer.
        """
        sampling = _sampling(request.settings)
        prompt = self.chat.conversation((said.role, said.content) for said in request.messages)
        most = min(sampling.max_new_tokens, self._room(len(prompt)))
        with self._lock:
            started = time.monotonic()
            ids = self._write(prompt, sampling, most, int(request.key(self.name)[:15], 16))
        if self._closed:
            raise ClientError(f"{self.name} was closed", "network")
        text = str(self.chat.tokenizer.decode(ids, skip_special_tokens=True))
        if not text.strip():
            raise ClientError(f"{self.name} answered with no text", "parse")
        return Completion(
            text=text,
            prompt_tokens=len(prompt),
            completion_tokens=len(ids),
            wall_s=time.monotonic() - started,
            cut_off=ids[-1] not in self._stops,
        )

    def close(self) -> None:
        """Ends the answer under way; no further one can be asked for."""
        self._closed = True

    def _room(self, prompt: int) -> int:
        """Returns how many tokens may follow a prompt of so many."""
        limit = getattr(self._model.config, "max_position_embeddings", None) or _UNLIMITED
        if prompt >= limit:
            raise ConfigError(
                f"a prompt of {prompt} tokens leaves no room for an answer: {self.name} attends "
                f"to {limit}; use a model with a longer context"
            )
        return int(limit) - prompt

    def _write(self, prompt: IntArray, sampling: Sampling, most: int, seed: int) -> list[int]:
        given = torch.from_numpy(prompt)[None].to(self._device)
        drawn: dict[str, Any] = {"do_sample": sampling.temperature > 0}
        if sampling.temperature > 0:
            drawn |= {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k or 0,
            }
        devices = [] if given.device.type == "cpu" else [given.device]
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(seed)
            written = self._model.generate(
                given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=most,
                eos_token_id=self._stops,
                pad_token_id=self._stops[0],
                stopping_criteria=[self._is_closed],
                **drawn,
            )
        ids: list[int] = written[0, len(prompt) :].tolist()
        return ids

    def _is_closed(self, ids: Tensor, scores: Any, **options: Any) -> Tensor:
        return torch.full((len(ids),), self._closed, device=ids.device)


def name_of(model: str) -> str:
    """Returns what identifies a model of this process."""
    return f"{model} in this process"


def _tiny() -> tuple[Any, Any]:
    tokenizer = character_tokenizer()
    return tiny_model(tokenizer, context=1 << 15), tokenizer


def _ends(model: Any) -> list[int]:
    """Returns the ids that end an answer by the model's own generation settings."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        return []
    return [ends] if isinstance(ends, int) else list(ends)


def _sampling(settings: Mapping[str, Any]) -> Sampling:
    for name in settings:
        if name not in _SETTINGS:
            raise unknown("setting", name, _SETTINGS, where="llm.sampling")
    given = {_SETTINGS[name]: value for name, value in settings.items()}
    try:
        return Sampling(**{"max_new_tokens": _LONGEST} | given)
    except TypeError:
        raise ConfigError(f"llm.sampling takes numbers, got {dict(settings)}") from None
