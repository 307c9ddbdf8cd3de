"""One exception per boundary, all under `RewardsmithError`.

    RewardsmithError
    ├── ConfigError    a name, value or combination that a user wrote
    ├── EnvError       an environment that was asked for something it does not offer
    └── RewardError    a reward that came out with the wrong shape, NaN or infinite

Every message names the field, the value and the mend. The command line prints
these as one sentence; anything else is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 30


class RewardsmithError(Exception):
    """Base of every error a user can cause."""


class ConfigError(RewardsmithError, ValueError):
    """A configuration that cannot work, found before any work starts."""


class EnvError(RewardsmithError, ValueError):
    """An environment was used in a way it does not offer."""


class RewardError(RewardsmithError, ValueError):
    """A reward came out unusable: wrong shape, NaN or infinite."""


def unknown(kind: str, name: object, known: Iterable[str], *, where: str = "") -> ConfigError:
    """Builds the error for a name that is not among `known`, with the nearest ones.

    Example:
        >>> str(unknown("field", "postion", ["position", "velocity"], where="KeyDoor"))
        "unknown field 'postion' in KeyDoor; did you mean 'position'? Known: position, velocity."
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f" did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    place = f" in {where}" if where else ""
    listing = ", ".join(names[:_LISTED]) if names else "none"
    if len(names) > _LISTED:
        listing += f" and {len(names) - _LISTED} more"
    return ConfigError(f"unknown {kind} {name!r}{place};{hint} Known: {listing}.")
