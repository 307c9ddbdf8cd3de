"""The card of a small task that the tests of designers and of their prompts share."""

from __future__ import annotations

from rewardsmith.envs import EnvCard, Field

CARD = EnvCard(
    id="Line-v0",
    goal="Reach the goal at the end of the line.",
    observation=(
        Field("place", "where it is", (0, 2), unit="m", low=0.0, high=9.0),
        Field("speed", "how fast it is", (2, 3), unit="m/s"),
    ),
    action=(Field("push", "force along the line", (0, 1), low=-1.0, high=1.0),),
    facts=(Field("is_near", "within a metre of the goal", low=0.0, high=1.0),),
)
