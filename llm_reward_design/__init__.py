"""Who writes rewards: programs, the jail they run in, clients, designers and the search.

What is exported is imported when it is first asked for: jailed processes import this package too.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardsmith.llm_reward_design.loop import Search
    from rewardsmith.llm_reward_design.program import RewardProgram, inputs
    from rewardsmith.llm_reward_design.saving import load_program, save_program
    from rewardsmith.llm_reward_design.term import ProgramReward
    from rewardsmith.llm_reward_design.unit_tests import run_tests

__all__ = [
    "ProgramReward",
    "RewardProgram",
    "Search",
    "inputs",
    "load_program",
    "run_tests",
    "save_program",
]

_HOME = {
    "ProgramReward": "term",
    "RewardProgram": "program",
    "Search": "loop",
    "inputs": "program",
    "load_program": "saving",
    "run_tests": "unit_tests",
    "save_program": "saving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
