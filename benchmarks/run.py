"""Runs the races and writes `docs/performance.md`.

python benchmarks/run.py                           all races, then the page
python benchmarks/run.py --only R1 R4 --rounds 5   some of them, to the screen alone
python benchmarks/run.py --quick                   tiny sizes: do both sides do equal work?
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol import Race, Result, Skipped

RACES = {
    "R1": "vector_env",
    "R3": "reward_design",
    "R4": "normaliser",
    "R5": "ppo",
    "R6": "bandits",
    "R7": "jailed_call",
    "R8": "grpo_step",
    "R9": "generation",
    "R11": "credit",
    "R12": "startup",
    "BestPerm": "cascading",
    "Jail": "jailed_training",
    "Turns": "text_env",
}
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Runs what the command line asks for."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read when numpy is imported, so before it
    from protocol import LEAST_ROUNDS
    from report import Machine, page

    options = _options(LEAST_ROUNDS)
    before = Machine.here()
    sections = [_alone(RACES[key], options.rounds, options.quick) for key in options.only]
    if options.rounds < LEAST_ROUNDS or set(options.only) != set(RACES):
        print("The page is written when all races are run, in full.")
    else:
        PAGE.write_text(page(sections, before, Machine.here(), options.rounds))
        print(f"Written: {PAGE}")


def _alone(module: str, rounds: int, quick: bool) -> str:
    """Runs a race in a process of its own: what another one left in memory slows it down."""
    with ProcessPoolExecutor(1, get_context("fork")) as process:
        return process.submit(_run, module, rounds, quick).result()


def _run(module: str, rounds: int, quick: bool) -> str:
    """Runs a race; returns its part of the page."""
    from protocol import Skipped, measure
    from report import line, section

    race: Race = import_module(module).RACE
    print(f"{race.key}: {race.title}", flush=True)
    results: list[Result | Skipped] = []
    for contest in race.contests(quick):
        if isinstance(contest, Skipped):
            results.append(contest)
            print(f"  skipped: {contest.reason}", flush=True)
        else:
            result = measure(contest, rounds)
            results.append(result)
            print(f"  {contest.name}: equal work" if quick else f"  {line(result)}", flush=True)
    return section(race, results)


def _options(rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the races; writes docs/performance.md.")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=RACES,
        default=list(RACES),
        metavar="RACE",
        help=f"of {', '.join(RACES)}",
    )
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds that count")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one round")
    options = parser.parse_args()
    options.rounds = 1 if options.quick else options.rounds
    return options


if __name__ == "__main__":
    main()
