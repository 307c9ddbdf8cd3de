"""What an agent acts in: Gymnasium environments, vectorised in numpy, each with a card."""

from rewardsmith.envs.batch import BatchEnv
from rewardsmith.envs.card import EnvCard, Field, fact
from rewardsmith.envs.errors import ConfigError, EnvError, RewardError, RewardsmithError
from rewardsmith.envs.registration import register_envs
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.streams import Streams

__all__ = [
    "BatchEnv",
    "ConfigError",
    "EnvCard",
    "EnvError",
    "Field",
    "RewardError",
    "RewardsmithError",
    "SingleEnv",
    "Streams",
    "fact",
    "register_envs",
]

register_envs()
