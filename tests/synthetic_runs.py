"""Folders of made-up training runs, as the training job leaves them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw

from rewardsmith.envs.stateful import FloatArray

VERSIONS = {"gymnasium": "1.4.0", "numpy": "2.4.6", "rewardsmith": "0.1.0"}
CARD = {
    "id": "rewardsmith/KeyDoor-v0",
    "goal": "Fetch the key, open the door and reach the goal.",
    "success": "The agent stands on the goal.",
    "time_limit": 100,
    "human_design": "Pay 0.5 for the key, 0.5 for the door and 1 for the goal.",
}


def write_run(
    folder: Path,
    *,
    score: str = "success",
    curve: Sequence[float],
    designed: Sequence[float] | None = None,
    success: Sequence[float] | None = None,
    terms: Mapping[str, Sequence[float]] | None = None,
    oracle: Mapping[str, float] | None = None,
    card: Mapping[str, Any] = CARD,
    config: Mapping[str, Any] | None = None,
    state: str = "finished",
    episodes: int = 20,
    points: int | None = None,
    more: Mapping[str, Sequence[float]] | None = None,
    bound: float | None = None,
) -> Path:
    """Writes one run whose score follows `curve` (P,); the final episodes earn its last value.

    Without `designed`, the design pays the task reward itself. `more` are further columns of
    the metrics, `bound` is what the regret is bounded by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    returns = np.asarray(curve, dtype=np.float64)
    succeeded = returns if score == "success" else np.asarray(success or np.zeros(len(returns)))
    paid = returns if designed is None else np.asarray(designed, dtype=np.float64)
    columns = {
        "step": np.linspace(0, 1000 * (len(returns) - 1), len(returns)).round(),
        "task_return": returns,
        "success": succeeded,
        "length": np.full(len(returns), 50.0),
        "designed_return": paid,
        **{f"term/{name}": np.asarray(values) for name, values in (terms or {}).items()},
        **{name: np.asarray(values) for name, values in (more or {}).items()},
    }
    _write_metrics(folder, columns, points)
    total = int(columns["step"][-1])
    base = {"env": {"id": card["id"], "options": {"size": 7}}, "total_steps": total}
    (folder / "config.yaml").write_text(yaml.safe_dump({**base, **(config or {})}))
    _write_status(folder, state, total)
    wins = np.arange(episodes) < round(float(succeeded[-1]) * episodes)
    final = wins.astype(float) if score == "success" else np.full(episodes, returns[-1])
    result = {
        "score": score,
        "task_return": final.tolist(),
        "success": wins.astype(float).tolist(),
        "length": [50.0] * episodes,
        "designed_return": [float(paid[-1])] * episodes,
        "terms": {name: [float(v[-1])] * episodes for name, v in (terms or {}).items()},
        "oracle": oracle,
        "card": dict(card),
    }
    if bound is not None:
        result["bound"] = [bound] * episodes
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def _write_metrics(folder: Path, columns: Mapping[str, FloatArray], points: int | None) -> None:
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(list(zip(*columns.values(), strict=True))[:points])


def _write_status(folder: Path, state: str, steps: int) -> None:
    status = {
        "state": state,
        "step": steps,
        "total_steps": steps,
        "wall_s": 12.5,
        "error": "ValueError: the reward of term 'near' is NaN" if state == "failed" else None,
        "versions": VERSIONS,
    }
    (folder / "status.json").write_text(json.dumps(status))


def write_transcripts(folder: Path, text: str = "Hm.", reply: str = "94", turns: int = 2) -> None:
    """Writes `transcripts.json` of three conversations, two right and one wrong, and a lens.

    The policy says `text`, then answers with it; a method on the level of tokens gives the
    first two tokens of a turn 1.5 and the third -3.
    """
    call = '<tool_call>{"name": "calculator", "arguments": {"expression": "18+76"}}</tool_call>'
    said = [f"<think>{text}</think>{call}", f"{text} <answer>{text}</answer>"]
    talk = [
        {"said": said[0], "reply": reply, "reward": 0.0, "paid": 0.125},
        {"said": said[1], "reply": "", "reward": 1.0, "paid": 1.0},
    ]
    told = {"prompt": f"18 eggs and {text}?", "answer": text, "turns": talk}
    rows: list[dict[str, Any]] = [
        {"method": "GRPO", "level": "episode", "turns": [0.75] * turns, "tokens": []},
        {"method": "TEMPO", "level": "token", "turns": [0.0] * turns, "tokens": [[1.5, 1.5, -3.0]]},
        {"method": "IGPO", "level": "step", "turns": [], "tokens": []},
    ]
    checks = ("the advantages of a group sum to 0", text, "It needs 'belief': put it there")
    credit = {
        "prompt": told["prompt"],
        "success": False,
        "paid": [0.25] * turns,
        "returns": [1.0, 0.5, 1.0],
        "trained": "TEMPO",
        "turns": [{"tokens": [text, " b", "c"], "left_out": 2, "reply": reply}] * turns,
        "rows": [
            {**row, "tokens": row["tokens"] * turns, "check": check, "value": 0.0, "ok": True}
            for row, check in zip(rows, checks, strict=True)
        ],
    }
    record = [{"success": won, "designed_return": 1.125 * won} for won in (1.0, 0.0, 1.0)]
    data = {"transcripts": [{**told, "record": each} for each in record], "credit": credit}
    (folder / "transcripts.json").write_text(json.dumps(data), encoding="utf-8")


