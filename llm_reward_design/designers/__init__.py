"""Designers: searches that ask a writer for reward programs, judge them and ask again."""

from rewardsmith.llm_reward_design.designers.abstraction import EnvAbstraction
from rewardsmith.llm_reward_design.designers.describe import widths
from rewardsmith.llm_reward_design.designers.designer import Designer, build_designer
from rewardsmith.llm_reward_design.designers.eureka import Eureka
from rewardsmith.llm_reward_design.designers.library import Example, Library
from rewardsmith.llm_reward_design.designers.names import Names
from rewardsmith.llm_reward_design.designers.text2reward import Text2Reward

__all__ = [
    "Designer",
    "EnvAbstraction",
    "Eureka",
    "Example",
    "Library",
    "Names",
    "Text2Reward",
    "build_designer",
    "widths",
]
