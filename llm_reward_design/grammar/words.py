"""Names and sentences as sets of words: what a card's own English says of its fields."""

from __future__ import annotations

import re


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


HARM = _listed(
    """
    avoid broke collid collision cost crash damag danger dead death died duplicat error fail fall
    fell harm hazard illegal injur invalid loss lost mistake penalty regret risk unsafe violat
    wast wrong
    """
)
"""Beginnings of words for what is better avoided."""

GOOD = _listed(
    """
    alive best click correct earn engage forward gain healthy hit match mrr ndcg paid pay recall
    relevan retain retention reward right score upright utility valid
    """
)
"""Beginnings of words for what there should be more of."""

MOVER = frozenset(
    _listed(
        """
        achieved agent arm body car center effector end fingertip finger gripper hand head me
        mover paw player point robot self tcp tip torso vehicle walker
        """
    )
)
"""Words for what the agent moves directly."""

AIM = frozenset(_listed("desired destination exit finish flag goal target"))
"""Words for where something should get."""

PLACE = frozenset(
    _listed(
        """
        achieved agent column coordinate coordinates desired goal location place pos pose position
        row target where x y z
        """
    )
)
"""Words for quantities that say where something is."""

NO_PLACE = _listed(
    """
    acceleration angle angular code cosine feature force hot orientation quaternion rotation sine
    speed torque veloc
    """
)
"""Beginnings of words for quantities that do not."""

COVERED = _listed("climb cover flown run swum travel walk")
"""Beginnings of words for distances that should grow."""

SPEED = _listed("speed veloc")
"""Beginnings of words for velocities."""

MANIPULATION = _listed("bring carry drag insert lift pick press pull push put slide stack throw")
"""Verbs of tasks in which one thing has to be brought to another."""

STAYING = _listed("balanc hold keep maintain remain stay")
"""Beginnings of words for tasks that do not end with the first success."""

_EMPTY = frozenset(
    _listed(
        """
        a after all an and any are as at be been before by can dist distance for from had has have
        in is it its last now of off on once one onto or own pos position previous since step that
        the their them then there this to until was were while with x y z
        """
    )
)
_WITHOUT = re.compile(r"\b(?:without|avoid(?:ing)?|never|not|nor)\b([^,.;]*)")


def words(text: str) -> tuple[str, ...]:
    """Returns the words of a name or a sentence, in lower case and singular.

    Example:
        >>> words("Fetch the keys, open door_2")
        ('fetch', 'the', 'key', 'open', 'door', '2')
    """
    found = re.findall(r"[a-z]+|\d+", text.lower())
    return tuple(w[:-1] if len(w) > 3 and w.endswith("s") and w[-2] != "s" else w for w in found)


def content(text: str) -> frozenset[str]:
    """Returns the words that name things, without those that any text has.

    Example:
        >>> sorted(content("fingertip_to_object")), sorted(content("has_key"))
        (['fingertip', 'object'], ['key'])
    """
    return frozenset(word for word in words(text) if word not in _EMPTY and not word.isdigit())


def begins(text: str, beginnings: tuple[str, ...]) -> bool:
    """Tells whether a word of the text begins in one of the given ways."""
    return any(word.startswith(beginnings) for word in words(text))


def warned(text: str) -> frozenset[str]:
    """Returns the words that a text warns of: those after "without", "avoid", "never", "not".

    Example:
        >>> sorted(warned("Reach the goal, without stepping into lava."))
        ['into', 'lava', 'stepping']
    """
    return frozenset().union(*(content(clause) for clause in _WITHOUT.findall(text.lower())))


def place_in(text: str, name: str) -> float:
    """Returns where a text first speaks of a name, in words; infinity if it does not.

    Example:
        >>> place_in("Fetch the key, then open the door.", "door")
        6.0
    """
    told, sought = words(text), content(name) or frozenset(words(name))
    return float(min((i for i, word in enumerate(told) if word in sought), default=float("inf")))
