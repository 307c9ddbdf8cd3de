"""`Tier`: how strongly a program is held, and what is checked before one is trusted."""

from __future__ import annotations

from enum import IntEnum


class Tier(IntEnum):
    """How a program is held, from weakest to strongest.

    Attributes:
        INLINE: Runs in the calling process. For code that a person wrote.
        PROCESS: A fresh interpreter with an empty environment, its own session, limits and
            timeouts. It keeps accidents away, not attacks: no security boundary.
        LOCKED: And the kernel lets it read the interpreter, the packages and the system's
            libraries only, write into its run folder only, and reach no network, no other
            process and no program (Landlock, a seccomp allow-list, no privileges).
        NAMESPACED: And it has user, process, network, mount and inter-process namespaces of its
            own, so that what it may not touch is not there either.
    """

    INLINE = 0
    PROCESS = 1
    LOCKED = 2
    NAMESPACED = 3

    @property
    def is_boundary(self) -> bool:
        """Whether the kernel holds the program, so that it may be untrusted."""
        return self >= Tier.LOCKED
