"""What the two ends of a jailed call share: an area for text, the inputs, and the pay."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.compiled import MOST_PARTS

REQUEST = struct.Struct("<q")
"""What wakes the child: how many environments the inputs are of."""

REPLY = struct.Struct("<ii")
"""What wakes the caller: a `Said`, and the bytes of text that go with it."""

TEXT_BYTES = 8192
"""Room for text; what is longer is cut."""

_LEAST_ROWS = 1024


class Said(IntEnum):
    """What a reply tells.

    `PAID` and `NAMED` say that the pay lies on the board, `NAMED` also that the text holds the
    names of the parts, one to a line. With `FAILED` the text says why there is no pay.
    """

    PAID = 0
    NAMED = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Board:
    """The layout of a memory that two processes see: text, inputs, pay.

    Inputs and pay lie packed one behind the other, the columns of an input each in one piece:
    numpy then goes over them in the order it takes without a jail, and rounds alike.

    Attributes:
        columns: How many columns each input has, by name; 0 for one of shape (n,).
        room: Environments there is room for.

    Example:
        >>> board = Board.of({"goal": np.zeros((5, 2)), "speed": np.zeros(5)}, 5)
        >>> board
        Board(columns={'goal': 2, 'speed': 0}, room=1024)
        >>> inputs, pay = board.views(bytearray(board.size), 5)
        >>> inputs["goal"].shape, inputs["speed"].shape, pay.shape
        ((5, 2), (5,), (33, 5))
    """

    columns: Mapping[str, int]
    room: int

    @classmethod
    def of(cls, values: Mapping[str, FloatArray], n: int) -> Board:
        """Returns a board with room for such inputs of n environments and some more."""
        columns = {name: 0 if v.ndim == 1 else v.shape[1] for name, v in values.items()}
        return cls(columns, max(_LEAST_ROWS, 1 << (n - 1).bit_length()))

    @property
    def size(self) -> int:
        """Bytes of memory it takes."""
        rows = sum(max(1, k) for k in self.columns.values()) + 1 + MOST_PARTS
        return TEXT_BYTES + rows * self.room * np.dtype(np.float64).itemsize

    def views(self, memory: Any, n: int) -> tuple[dict[str, FloatArray], FloatArray]:
        """Returns the inputs by name, (n,) or (n, k), and the pay (1 + MOST_PARTS, n)."""
        table, start = np.frombuffer(memory, np.float64, offset=TEXT_BYTES), 0
        inputs = {}
        for name, k in self.columns.items():
            stop = start + max(1, k) * n
            inputs[name] = table[start:stop].reshape(k, n).T if k else table[start:stop]
            start = stop
        return inputs, table[start : start + (1 + MOST_PARTS) * n].reshape(1 + MOST_PARTS, n)
