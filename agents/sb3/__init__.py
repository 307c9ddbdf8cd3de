"""Stable-Baselines3 agents on rewardsmith's environments and designs."""
