"""BestPerm: the best list of many items against a sort, and against trying every list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.envs.bandits.best_permutation import best_permutation, every_list, list_value
from rewardsmith.envs.stateful import FloatArray

FALLBACK = 0.1


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    rng = np.random.default_rng(0)
    many = 2_000 if quick else 100_000
    for length in (3, 10):
        u, w = rng.random(many), rng.random(many)
        yield Contest(
            f"{length} of {many:,} items, against argsort and a linear pass",
            _nothing(lambda u=u, w=w, m=length: best_permutation(u, w, FALLBACK, m)),
            _nothing(lambda u=u, w=w: (np.argsort(-w), u @ w)),
            Target("cost", 2.0),
        )
    u, w = rng.random(many), rng.random(many)
    w[rng.permutation(many)[5:]] *= FALLBACK
    yield Contest(
        f"10 of {many:,} items, 5 of which help, against argsort and a linear pass",
        _nothing(lambda: best_permutation(u, w, FALLBACK, 10)),
        _nothing(lambda: (np.argsort(-w), u @ w)),
        Target("cost", 2.0),
    )
    items = 6 if quick else 10
    lists, chance, worth = every_list(items, 3), rng.random((64, items)), rng.random((64, items))
    yield Contest(
        f"3 of {items} items, 64 states, against trying all {len(lists)} lists",
        Side(lambda: {"value": best_permutation(chance, worth, np.full(64, FALLBACK), 3)[1]}),
        Side(lambda: {"value": _tried(lists, chance, worth)}),
        Target("faster", 2.0 if quick else 10.0),
        rtol=1e-12,
    )


def _tried(lists: np.ndarray, chance: FloatArray, worth: FloatArray) -> FloatArray:
    """Returns the best value of every state (64,) by trying every list."""
    values = list_value(lists, chance[:, None], worth[:, None], np.full((64, 1), FALLBACK))
    return np.asarray(values.max(axis=1))


def _nothing(work: Callable[[], object]) -> Side:
    """Returns a side whose results are not compared: the two do different work."""

    def run() -> Outcome:
        work()
        return {}

    return Side(run)


RACE = Race(
    "BestPerm",
    "The best list of items",
    """\
CPU time of `best_permutation`, which finds the best list of at most m of N items, against the
sort that any such search needs to begin with (`numpy.argsort` of the values and one linear
pass), where the target is a cost below twice the sort's; and against trying every list, with
equal values. Attractions and values are uniform, so most items can be discarded before the
sort. Where the attraction falls as the value rises none can, and m passes over all items follow
the sort.""",
    contests,
)
