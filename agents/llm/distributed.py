"""One policy trained in several processes, see `rewardsmith.agents.processes`.

Every process draws the same prompts and plays its share of the groups; then all groups are
handed to all, so that pay, credit and the samplers' memory see the whole batch everywhere and
stay equal. Each process differentiates the loss of its share of the conversations, weighted as
in the whole batch, and the gradients are added up: the step is that of one process.

    torchrun --nproc-per-node 2 -m rewardsmith.agents.cli train env=calculator agent=grpo

On CUDA `accelerate launch` does as well; `accelerate launch --cpu` starts one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from rewardsmith.agents.processes import from_all, rank, world_size
from rewardsmith.envs.errors import ConfigError

__all__ = [
    "add_up",
    "from_all",
    "gather",
    "make_equal",
    "own_part",
    "own_rows",
    "own_seed",
    "share",
]

T = TypeVar("T")


def own_seed(seed: int) -> int:
    """Returns a seed of this process's own; `seed` itself where it is alone.

    Example:
        >>> own_seed(7)
        7
    """
    if world_size() == 1:
        return seed
    return int(np.random.SeedSequence([seed, rank()]).generate_state(1)[0])


def share(items: Sequence[T]) -> Sequence[T]:
    """Returns this process's part of a sequence that is equal in all processes."""
    return items[rank() :: world_size()]


def gather(mine: Sequence[T]) -> list[T]:
    """Returns what all processes made of their `share`s, in the order of the whole.

    Example:
        >>> gather(share(["a", "b", "c"]))
        ['a', 'b', 'c']
    """
    parts = from_all(list(mine))
    total = sum(map(len, parts))
    return [parts[i % len(parts)][i // len(parts)] for i in range(total)]


def own_part(parts: Sequence[T]) -> T:
    """Returns what this process gave to `from_all`, when a checkpoint was made.

    Raises:
        ConfigError: If there were more or fewer processes then.
    """
    if len(parts) != world_size():
        raise ConfigError(
            f"the checkpoint was written by {len(parts)} processes, and there are {world_size()} "
            "now; start as many, or train in another folder"
        )
    return parts[rank()]


def own_rows(count: int) -> Tensor:
    """Returns which of `count` conversations this process differentiates, int64.

    Raises:
        ConfigError: If there are fewer than processes.
    """
    if count < world_size():
        raise ConfigError(
            f"{world_size()} processes share a minibatch of {count} conversations; play more "
            "(prompts_per_batch, group_size), or lower minibatches"
        )
    return torch.arange(rank(), count, world_size())


def add_up(parameters: Iterable[Tensor], told: dict[str, float]) -> dict[str, float]:
    """Adds up the gradients of all processes in place, and returns the sums of what they tell.

    Args:
        parameters: The trained weights, in the same order everywhere; a missing gradient is 0.
        told: Sums by name, the same names everywhere.
    """
    if world_size() == 1:
        return told
    device = torch.device("cpu")
    for parameter in parameters:
        device = parameter.device
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
    sums = torch.tensor(list(told.values()), dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return dict(zip(told, sums.tolist(), strict=True))


def make_equal(parameters: Iterable[Tensor]) -> None:
    """Gives all processes the weights of the first, in place."""
    if world_size() == 1:
        return
    for parameter in parameters:
        dist.broadcast(parameter.data, src=0)
