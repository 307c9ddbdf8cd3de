"""Environments that others wrote: a card and a success predicate each, no copy."""
