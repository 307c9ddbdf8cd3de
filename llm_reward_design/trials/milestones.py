"""`Milestones`: weights and mean pay, left behind at even distances of a training run."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from stable_baselines3.common.callbacks import BaseCallback

from rewardsmith.agents.recorder import EpisodeRecorder
from rewardsmith.llm_reward_design.trials.training import mean_parts


def weights_file(folder: Path, index: int) -> Path:
    """Returns where the weights of milestone `index` lie."""
    return folder / f"weights_{index}.safetensors"


class Milestones(BaseCallback):
    """Writes the policy's weights and what the episodes since the last milestone were paid.

    Args:
        recorder: The training environment.
        folder: Where the weights go.
        total_steps: Length of the run.
        points: Milestones; the last is the end of the run, none is its start.

    Attributes:
        rows: Per milestone the step, the mean episode length, and the parts' mean pay per step.
    """

    def __init__(
        self, recorder: EpisodeRecorder, folder: Path, total_steps: int, points: int
    ) -> None:
        super().__init__()
        self.recorder, self.folder = recorder, folder
        self.total_steps, self.points = total_steps, points
        self.rows: list[dict[str, object]] = []

    def reach(self) -> None:
        """Marks a milestone here."""
        state = {name: value.contiguous() for name, value in self.model.policy.state_dict().items()}
        save_file(state, weights_file(self.folder, len(self.rows)))
        episodes = self.recorder.finished
        lengths = [episode["length"] for episode in episodes]
        self.rows.append(
            {
                "step": self.num_timesteps,
                "length": sum(lengths) / len(lengths) if lengths else 0.0,
                "parts": mean_parts(episodes),
            }
        )
        episodes.clear()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        # The run's end is the last milestone, reached by its owner after `learn` returns.
        due = (len(self.rows) + 1) * self.total_steps / self.points
        if self.num_timesteps >= due and len(self.rows) + 1 < self.points:
            self.reach()
