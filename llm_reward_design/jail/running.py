"""`run`: one piece of work in a jail, from start to answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rewardsmith.llm_reward_design.jail.child import prepare, work
from rewardsmith.llm_reward_design.jail.launch import Child
from rewardsmith.llm_reward_design.jail.limits import Ended, How, Limits
from rewardsmith.llm_reward_design.jail.selftest import granted
from rewardsmith.llm_reward_design.jail.tier import Tier

DEFAULT = Limits()


def run(
    entry: str,
    payload: Any,
    *,
    folder: Path,
    limits: Limits = DEFAULT,
    tier: Tier | None = None,
) -> Ended:
    """Runs untrusted work in a jail and returns how it ended; no failure of it raises here.

    A fresh interpreter imports the module of `entry` and calls `function(payload)`, which is
    trusted: it imports and builds what will be needed and returns a function without arguments.
    Then the process is locked, that function runs, and what it returns comes back as JSON.

    Args:
        entry: "module:function" of trusted code.
        payload: JSON data for it.
        folder: Where the work may write files (no folders, no links); made if it is not there.
            As root it is given to the user the work runs as.
        limits: What the work may use.
        tier: How it is held; the strongest this machine offers by default.

    Raises:
        ConfigError: If this machine does not offer the tier, or a limit is not above 0.
        TypeError: If the payload is no JSON data.
    """
    tier = granted(tier)
    if tier == Tier.INLINE:
        return _inline(entry, payload)
    with Child(entry, payload, folder=folder, limits=limits, tier=tier) as child:
        return child.wait()


def _inline(entry: str, payload: Any) -> Ended:
    """Runs the work in this process: no limits, and what it prints is printed."""
    started = time.monotonic()
    answer = work(prepare(entry, payload))
    how: How = "finished" if "value" in answer else "error"
    if answer.get("out_of_memory"):
        how = "out_of_memory"
    took_s = time.monotonic() - started
    return Ended(how, answer.get("value"), answer.get("error", ""), "", took_s, Tier.INLINE)
