"""Program search without a language model: a typed grammar over the fields of a task's card."""

from rewardsmith.llm_reward_design.grammar.writer import OfflineWriter

__all__ = ["OfflineWriter"]
