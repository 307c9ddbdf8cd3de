"""Regret-minimising agents, each playing many independent runs at once."""

AGENTS: dict[str, str] = {}
