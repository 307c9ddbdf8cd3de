"""Several processes that train one policy, started by `torchrun` or `accelerate launch`.

Every process draws the same prompts and plays its share of the groups; then all groups are
handed to all, so that pay, credit and the samplers' memory see the whole batch everywhere and
stay equal. Each process differentiates the loss of its share of the conversations, weighted as
in the whole batch, and the gradients are added up: the step is that of one process.

    join()  # before the trainer is made, which then is used as ever

On the CPU start them with `torchrun --nproc-per-node`; `accelerate launch --cpu` starts one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from rewardsmith.envs.errors import ConfigError

T = TypeVar("T")


def join() -> None:
    """Joins the processes that the launcher started, if it started several.

    On CUDA each process then runs on the device of its local rank.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def rank() -> int:
    """Returns this process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Returns the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


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
    if world_size() == 1:
        return list(mine)
    parts: list[Any] = [None] * world_size()
    dist.all_gather_object(parts, mine)
    total = sum(map(len, parts))
    return [parts[i % len(parts)][i // len(parts)] for i in range(total)]


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
