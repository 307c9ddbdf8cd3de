"""`EnvAbstraction`: a task as a few Python classes, for writers that read code well."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.llm_reward_design.designers.describe import Quantity, quantities, signature
from rewardsmith.llm_reward_design.designers.names import Names, with_previous
from rewardsmith.llm_reward_design.program import PREVIOUS

_CLASSES = {
    "observation": (
        "Observation",
        f"what the agent sees after the step; {PREVIOUS}<name>: before it",
    ),
    "fact": ("Facts", f"what the task knows of that state; {PREVIOUS}<name>: before the step"),
    "action": ("Action", "what the agent did in the step"),
}


@dataclass(frozen=True)
class EnvAbstraction:
    """Class stubs with typed, commented attributes, generated from a task's card.

    Each attribute is an argument that a reward program may ask for. Where the card's names say
    little (`observation_3`), better ones can be given: the stubs show those, and `names` turns
    a program that uses them into one that runs. From Text2Reward (arXiv 2309.11489).

    Attributes:
        card: The task.
        called: General name of each argument to rename -> the card's own name.
        widths: Columns of inputs of which the card does not tell, by the card's own names.

    Raises:
        ConfigError: If the card has no argument of a name, a general name cannot be an argument, or
            two arguments end up with one name.

    Example:
        >>> from rewardsmith.envs import Field
        >>> card = EnvCard(id="Line-v0", goal="Go right.",
        ...     observation=(Field("x", "place on the line", (0, 1), unit="m", low=0, high=1),))
        >>> print(EnvAbstraction(card, {"position": "x"}).stubs())
        class Observation:  # what the agent sees after the step; previous_<name>: before it
            position: np.ndarray  # (n,), m, 0 to 1: place on the line
    """

    card: EnvCard
    called: Mapping[str, str] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {quantity.name for quantity in quantities(self.card)}
        for general, specific in self.called.items():
            if specific not in known:
                raise unknown("input", specific, known, where=f"names.{general} on {self.card.id}")
            if not general.isidentifier() or keyword.iskeyword(general):
                raise ConfigError(f"names: {general!r} cannot be an argument of a function")
        for name, count in Counter(one.name for one in self.attributes()).items():
            if count > 1:
                raise ConfigError(f"names: {count} inputs of {self.card.id} are called {name!r}")

    @property
    def names(self) -> Names:
        """The renamed arguments, with their values before the step."""
        return with_previous(self.called)

    def attributes(self) -> list[Quantity]:
        """Returns what a program may ask for, in general names."""
        general = {specific: name for name, specific in self.called.items()}
        known = quantities(self.card, self.widths)
        return [replace(one, name=general.get(one.name, one.name)) for one in known]

    def stubs(self) -> str:
        """Returns the classes, one per kind of quantity that the task has."""
        known = self.attributes()
        groups = {group: [one for one in known if one.group == group] for group in _CLASSES}
        return "\n\n\n".join(
            _stub(*_CLASSES[group], ones) for group, ones in groups.items() if ones
        )

    def signature(self) -> str:
        """Returns the first line of a function over some of the attributes, as an example."""
        return self.names.general(signature(self.card))


def _stub(name: str, purpose: str, attributes: list[Quantity]) -> str:
    lines = [f"class {name}:  # {purpose}"]
    for one in attributes:
        said = ", ".join(filter(None, (one.shape, one.unit, one.limits)))
        lines.append(f"    {one.name}: np.ndarray  # {said}: {' '.join(one.meaning.split())}")
    return "\n".join(lines)
