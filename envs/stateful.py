"""Saving and restoring the arrays that make up a component's state."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


class Stateful:
    """Gives `state_dict` and `load_state_dict` over the attributes named in `state_names`.

    A value that is itself `Stateful` is saved through its own `state_dict`; everything
    else is deep-copied, so a saved state never changes afterwards.
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of everything that changes while running."""
        return {name: _save(getattr(self, name)) for name in self.state_names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state_dict` returned; the object then continues exactly as saved."""
        for name in self.state_names:
            current = getattr(self, name)
            if isinstance(current, Stateful):
                current.load_state_dict(state[name])
            else:
                setattr(self, name, copy.deepcopy(state[name]))


def _save(value: Any) -> Any:
    return value.state_dict() if isinstance(value, Stateful) else copy.deepcopy(value)
