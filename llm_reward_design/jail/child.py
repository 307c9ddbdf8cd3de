"""What runs in the jailed process: prepare, lock, work, answer, end."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rewardsmith.llm_reward_design.jail.answer import BadAnswer, encode
from rewardsmith.llm_reward_design.jail.failure import describe
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.jail.lockdown import lock
from rewardsmith.llm_reward_design.jail.tier import Tier

Task = Callable[[], Any]


def prepare(entry: str, payload: Any) -> Task:
    """Returns the work that `entry`, a "module:function", makes of `payload`."""
    module, _, function = entry.partition(":")
    task: Task = getattr(importlib.import_module(module), function)(payload)
    return task


def serve(order: Mapping[str, Any]) -> None:
    """Carries out an order and writes the answer; the process must end right after.

    What the program left behind (threads, exit handlers, objects with finalisers) is thereby
    never run.
    """
    try:
        task = prepare(order["entry"], order["payload"])
        lock(Path(order["folder"]), Limits(**order["limits"]), Tier(order["tier"]))
    except BaseException:
        answer = {"error": f"before the lock: {traceback.format_exc()}"}
    else:
        answer = work(task)
    _send(order["answer"], answer)


def work(task: Task) -> dict[str, Any]:
    """Returns the answer to send: `value`, or `error` and whether memory ran out."""
    try:
        value = task()
        encode(value)
        return {"value": value}
    except MemoryError as error:
        return {"error": describe(error), "out_of_memory": True}
    except BadAnswer as error:
        return {"error": str(error)}
    except BaseException as error:
        return {"error": describe(error)}


def _send(descriptor: int, answer: Mapping[str, Any]) -> None:
    data = encode(answer)
    while data:
        data = data[os.write(descriptor, data) :]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
