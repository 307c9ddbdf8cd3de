"""How the next token is drawn from the logits of a language model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rewardsmith.envs.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Sampling:
    """Settings of drawing tokens.

    Args:
        temperature: The logits are divided by it; 0 always takes the most probable token.
        top_p: Draw among the fewest tokens whose probability sums up to at least this, in
            (0, 1] (Holtzman et al. 2020, arXiv:1904.09751).
        top_k: Draw among this many most probable tokens; None for all.
        max_new_tokens: Tokens after which a turn is cut off.
        want_entropies: Record the entropy of every distribution drawn from.

    Raises:
        ConfigError: If a setting is out of its range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    max_new_tokens: int = 256
    want_entropies: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(f"temperature must be finite and >= 0, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must lie in (0, 1], got {self.top_p}")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k must be at least 1, or null for all, got {self.top_k}")
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")

    def draw(self, logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draws one token per row.

        The log-probabilities and entropies are those of the whole tempered distribution
        softmax(z / temperature), which `Policy.logprobs` gives again; of softmax(z) where
        the temperature is 0. `top_p` and `top_k` only narrow the choice.

        Args:
            logits: z, float32 (n, V).
            uniform: One number in [0, 1) per row, float64 (n,), unused at temperature 0. The
                token is the inverse of the cumulative distribution there, so that a row's
                token depends on nothing but its own logits and number.

        Returns:
            The tokens, int64 (n,); their log-probabilities, float32 (n,); the entropies,
            float32 (n,), or None where nobody asked.
        """
        tempered = logits if self.temperature in (0, 1) else logits / self.temperature
        logprobs = tempered.log_softmax(-1)
        if self.temperature == 0:
            chosen, tokens = logprobs.max(-1)
            entropies = _entropy(logprobs.exp(), logprobs) if self.want_entropies else None
            return tokens, chosen, entropies
        probabilities = logprobs.exp()
        tokens = self._invert(probabilities, uniform.to(logits.dtype))
        chosen = logprobs.gather(-1, tokens[:, None])[:, 0]
        entropies = _entropy(probabilities, logprobs) if self.want_entropies else None
        return tokens, chosen, entropies

    def _invert(self, probabilities: Tensor, uniform: Tensor) -> Tensor:
        if self.top_k is None and self.top_p == 1:
            return invert(probabilities, uniform)
        k = min(self.top_k or probabilities.shape[-1], probabilities.shape[-1])
        best, tokens = probabilities.topk(k, dim=-1)
        before = best.cumsum(-1) - best
        beyond = before >= self.top_p * best.sum(-1, keepdim=True)
        rank = invert(best.masked_fill(beyond, 0), uniform)
        return tokens.gather(-1, rank[:, None])[:, 0]


def invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """Inverts a discrete cumulative distribution: the first i with sum_{j<=i} w_j > u sum_j w_j.

    Args:
        weights: Non-negative and not all zero, (n, K).
        uniform: In [0, 1], (n,).

    Returns:
        Index drawn in every row, int64 (n,); one of weight 0 is never drawn.

    Example:
        >>> invert(torch.tensor([[0.0, 3.0, 1.0, 0.0]] * 3), torch.tensor([0.0, 0.7, 1.0]))
        tensor([1, 1, 2])
    """
    cumulative = weights.cumsum(-1)
    below = 1 - torch.finfo(weights.dtype).eps  # keeps the point under the sum, rounded too
    point = cumulative[:, -1:] * below * uniform[:, None]
    drawn = torch.searchsorted(cumulative, point, right=True)[:, 0]
    return drawn.clamp_(max=weights.shape[-1] - 1)  # beyond the end where a weight is no number


def _entropy(probabilities: Tensor, logprobs: Tensor) -> Tensor:
    return -(probabilities * logprobs).sum(-1)
