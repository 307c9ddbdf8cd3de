"""What keeps a design honest: success must pay more than anything done instead of it."""

from __future__ import annotations

import dataclasses

from rewardsmith.llm_reward_design.grammar.fields import rounded
from rewardsmith.llm_reward_design.grammar.parts import Design, Part
from rewardsmith.llm_reward_design.grammar.reading import SUCCESS, Reading

LINGERING = 0.5
"""Most that lasting pay may come to over an episode, as a share of the pay for success."""


def balanced(design: Design, reading: Reading) -> Design:
    """Returns the design without twins, its lasting pay scaled down where lingering would pay.

    Where success ends the episode, an agent paid at every step for a state may rather stay in
    it than finish. So over an episode of the card's time limit all such parts together may
    pay at most `LINGERING` times what success pays, and charges may cost at most as much as
    success pays, so that an early end by other means is no way out.
    """
    kept = tuple({part.key: part for part in design if part.weight}.values())
    bonus = sum(part.weight for part in kept if part.fields == (SUCCESS,) and part.weight > 0)
    if not (reading.ends and bonus):
        return kept
    for is_charge, share in ((False, LINGERING), (True, 1.0)):
        lasting = [part for part in kept if _lasts(part) and part.is_charge == is_charge]
        most = reading.horizon * sum(abs(part.weight) for part in lasting)
        if most > share * bonus:
            factor = share * bonus / most
            kept = tuple(_scaled(part, factor) if part in lasting else part for part in kept)
    return kept


def _lasts(part: Part) -> bool:
    return (
        part.lasts and part.fields != (SUCCESS,) and not (part.kind == "hold" and part.weight < 0)
    )


def _scaled(part: Part, factor: float) -> Part:
    return dataclasses.replace(part, weight=rounded(part.weight * factor))