def write_plan(
    folder: Path,
    tasks: Sequence[str],
    designs: Sequence[str],
    seeds: Sequence[int],
    baseline: str = "sparse",
) -> None:
    """Writes `compare.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = {
        "name": folder.name,
        "tasks": list(tasks),
        "designs": list(designs),
        "seeds": list(seeds),
        "baseline": baseline,
    }
    (folder / "compare.yaml").write_text(yaml.safe_dump(plan))


@dataclass(frozen=True)
class Learner:
    """How a made-up design learns: where its score ends, and when it gets half way there."""

    level: float
    onset: float
    terms: Mapping[str, float]
    hacks: bool = False
    unreliable: float = 0.0


LEARNERS = {
    "sparse": Learner(0.55, 0.75, {}, unreliable=0.6),
    "potential": Learner(0.99, 0.25, {"shaping": 0.9}),
    "distance": Learner(0.93, 0.45, {"near": 4.0, "time": -1.0}, unreliable=0.2),
    "progress": Learner(0.05, 0.5, {"to_goal": 12.0, "time": -1.0}, hacks=True),
}


def write_suite(folder: Path, seeds: int = 5, points: int = 21) -> Path:
    """Writes two tasks x four designs x `seeds`, with one design that is hacked."""
    write_plan(folder, ["key_door", "point_maze"], list(LEARNERS), range(seeds))
    maze = {
        **CARD,
        "id": "rewardsmith/PointMaze-v0",
        "goal": "Roll the ball to the goal quickly.",
        "success": "The ball lies within 0.5 m of the goal.",
        "time_limit": 300,
    }
    for task, score, card, low, high in (
        ("key_door", "success", CARD, 0.0, 1.0),
        ("point_maze", "return", maze, -300.0, -40.0),
    ):
        for index, (design, learner) in enumerate(LEARNERS.items()):
            for seed in range(seeds):
                rng = np.random.default_rng([index, seed, len(task)])
                _write_learner(
                    folder / task / design / f"seed_{seed}",
                    learner,
                    rng,
                    score=score,
                    card=card,
                    low=low,
                    high=high,
                    points=points,
                )
    return folder


def _write_learner(
    folder: Path,
    learner: Learner,
    rng: np.random.Generator,
    *,
    score: str,
    card: Mapping[str, Any],
    low: float,
    high: float,
    points: int,
) -> None:
    time = np.linspace(0, 1, points)
    works = rng.random() >= learner.unreliable
    onset = learner.onset + 0.05 * rng.normal()
    rise = 1 / (1 + np.exp(-(time - onset) * 14))
    skill = _clean(learner.level * (rise if works else 0.06 * time), rng)
    curve = low + (high - low) * skill
    paid = _clean(rise, rng) if learner.hacks else skill
    sizes = {name: size * (high - low) for name, size in learner.terms.items()}
    terms = {
        name: size * paid if size > 0 else size * (1 - 0.6 * skill) for name, size in sizes.items()
    }
    designed = curve + np.sum(list(terms.values()), axis=0) if terms else None
    solver = {
        "task_return": high,
        "success": 1.0,
        "designed_return": high + 0.35 * sum(sizes.values()),
    }
    write_run(
        folder,
        score=score,
        curve=curve.tolist(),
        success=skill.round(2).tolist(),
        designed=None if designed is None else designed.tolist(),
        terms={"task": curve.tolist(), **{k: v.tolist() for k, v in terms.items()}},
        oracle=solver,
        card=card,
        config={
            "reward": {"_target_": "rewardsmith.rewards.RewardDesign", "terms": list(terms)},
            "agent": {"name": "ppo", "gamma": 0.99},
        },
    )
    draw_rollout(folder, reaches=bool(skill[-1] > 0.5))


def _clean(curve: FloatArray, rng: np.random.Generator) -> FloatArray:
    noisy = curve + 0.03 * rng.normal(size=len(curve)) * (curve > 0.02)
    return np.clip(noisy, 0.0, 1.0)


def draw_rollout(folder: Path, *, reaches: bool, frames: int = 6, side: int = 96) -> None:
    """Writes a film strip and a GIF of a square that walks to a goal, or circles."""
    pictures = []
    for frame in range(frames):
        picture = Image.new("RGB", (side, side), "#f4f1ea")
        pen = ImageDraw.Draw(picture)
        pen.rectangle((side - 26, 8, side - 10, 24), fill="#2f855a")
        way = frame / (frames - 1)
        x, y = (
            (10 + way * (side - 34), side - 24 - way * (side - 32))
            if reaches
            else (30 + 14 * np.cos(frame * 1.6), 60 + 14 * np.sin(frame * 1.6))
        )
        pen.ellipse((x, y, x + 14, y + 14), fill="#1a365d")
        pictures.append(picture)
    strip = Image.new("RGB", (frames * (side + 4) - 4, side), "white")
    for frame, picture in enumerate(pictures):
        strip.paste(picture, (frame * (side + 4), 0))
    strip.save(folder / "rollout.png")
    pictures[0].save(
        folder / "rollout.gif", save_all=True, append_images=pictures[1:], duration=200, loop=0
    )
