"""`Names`: a vocabulary for people and language models, and the names a task really uses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.program import PREVIOUS


@dataclass(frozen=True)
class Names:
    """Replaces general names by specific ones, and back.

    Whole names are replaced, the longest first and all in one pass over the text, so neither a
    prefix of a name nor the result of a replacement is ever taken for another name. Going there
    and back gives the text again unless it held a specific name to begin with. From the
    general-to-specific step of Text2Reward (arXiv 2309.11489).

    Attributes:
        pairs: Specific name of each general one; no two the same.

    Raises:
        ConfigError: If two general names share a specific one, or a name is empty.

    Example:
        >>> names = Names({"cube": "obj", "cube.pose": "obj.pose.p"})
        >>> names.specific("reach(cube.pose) + grasp(cube)")
        'reach(obj.pose.p) + grasp(obj)'
        >>> names.general("reach(obj.pose.p) + grasp(obj)")
        'reach(cube.pose) + grasp(cube)'
    """

    pairs: Mapping[str, str]

    def __post_init__(self) -> None:
        if "" in self.pairs or "" in self.pairs.values():
            raise ConfigError("names: a name is empty")
        for specific, count in Counter(self.pairs.values()).items():
            if count > 1:
                shared = [name for name, value in self.pairs.items() if value == specific]
                raise ConfigError(
                    f"names: {' and '.join(map(repr, shared))} both stand for {specific!r}; "
                    "give each its own, or there is no way back"
                )

    def specific(self, text: str) -> str:
        """Returns a text in specific names."""
        return _replaced(text, self.pairs)

    def general(self, text: str) -> str:
        """Returns a text in general names."""
        return _replaced(text, {specific: name for name, specific in self.pairs.items()})


def with_previous(pairs: Mapping[str, str]) -> Names:
    """Returns names for arguments of reward programs and for their values before the step.

    Example:
        >>> with_previous({"angle": "observation_0"}).specific("angle - previous_angle")
        'observation_0 - previous_observation_0'
    """
    before = {f"{PREVIOUS}{general}": f"{PREVIOUS}{name}" for general, name in pairs.items()}
    return Names({**pairs, **before})


def _replaced(text: str, pairs: Mapping[str, str]) -> str:
    if not pairs:
        return text
    longest_first = sorted(pairs, key=len, reverse=True)
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)"
    return re.sub(pattern, lambda found: pairs[found[0]], text)
