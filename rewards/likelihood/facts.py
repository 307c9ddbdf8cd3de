"""Facts of a step that a language model's trainer adds for the designs that read them."""

from __future__ import annotations

from rewardsmith.rewards.design import RewardDesign

HIDDEN, ATTENTION = "hidden", "attention"
"""The last layer's states and attention where the policy wrote, float32 (L, d) and (H, L, N)."""


def policy_facts(design: RewardDesign) -> set[str]:
    """Returns which of them a design's terms read, nested designs included.

    A term names them in its attribute `policy_facts`.

    Example:
        >>> from rewardsmith.rewards.component import Term
        >>> class Norm(Term):
        ...     policy_facts = (HIDDEN,)
        ...
        ...     def __call__(self, transition):
        ...         return (transition.info[HIDDEN] ** 2).sum(axis=2).mean(axis=1)
        >>> policy_facts(RewardDesign({"norm": Norm()}))
        {'hidden'}
    """
    found: set[str] = set()
    for term in design.terms.values():
        found |= policy_facts(term) if isinstance(term, RewardDesign) else set()
        found |= set(getattr(term, "policy_facts", ()))
    return found
