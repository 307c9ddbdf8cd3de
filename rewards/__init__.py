"""What an agent is paid: terms, combiners and transforms that make a reward design.

Stable-Baselines3 and torch are imported only by `SB3RewardWrapper`.
"""

import inspect
from typing import TYPE_CHECKING, Any

from rewardsmith.rewards.combine import *  # noqa: F403
from rewardsmith.rewards.combine import __all__ as _combine
from rewardsmith.rewards.component import (
    Combiner,
    Component,
    Function,
    Quantity,
    Term,
    Transform,
)
from rewardsmith.rewards.config import (
    build,
    build_design,
    load_design,
    save_design,
    to_config,
)
from rewardsmith.rewards.design import Payment, RewardDesign
from rewardsmith.rewards.episode import Episode, Group, Step
from rewardsmith.rewards.model import *  # noqa: F403
from rewardsmith.rewards.model import __all__ as _model
from rewardsmith.rewards.shaping import *  # noqa: F403
from rewardsmith.rewards.shaping import __all__ as _shaping
from rewardsmith.rewards.stream import RewardStream
from rewardsmith.rewards.transform import *  # noqa: F403
from rewardsmith.rewards.transform import __all__ as _transform
from rewardsmith.rewards.transition import State, Transition
from rewardsmith.rewards.wrappers import RewardWrapper, VectorRewardWrapper

if TYPE_CHECKING:
    from rewardsmith.rewards.sb3_wrapper import SB3RewardWrapper

__all__ = [
    "Combiner",
    "Component",
    "Episode",
    "Function",
    "Group",
    "Payment",
    "Quantity",
    "RewardDesign",
    "RewardStream",
    "RewardWrapper",
    "SB3RewardWrapper",
    "State",
    "Step",
    "Term",
    "Transform",
    "Transition",
    "VectorRewardWrapper",
    "build",
    "build_design",
    "load_design",
    "save_design",
    "to_config",
    "components",
    *_combine,
    *_model,
    *_shaping,
    *_transform,
]


def components() -> list[str]:
    """Returns the names of the parts a design is made of."""
    found = [(name, globals()[name]) for name in (*_combine, *_shaping, *_transform)]
    return sorted(
        name for name, part in found if isinstance(part, type) and not inspect.isabstract(part)
    )


def __getattr__(name: str) -> Any:
    if name == "SB3RewardWrapper":
        from rewardsmith.rewards.sb3_wrapper import SB3RewardWrapper

        return SB3RewardWrapper
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
