"""The processes of one run, where `torchrun` or `accelerate launch` started several.

They stand in a row from 0. The first alone writes, speaks and evaluates; what it finds, all
learn, and they stop together. Without a launcher there is one process, and nothing here
imports torch.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from rewardsmith.envs.errors import ConfigError

T = TypeVar("T")

_LONGEST_WAIT = timedelta(days=1)
"""Others wait while the first process warms up or evaluates."""


def launched() -> int:
    """Returns how many processes the launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def check_alone(what: str) -> None:
    """Raises ConfigError if a launcher started several processes for what runs in one."""
    if launched() > 1:
        raise ConfigError(
            f"{what} runs in one process, and the launcher started {launched()}; start it without "
            "torchrun or accelerate launch, which are for training a language model"
        )


def join() -> None:
    """Joins the processes that the launcher started, if it started several.

    Where there is CUDA each process then has the device of its local rank; tensors on the CPU
    are shared all the same.
    """
    if launched() == 1 or _group() is not None:
        return
    import torch
    import torch.distributed as dist

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_LONGEST_WAIT)
    atexit.register(leave)


def leave() -> None:
    """Lets go of the other processes."""
    if (group := _group()) is not None:
        group.destroy_process_group()


def rank() -> int:
    """Returns this process's number, from 0."""
    group = _group()
    return 0 if group is None else int(group.get_rank())


def world_size() -> int:
    """Returns the number of processes that joined."""
    group = _group()
    return 1 if group is None else int(group.get_world_size())


def from_all(mine: T) -> list[T]:
    """Returns what every process gives, by rank.

    Example:
        >>> from_all("mine")
        ['mine']
    """
    group = _group()
    if group is None:
        return [mine]
    parts: list[Any] = [None] * world_size()
    group.all_gather_object(parts, mine)
    return parts


def first(work: Callable[[], T]) -> T:
    """Has the first process do something; all get its result, or its error.

    Every process has to call it. The result is copied, so it has to be data.

    Example:
        >>> first(lambda: 1 + 1)
        2
    """
    group = _group()
    if group is None:
        return work()
    told: list[Any] = [None, None]
    if rank() == 0:
        try:
            told[0] = work()
        except Exception as error:
            told[1] = error
    group.broadcast_object_list(told, src=0)
    if told[1] is not None:
        raise told[1]
    result: T = told[0]
    return result


def _group() -> Any | None:
    """Returns `torch.distributed` if this process joined others."""
    dist = sys.modules.get("torch.distributed")
    return dist if dist is not None and dist.is_available() and dist.is_initialized() else None
