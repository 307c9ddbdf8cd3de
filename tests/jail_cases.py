"""What the tests of the jail share: small programs and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardsmith.llm_reward_design.jail import Ended, Limits, Tier, run
from rewardsmith.llm_reward_design.jail.selftest import lacking, missing

REWARD = "rewardsmith.llm_reward_design.jail.source:reward"
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_bytes=1 << 30)
TIERS = [tier for tier in Tier if not missing(tier)]
held = pytest.mark.skipif(lacking() != "", reason=lacking())
namespaced = pytest.mark.skipif(missing(Tier.NAMESPACED) != "", reason=missing(Tier.NAMESPACED))
in_every_tier = pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name.lower())


def program(body: str) -> str:
    """Returns the program of which `body` is the function's."""
    return "def compute_reward(x):\n" + "".join(f"    {line}\n" for line in body.splitlines())


def ended(body: str, folder: Path, tier: Tier = Tier.PROCESS, limits: Limits = LIMITS) -> Ended:
    """Returns how a program ends that is called once on four ones."""
    return run(REWARD, program(body), folder=folder, limits=limits, tier=tier)
