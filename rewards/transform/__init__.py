"""Transforms: a reward stream becomes another reward stream."""

__all__: list[str] = []
