"""`Policy`: a causal language model that is trained, and the log-probabilities it gives."""

from __future__ import annotations

from typing import Any, Literal, overload

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rewardsmith.agents.llm.loading import pretrained, with_lora
from rewardsmith.agents.llm.tiny import character_tokenizer, tiny_model
from rewardsmith.envs.errors import ConfigError

_CHUNK = 2**24
"""Logits held in float32 at once: 64 MiB."""


class Policy:
    """A causal language model and its tokenizer.

    Dropout is switched off, so that the log-probabilities of a training step are those the
    tokens were drawn with.

    Args:
        model: A Hugging Face causal language model, plain or wrapped by `peft`.
        tokenizer: Its tokenizer.
        device: Where it runs; by default CUDA where there is one, else the CPU.
        dtype: Number type of the weights; by default bfloat16 on CUDA, else as they are.
        gradient_checkpointing: Recompute activations in the backward pass to save memory.

    Attributes:
        causal_lm: The Hugging Face model, inside any `peft` wrapper.
        device: Where it runs.

    Raises:
        ConfigError: If the model does more to its logits than its output layer says.

    Example:
        >>> policy = Policy.load("tiny", device="cpu")
        >>> ids = torch.tensor([policy.tokenizer("1+1=2").input_ids])
        >>> policy.logprobs(ids, torch.ones_like(ids)).shape
        torch.Size([1, 4])
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if dtype is None and self.device.type == "cuda":
            dtype = torch.bfloat16
        self.model = model.to(device=self.device, dtype=dtype).eval()
        self.tokenizer = tokenizer
        self.causal_lm = model.get_base_model() if hasattr(model, "peft_config") else model
        self.gradient_checkpointing = gradient_checkpointing
        _switch_dropout_off(self.model)
        if gradient_checkpointing:
            self.causal_lm.activation_checkpointing_enable()
        self._check_head()

    @classmethod
    def load(
        cls,
        name: str,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        gradient_checkpointing: bool = False,
        lora_rank: int | None = None,
        **tiny: int,
    ) -> Policy:
        """Loads a policy by name.

        Args:
            name: A folder or hub name of a Hugging Face causal language model, or "tiny" for
                a small one made on the spot.
            device: As for `Policy`.
            dtype: As for `Policy`.
            gradient_checkpointing: As for `Policy`.
            lora_rank: Train low-rank adapters of this rank on every linear layer in place of
                the weights (Hu et al. 2021, arXiv:2106.09685); needs `peft`.
            **tiny: What `tiny_model` takes, for "tiny" only.

        Raises:
            ConfigError: If there is no such model, `peft` is missing, or a setting is one of
                "tiny" only.
        """
        if name == "tiny":
            tokenizer: Any = character_tokenizer()
            model: Any = tiny_model(tokenizer, **tiny)
        elif tiny:
            raise ConfigError(f"{', '.join(tiny)} can be set for the model 'tiny' only")
        else:
            model, tokenizer = pretrained(name)
        if lora_rank is not None:
            model = with_lora(model, lora_rank)
        return cls(
            model,
            tokenizer,
            device=device,
            dtype=dtype,
            gradient_checkpointing=gradient_checkpointing,
        )

    @property
    def context(self) -> int | None:
        """Most tokens the model can attend to; None if it does not say."""
        limit = getattr(self.causal_lm.config, "max_position_embeddings", None)
        return None if limit is None else int(limit)

    @overload
    def logprobs(
        self,
        ids: Tensor,
        attention_mask: Tensor,
        temperature: float = ...,
        want_entropy: Literal[False] = ...,
    ) -> Tensor: ...

    @overload
    def logprobs(
        self,
        ids: Tensor,
        attention_mask: Tensor,
        temperature: float = ...,
        *,
        want_entropy: Literal[True],
    ) -> tuple[Tensor, Tensor]: ...

    def logprobs(
        self,
        ids: Tensor,
        attention_mask: Tensor,
        temperature: float = 1.0,
        want_entropy: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Scores each next token: log pi(x_{t+1} | x_{<=t}) = z_{x_{t+1}} - logsumexp(z).

        z are the logits over the temperature. They are computed in pieces, and again in the
        backward pass, so that (B, L, V) numbers are never in memory at once.

        Args:
            ids: Token ids, int64 (B, L); rows are padded on either side.
            attention_mask: 1 for a token, 0 for padding, (B, L).
            temperature: Above 0.
            want_entropy: Return the entropies too.

        Returns:
            Log-probabilities of the tokens at 1..L-1, float32 (B, L - 1), differentiable;
            with `want_entropy`, also the entropies in nats of the distributions they stand
            in, (B, L - 1). Entries of padding mean nothing.

        Raises:
            ConfigError: If the temperature is not above 0.
        """
        if not temperature > 0:
            raise ConfigError(f"temperature must be above 0 to score tokens, got {temperature}")
        hidden = self._hidden(ids, attention_mask)[:, :-1].flatten(0, 1)
        scores = self._score(hidden, ids[:, 1:].flatten(), temperature, want_entropy)
        logprobs, *entropies = (part.view(len(ids), -1) for part in scores)
        return (logprobs, entropies[0]) if want_entropy else logprobs

    def _hidden(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        checkpointing = self.gradient_checkpointing and torch.is_grad_enabled()
        if checkpointing:  # transformers recomputes activations in this mode only
            self.model.train()
        output = self.causal_lm.base_model(
            input_ids=ids,
            attention_mask=attention_mask,
            position_ids=(attention_mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=False,
        )
        if checkpointing:
            self.model.eval()
        return output.last_hidden_state  # type: ignore[no-any-return]

    def _score(
        self, hidden: Tensor, targets: Tensor, temperature: float, want_entropy: bool
    ) -> list[Tensor]:
        options = (temperature, want_entropy)
        head = self.causal_lm.get_output_embeddings()
        size = max(1, _CHUNK // self.causal_lm.config.vocab_size)
        pieces = list(zip(torch.split(hidden, size), torch.split(targets, size), strict=True))
        if len(pieces) == 1 or not torch.is_grad_enabled():
            parts = [_token_scores(head, h, t, *options) for h, t in pieces]
        else:
            parts = [
                checkpoint(_token_scores, head, h, t, *options, use_reentrant=False)
                for h, t in pieces
            ]
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    @torch.no_grad()
    def _check_head(self) -> None:
        ids = torch.arange(min(8, self.causal_lm.config.vocab_size), device=self.device)[None]
        hidden = self._hidden(ids, torch.ones_like(ids))
        logits = self.causal_lm(input_ids=ids).logits
        if not torch.allclose(
            self.causal_lm.get_output_embeddings()(hidden), logits, rtol=1e-3, atol=1e-3
        ):
            raise ConfigError(
                f"the model type {self.causal_lm.config.model_type!r} rescales its logits after "
                "the output layer, which log-probabilities here leave out; use a model whose "
                "logits are those of its output layer"
            )


def _token_scores(
    head: nn.Module, hidden: Tensor, targets: Tensor, temperature: float, want_entropy: bool
) -> tuple[Tensor, ...]:
    logits = head(hidden).float()
    if temperature != 1:
        logits = logits / temperature
    if not want_entropy:
        return (-functional.cross_entropy(logits, targets, reduction="none"),)
    logprobs = logits.log_softmax(-1)
    entropies = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(-1, targets[:, None])[:, 0], entropies


def _switch_dropout_off(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]
