"""`Supervisor`: what happens between the rollouts of a training run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from rewardsmith.agents import checkpoint
from rewardsmith.agents.evaluation import Evaluator
from rewardsmith.agents.progress import Interrupted, Progress, StopRequest
from rewardsmith.agents.recorder import EpisodeRecorder, means
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.trackers import Tracker

_STATUS_EVERY_S = 0.5
_TRACKED_POINTS = 200


@dataclass
class Schedule:
    """Where a run stands between its milestones; part of the checkpoint.

    Attributes:
        total_steps: Length of the run in environment steps.
        points: Number of milestones, the first at step 0, before the final evaluation.
        rows: One evaluation per milestone passed.
        next_milestone: Index of the next.
        next_tracked: Step at which the tracker hears of training again.
    """

    total_steps: int
    points: int
    rows: list[dict[str, float]] = field(default_factory=list)
    next_milestone: int = 0
    next_tracked: float = 0.0

    def is_due(self, step: int) -> bool:
        """Tells whether a milestone lies at or before `step`."""
        return (
            self.next_milestone < self.points
            and step >= self.next_milestone * self.total_steps / self.points
        )

    def pass_milestones(self, step: int) -> None:
        """Moves on to the first milestone after `step`."""
        while self.is_due(step):
            self.next_milestone += 1


class Supervisor(BaseCallback):
    """Evaluates, checkpoints and reports at the safe points between rollouts.

    At a rollout's start everything is consistent: the last update is done and no transition
    is half stored. That is where milestones (evaluation, metrics, checkpoint) take place,
    and where a request to stop is obeyed.

    Args:
        folder: Where the run writes.
        schedule: Where it stands.
        evaluator: Judges the policy.
        recorder: The training environment.
        tracker: Hears of metrics.
        deterministic: Whether the policy is evaluated without exploration.
        progress: Called at every report.
        stop: Tells when to stop.
    """

    def __init__(
        self,
        folder: RunFolder,
        schedule: Schedule,
        evaluator: Evaluator,
        recorder: EpisodeRecorder,
        tracker: Tracker,
        *,
        deterministic: bool,
        progress: Progress,
        stop: StopRequest,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.schedule = schedule
        self.evaluator = evaluator
        self.recorder = recorder
        self.tracker = tracker
        self.deterministic = deterministic
        self.progress = progress
        self.stop = stop
        self._reported = 0.0

    def evaluate(self) -> None:
        """Judges the policy now and writes the metrics."""
        episodes = self.evaluator.play(self.act, self.recorder.stream)
        row = {"step": float(self.num_timesteps), **means(episodes)}
        self.schedule.rows.append(row)
        self.folder.write_metrics(self.schedule.rows)
        self.tracker.log(self.num_timesteps, {f"evaluation/{k}": v for k, v in row.items()})

    def act(self, observation: Any) -> Any:
        """The agent's policy on a batch of observations."""
        return self.model.predict(observation, deterministic=self.deterministic)[0]

    def save(self) -> None:
        """Writes the checkpoint."""
        checkpoint.save(self.folder.checkpoint, self.model, self.recorder, self.schedule)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        step = self.num_timesteps
        self._track(step)
        if self.schedule.is_due(step):
            self.schedule.pass_milestones(step)
            self.evaluate()
            self.save()
        self._report(step)
        if self.stop.is_asked():
            self.save()
            self.folder.write_status("interrupted", step, self.schedule.total_steps)
            raise Interrupted.at(step)

    def _track(self, step: int) -> None:
        if step < self.schedule.next_tracked or not self.recorder.finished:
            return
        losses = {name: float(value) for name, value in self.logger.name_to_value.items()}
        episodes = {f"training/{k}": v for k, v in means(self.recorder.finished).items()}
        self.tracker.log(step, episodes | losses)
        self.recorder.finished.clear()
        self.schedule.next_tracked = step + self.schedule.total_steps / _TRACKED_POINTS

    def _report(self, step: int) -> None:
        if time.monotonic() - self._reported > _STATUS_EVERY_S:
            self._reported = time.monotonic()
            self.folder.write_status("running", step, self.schedule.total_steps)
            self.progress(step, self.schedule.rows[-1] if self.schedule.rows else {})
