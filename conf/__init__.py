"""Hydra configuration groups: env, reward, agent, tracker, experiment."""
