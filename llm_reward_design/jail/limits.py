"""`Limits`: what a jailed program may use; `Ended`: how it came to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rewardsmith.llm_reward_design.jail.tier import Tier

How = Literal["finished", "error", "out_of_time", "out_of_memory", "killed", "flooded"]


@dataclass(frozen=True)
class Limits:
    """What a jailed program may use.

    Attributes:
        wall_s: Longest duration from start to end, in seconds; infinite for none.
        cpu_s: Most processor time, in seconds.
        memory_bytes: Largest address space.
        processes: Most processes and threads at a time.
        file_bytes: Largest file, and the most that the run folder may hold altogether.
        output_bytes: How much of the end of what is printed is kept.
    """

    wall_s: float = 600.0
    cpu_s: float = 600.0
    memory_bytes: int = 4 << 30
    processes: int = 64
    file_bytes: int = 256 << 20
    output_bytes: int = 64 << 10


@dataclass(frozen=True)
class Ended:
    """How a jailed program came to its end.

    Attributes:
        how: "finished" if it answered; "error" if it failed or its answer is unusable;
            "out_of_time" for wall or processor time; "out_of_memory"; "killed" by a signal, or
            for too many processes; "flooded" if it printed or wrote without end.
        value: The answer, plain JSON data; None unless finished. It is untrusted: check its form.
        error: What went wrong, in the lines of the program; "" if finished.
        output: The end of what was printed, standard output and error together.
        wall_s: How long it took, in seconds.
        tier: How it was held.
    """

    how: How
    value: Any
    error: str
    output: str
    wall_s: float
    tier: Tier
