"""`Rerank-v0`: put the candidates of a query into a better order than the first stage did."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.best_permutation import check_length
from rewardsmith.envs.bandits.cascade import without_repeats
from rewardsmith.envs.bandits.cascade_batch import action_field
from rewardsmith.envs.bandits.ranking_metrics import ndcg, pair_easiness, recall, reciprocal_rank
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.drawing import BLUE, GREEN, GREY, GRID, PAPER, Canvas
from rewardsmith.envs.draws import normals
from rewardsmith.envs.errors import EnvError, unknown
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

METRICS = ("mean_recall", "recall_1", "recall_3", "recall_5", "mrr", "ndcg")
GRADE_FROM = np.array([0.5, 1.2, 1.9])
"""Merit from which a candidate has the grades 1, 2 and 3."""
GAIN = np.array([0.0, 1.0, 3.0, 7.0])
"""Gain 2^grade - 1 of every grade."""
FIRST_STAGE_NOISE, OVERLAP_NOISE = 1.5, 0.6
"""Standard deviation of what a score and an overlap tell of the merit."""


class Rerank(BatchEnv):
    """Every round a query comes with N candidates, of which a list of m is to be made.

    Candidate i has a hidden merit z_i ~ N(0, 1) and the grade 0 to 3, the number of 0.5, 1.2
    and 1.9 that z_i reaches; the best candidate has at least grade 1 and the worst grade 0.
    What is seen are noisy copies of the merit, brought to (0, 1) by 1 / (1 + exp(-x)): the
    first stage's score, of noise N(0, 1.5^2), and overlaps with the query, of noise N(0, 0.6^2)
    each. Candidates come in the order of the first stage's score, so that [0, 1, ..., m-1] is
    the first stage's own ranking, to be bettered.

    r is the chosen metric of the list, in [0, 1], with every grade above 0 relevant:
    "recall_k" = share of the relevant candidates in the first k places; "mean_recall" = mean
    of recall at 1, 3 and 5; "mrr" = 1 / place of the first relevant one; "ndcg" with gain
    2^grade - 1. A list that names a candidate twice is not valid: r = 0 and all metrics are 0.

    Observation, float32 of shape (N (1 + o),): score and overlaps of the coming query,
    candidate after candidate. Action, (m,): candidates. The facts speak of the list just made.

    Args:
        num_envs: Number of rows n.
        candidates: N, at least 2.
        list_length: m, 1 to N.
        overlaps: Number of overlap features o, at least 1.
        metric: "mean_recall", "recall_1", "recall_3", "recall_5", "mrr" or "ndcg".
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If a number is out of range.
        ConfigError: If there is no such metric.

    Example:
        >>> env = Rerank(3, candidates=3, metric="mrr")
        >>> _ = env.reset(seed=0)
        >>> env.grade[:] = [0, 0, 1]
        >>> _, reward, _, _, info = env.step(np.array([[2, 0, 1], [0, 2, 1], [2, 2, 1]]))
        >>> reward, info["recall_1"], info["valid"]
        (array([1. , 0.5, 0. ]), array([1., 0., 0.]), array([ True,  True, False]))

    The task of MM-R5, arXiv 2506.12364, without the documents' images; easiness from
    MacAvaney et al. 2020, arXiv 2004.14269. Candidates and grades are this library's.
    """

    state_names = ("feature", "grade", "listed", "told", "valid", "success")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        candidates: int = 5,
        list_length: int = 3,
        overlaps: int = 2,
        metric: str = "mean_recall",
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if candidates < 2:
            raise EnvError(f"candidates must be at least 2, got {candidates}")
        check_length(candidates, list_length)
        if overlaps < 1:
            raise EnvError(f"overlaps must be at least 1, got {overlaps}")
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS, where="Rerank")
        self.candidates, self.list_length, self.metric = candidates, list_length, metric
        self.card = _card(candidates, list_length, overlaps, metric, time_limit)
        width = candidates * (1 + overlaps)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (width,), np.float32)
        self.single_action_space = gym.spaces.MultiDiscrete([candidates] * list_length)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.feature = np.zeros((num_envs, candidates, 1 + overlaps), dtype=np.float32)
        self.grade = np.zeros((num_envs, candidates), dtype=np.int64)
        self.told = {name: np.zeros(num_envs) for name in (*METRICS, "easiness")}
        self.valid = np.zeros(num_envs, dtype=np.bool_)
        self.success = np.zeros(num_envs, dtype=np.bool_)
        self.listed = np.zeros((num_envs, list_length), dtype=np.int64)

    def _spawn(self, rows: IntArray) -> None:
        self._ask(rows)
        self.valid[rows] = self.success[rows] = False
        for value in self.told.values():
            value[rows] = 0.0
        self.listed[rows] = 0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        lists = action.astype(np.int64)
        new = without_repeats(lists, self.candidates) < self.candidates
        self.valid = np.asarray(new.all(axis=1))
        listed = np.take_along_axis(self.grade, lists, axis=1)
        self.told = {
            name: np.where(self.valid, value, 0.0)
            for name, value in _metrics(listed, self.grade).items()
        }
        self.told["easiness"] = pair_easiness(self.grade > 0)
        self.success = self.valid & (listed[:, 0] == self.grade.max(axis=1))
        self.listed = listed
        self._ask(self._rows)
        return self.told[self.metric].copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.feature.reshape(self.num_envs, -1).copy()

    def _facts(self) -> Info:
        told = {name: value.copy() for name, value in self.told.items() if name != "mean_recall"}
        return told | {"success": self.success.copy(), "valid": self.valid.copy()}

    def _ask(self, rows: IntArray) -> None:
        """Draws the next query and its candidates."""
        _, candidates, features = self.feature.shape
        drawn = normals(self.streams, rows, candidates * (1 + features))
        drawn = drawn.reshape(rows.size, candidates, 1 + features)
        noise = np.full(features, OVERLAP_NOISE)
        noise[0] = FIRST_STAGE_NOISE
        merit = drawn[:, :, 0]
        seen = merit[:, :, None] + noise * drawn[:, :, 1:]
        order = np.argsort(-seen[:, :, 0], axis=1)
        seen = np.take_along_axis(seen, order[:, :, None], axis=1)
        self.feature[rows] = 1.0 / (1.0 + np.exp(-seen))
        self.grade[rows] = graded(np.take_along_axis(merit, order, axis=1))

    def _draw(self, row: int) -> np.ndarray:
        canvas = Canvas(6, self.candidates, 40, PAPER)
        for place, score in enumerate(self.feature[row, :, 0]):
            colour = GREEN if self.grade[row, place] else GREY
            canvas.rectangle((0.5, place + 0.15), (4.5, place + 0.85), GRID)
            canvas.rectangle((4.5 - 4.0 * score, place + 0.15), (4.5, place + 0.85), colour)
        for place, grade in enumerate(self.listed[row]):
            colour = BLUE if self.valid[row] else GREY
            canvas.disc((5.25, place + 0.5), 0.1 + 0.1 * grade, colour)
        return canvas.picture()


single = functools.partial(SingleEnv, Rerank)


def graded(merit: FloatArray) -> IntArray:
    """Returns the grades 0 to 3, int64 (k, N), of candidates of given merit (k, N).

    Example:
        >>> graded(np.array([[2.0, 0.6, -1.0], [0.1, -0.2, -0.3], [0.7, 0.8, 1.3]]))
        array([[3, 1, 0],
               [1, 0, 0],
               [0, 1, 2]])
    """
    grade = (merit[:, :, None] >= GRADE_FROM).sum(axis=2)
    every = np.arange(len(merit))
    best, worst = merit.argmax(axis=1), merit.argmin(axis=1)
    grade[every, best] = np.maximum(grade[every, best], 1)
    grade[every, worst] = 0
    return np.asarray(grade)


def _metrics(listed: IntArray, grade: IntArray) -> dict[str, FloatArray]:
    """Returns the metrics by name, (n,), of lists with grades (n, m) out of grades (n, N)."""
    hits, relevant = listed > 0, (grade > 0).sum(axis=1)
    recalls = [recall(hits, relevant, k) for k in (1, 3, 5)]
    return {
        "mean_recall": np.mean(recalls, axis=0),
        **dict(zip(("recall_1", "recall_3", "recall_5"), recalls, strict=True)),
        "mrr": reciprocal_rank(hits),
        "ndcg": ndcg(GAIN[listed], GAIN[grade], listed.shape[1]),
    }


def _card(
    candidates: int, length: int, overlaps: int, metric: str, time_limit: int | None
) -> EnvCard:
    width = candidates * (1 + overlaps)
    return EnvCard(
        id="rewardsmith/Rerank-v0",
        goal=f"Rank {length} of {candidates} candidates, which come in the order of a first "
        "retrieval stage, so that the relevant ones are on top.",
        observation=(
            Field("evidence", "first-stage score and overlaps with the query of every candidate, "
                  "candidate after candidate", (0, width), low=0.0, high=1.0),
        ),
        action=(action_field(candidates),),
        facts=(
            Field("success", "a candidate of the highest grade is in the first place",
                  low=0.0, high=1.0),
            Field("valid", "no candidate is listed twice", low=0.0, high=1.0),
            *(Field(f"recall_{k}", f"share of the relevant candidates in the first {k} places",
                    low=0.0, high=1.0) for k in (1, 3, 5)),
            Field("mrr", "1 / place of the first relevant candidate", low=0.0, high=1.0),
            Field("ndcg", "NDCG of the list, gain 2^grade - 1", low=0.0, high=1.0),
            Field("easiness", "mean easiness of the query's pairs, high where the first stage "
                  "ranks them rightly; 0 at the start", low=0.0, high=1.0),
        ),
        success="The last list is valid and begins with a candidate of the highest grade.",
        score="return",
        time_limit=time_limit,
        human_design=f"Half the task's reward ({metric}) and half NDCG, which tells grades apart.",
        source="MM-R5, arXiv 2506.12364; MacAvaney et al. 2020, arXiv 2004.14269.",
    )  # fmt: skip
