"""The jail: untrusted reward programs run in a process that the kernel holds.

The process that starts and watches a jailed one imports this package too, so what callers use
is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from rewardsmith.llm_reward_design.jail.limits import Ended, Limits
from rewardsmith.llm_reward_design.jail.lockdown import inside
from rewardsmith.llm_reward_design.jail.tier import Tier

if TYPE_CHECKING:
    from rewardsmith.llm_reward_design.jail.launch import Child
    from rewardsmith.llm_reward_design.jail.running import run
    from rewardsmith.llm_reward_design.jail.selftest import granted

__all__ = ["Child", "Ended", "Limits", "Tier", "granted", "inside", "run"]

_LATER = {"Child": "launch", "granted": "selftest", "run": "running"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
