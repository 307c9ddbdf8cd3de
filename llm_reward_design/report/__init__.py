"""The report of a search: one self-contained HTML page."""

from rewardsmith.llm_reward_design.report.page import write_design_report

__all__ = ["write_design_report"]
