"""The decision process behind a session of recommendations, solved exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass(frozen=True)
class SessionModel:
    """A session as a decision process over user types g and steps h = 0..H-1.

    Item a is clicked with probability c_a and, independently, keeps the user with
    probability rho_a; a user who is not kept leaves with probability `leave`:

        Q_h(g, a) = c_a + w_g rho_a + (1 - leave (1 - rho_a)) V_{h+1}(g),  V_H = 0

    Attributes:
        click: c, (N,).
        retention: rho, (N,).
        weight: w, what a kept user is worth in clicks, by type, (G,).
        leave: In [0, 1].
        horizon: H.

    Example:
        >>> model = SessionModel(np.array([0.6, 0.4]), np.array([0.1, 0.5]),
        ...                      weight=np.array([0.0, 1.0]), leave=0.0, horizon=1)
        >>> model.optimal()[0].round(2)
        array([[[0.6, 0.4],
                [0.7, 0.9]]])
    """

    click: FloatArray
    retention: FloatArray
    weight: FloatArray
    leave: float
    horizon: int

    @property
    def stay(self) -> FloatArray:
        """The probability that the session goes on after item a, (N,)."""
        return 1.0 - self.leave * (1.0 - self.retention)

    def optimal(self) -> tuple[FloatArray, FloatArray]:
        """Returns Q* (H, G, N) and V* (H + 1, G)."""
        action_value = np.empty((self.horizon, self.weight.size, self.click.size))
        value = np.zeros((self.horizon + 1, self.weight.size))
        for step in reversed(range(self.horizon)):
            action_value[step] = self._action_value(value[step + 1])
            value[step] = action_value[step].max(axis=1)
        return action_value, value

    def policy_value(self, items: IntArray) -> FloatArray:
        """Returns V of showing `items` (H, G) in step h to type g, (H + 1, G)."""
        value = np.zeros((self.horizon + 1, self.weight.size))
        for step in reversed(range(self.horizon)):
            worth = self._action_value(value[step + 1])
            value[step] = np.take_along_axis(worth, items[step][:, None], axis=1)[:, 0]
        return value

    def _action_value(self, following: FloatArray) -> FloatArray:
        """Returns Q (G, N) from the value of the next step (G,)."""
        now = self.click + self.weight[:, None] * self.retention
        return np.asarray(now + self.stay * following[:, None])
