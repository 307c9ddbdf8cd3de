"""The jailed end of a call: compiles the program behind the lock and answers requests."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping
from typing import Any

from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.llm_reward_design.compiled import Compiled
from rewardsmith.llm_reward_design.jail.board import REPLY, REQUEST, TEXT_BYTES, Board, Said


def serve(payload: Mapping[str, Any]) -> Callable[[], None]:
    """Entry: answers calls until the caller is gone.

    Args:
        payload: `source`, the program; `columns` and `room` of the board; `memory`, `requests`
            and `replies`, the descriptors of the shared memory and of the two pipes.
    """
    board = Board(payload["columns"], payload["room"])
    memory = mmap.mmap(payload["memory"], board.size)
    requests, replies = payload["requests"], payload["replies"]
    null = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):  # nobody reads what is printed, and a full pipe would stop the child
        os.dup2(null, output)

    def reply(said: Said, text: str = "") -> None:
        written = text.encode(errors="replace")[:TEXT_BYTES]
        memory[: len(written)] = written
        os.write(replies, REPLY.pack(said, len(written)))

    def work() -> None:
        n, names = 0, tuple[str, ...]()
        try:
            program = Compiled(payload["source"])
            reply(Said.NAMED)
            while request := os.read(requests, REQUEST.size):
                if n != (asked := REQUEST.unpack(request)[0]):
                    n = asked
                    inputs, pay = board.views(memory, n)
                paid = program(inputs, n)
                pay[: len(paid.pay)] = paid.pay
                if paid.names == names:
                    reply(Said.PAID)
                else:
                    names = paid.names
                    reply(Said.NAMED, "\n".join(names))
        except RewardsmithError as error:
            reply(Said.FAILED, str(error))

    return work
