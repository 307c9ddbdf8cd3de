"""Training a language-model policy in the `train` job: warmed up, resumed, judged greedily."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from transformers.utils.logging import disable_progress_bar

from rewardsmith.agents.evaluation import EVALUATION_SEED, FINAL_SEED
from rewardsmith.agents.files import read_sealed, write_json, write_sealed
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.critic import needs_values
from rewardsmith.agents.llm.distributed import make_equal
from rewardsmith.agents.llm.judge import Judge
from rewardsmith.agents.llm.likelihood_objective import LikelihoodObjective
from rewardsmith.agents.llm.loading import tokenizer_of
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probes import OF_REFERENCE, facts_of
from rewardsmith.agents.llm.samples import samples
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.agents.llm.warm_start import warm_start
from rewardsmith.agents.llm.warm_up import WarmUp
from rewardsmith.agents.processes import first, from_all
from rewardsmith.agents.progress import Interrupted, Progress, StopRequest
from rewardsmith.agents.recorder import means
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.run_record import TRAIN
from rewardsmith.agents.tasks import make_task
from rewardsmith.agents.trackers import Tracker
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards.config import build, build_design
from rewardsmith.rewards.design import RewardDesign

_PARTS = ("model", "warm_up", "training")


@dataclass
class Ledger:
    """What a run has to report so far; part of the checkpoint.

    Attributes:
        rows: One line of metrics per evaluation.
        told: What the batches since the last evaluation reported.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    told: list[dict[str, float]] = field(default_factory=list)

    def add(self, step: int, shown: Mapping[str, float]) -> None:
        """Adds the evaluation that was due at a step, and what was told since the last one.

        The batch that reaches the step may end beyond it.
        """
        told = {f"{TRAIN}{name}": value for name, value in means(self.told).items()}
        self.rows.append({"step": float(step), **shown, **told})
        self.told = []


def check_llm(config: Mapping[str, Any], task: Any) -> None:
    """Raises ConfigError if the configured agent cannot learn the task."""
    _text_env(task, config)
    settings = _settings(config)
    name = config["agent"]["settings"]["model"]["name"]
    Chat(_load_policy(config).tokenizer if name == "tiny" else tokenizer_of(name))
    design, training = build_design(config["reward"]), settings["training"]
    LikelihoodObjective.of(design, training.advantage, training.reward_gradient, 1)
    needs_values(training.advantage)
    if "node" in training.advantage.needs and training.tree is None:
        raise ConfigError(
            f"{type(training.advantage).__name__} needs tree rollouts; set agent.settings."
            "training.tree as agent=treeps_rag does"
        )


def train_llm(
    config: Mapping[str, Any],
    folder: RunFolder,
    tracker: Tracker,
    stop: StopRequest,
    progress: Progress,
) -> dict[str, Any]:
    """Trains by at least `total_steps` rollouts; returns the final evaluation.

    A rollout is one episode. Evaluations play tasks of the test split, where the task has one,
    by the likeliest tokens. Resumes from the folder's checkpoint, random states included. Of
    several processes the first evaluates and writes; if one is asked to stop, all do.
    """
    torch.set_num_threads(1)
    rollouts, evaluation = int(config["total_steps"]), config["evaluation"]
    trainer, ledger = _start_or_resume(config, folder, progress)
    policy, reference, design = trainer.policy, trainer.reference, trainer.design
    judge = _judge(config, policy, reference, design, evaluation["deterministic"])
    every = max(1, rollouts // evaluation["points"])
    while True:
        due = min(len(ledger.rows) * every, rollouts)
        if trainer.episodes >= due:
            shown = first(lambda: judge.play(evaluation["episodes"], EVALUATION_SEED)[1])
            ledger.add(due, means(shown))
            tracker.log(trainer.episodes, _tracked(ledger.rows[-1]))
            _save(folder, trainer, ledger, "running", rollouts)
            progress(trainer.episodes, ledger.rows[-1])
            if trainer.episodes >= rollouts:
                break
        if any(from_all(stop.is_asked())):
            _save(folder, trainer, ledger, "interrupted", rollouts)
            raise Interrupted.at(trainer.episodes)
        ledger.told.append(trainer.step())
    if trainer.last is None:
        trainer.collect()  # a resume that had nothing left to learn; the report shows a batch
    return first(lambda: _finish(config, folder, trainer, judge))


def judge_llm(
    config: Mapping[str, Any], folder: RunFolder, episodes: int, seed: int, deterministic: bool
) -> list[dict[str, float]]:
    """Returns a record of each fresh episode that a folder's trained model plays."""
    torch.set_num_threads(1)
    disable_progress_bar()
    design = build_design(config["reward"])
    policy, reference = _load_saved(config, folder.language_model), None
    if _reads_reference(design):
        reference = _load_saved(config, folder.reference_model)
    judge = _judge(config, policy, reference, design, deterministic)
    design.bind(judge.env.card)
    return judge.play(episodes, seed)[1]


def _judge(
    config: Mapping[str, Any],
    policy: Policy,
    reference: Policy | None,
    design: RewardDesign,
    deterministic: bool,
) -> Judge:
    agent, options = config["agent"], {**(config["env"].get("options") or {}), "split": "test"}
    env = _make({**config["env"], "options": options}, agent["n_envs"])
    settings: Settings = _settings(config)["training"]
    return Judge(
        env,
        policy,
        design,
        settings,
        gamma=float(agent["gamma"]),
        deterministic=deterministic,
        reference=reference,
    )


def _start_or_resume(
    config: Mapping[str, Any], folder: RunFolder, progress: Progress
) -> tuple[Trainer, Ledger]:
    settings, seed = _settings(config), config["seed"]
    env = _make(config["env"], config["agent"]["n_envs"])
    design = build_design(config["reward"])
    design.bind(env.card)
    policy = _load_policy(config)
    data = first(lambda: read_sealed(folder.checkpoint))
    training: Settings = settings["training"]
    if data is None:
        first(lambda: warm_start(config, settings["warm_up"], policy, env, training, progress))
        make_equal(policy.model.parameters())
    trainer = Trainer(policy, env, design, training, seed, int(config["total_steps"]))
    if data is None:
        return trainer, Ledger()
    state = pickle.loads(data)
    trainer.load_state_dict(state["trainer"])
    return trainer, state["ledger"]


def _tracked(row: Mapping[str, float]) -> dict[str, float]:
    return {k if k.startswith(TRAIN) else f"evaluation/{k}": v for k, v in row.items()}


def _save(folder: RunFolder, trainer: Trainer, ledger: Ledger, state: str, rollouts: int) -> None:
    """Writes what resuming needs, and how far the run is."""
    data = pickle.dumps({"trainer": trainer.state_dict(), "ledger": ledger})

    def write() -> None:
        folder.write_metrics(ledger.rows)
        write_sealed(folder.checkpoint, data)
        folder.write_status(state, trainer.episodes, rollouts)

    first(write)


def _finish(
    config: Mapping[str, Any], folder: RunFolder, trainer: Trainer, judge: Judge
) -> dict[str, Any]:
    """Keeps the model and sample transcripts; returns the final evaluation."""
    disable_progress_bar()  # of writing files that are written in an instant
    _save_model(trainer.policy, folder.language_model)
    if _reads_reference(trainer.design) and trainer.reference is not None:
        _save_model(trainer.reference, folder.reference_model)
    count = config["evaluation"]["final_episodes"]
    episodes, records = judge.play(count, FINAL_SEED)
    write_json(folder.path / "transcripts.json", samples(episodes, records, trainer))
    return _result(judge, records, count)


def _reads_reference(design: RewardDesign) -> bool:
    return bool(OF_REFERENCE & set(facts_of(design)))


def _result(judge: Judge, records: list[dict[str, float]], episodes: int) -> dict[str, Any]:
    terms = [name for name in records[0] if name.startswith("term/")]
    return {
        "score": "success",
        **{name: [r[name] for r in records] for name in records[0] if name not in terms},
        "terms": {name.removeprefix("term/"): [r[name] for r in records] for name in terms},
        "oracle": means(judge.scripted("oracle", episodes, FINAL_SEED)),
        "card": judge.env.card.summary(),
    }


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the parts of `agent.settings`."""
    settings = config["agent"]["settings"]
    for name in settings:
        if name not in _PARTS:
            raise unknown("setting", name, _PARTS, where="agent.settings")
    built: dict[str, Any] = build(settings, "agent.settings")
    for name, kind in (("warm_up", WarmUp), ("training", Settings)):
        if not isinstance(built.get(name), kind):
            raise ConfigError(f"agent.settings.{name} must have _target_ {kind.__name__}")
    sampling: Sampling = built["training"].sampling
    if not sampling.temperature > 0:
        raise ConfigError("agent.settings.training.sampling.temperature must be above 0")
    return built


def _load_policy(config: Mapping[str, Any]) -> Policy:
    model = dict(config["agent"]["settings"]["model"])
    if model["name"] == "tiny":
        model["seed"] = config["seed"]
    return Policy.load(model.pop("name"), device=_device(config), **model)


def _save_model(policy: Policy, path: Path) -> None:
    policy.model.save_pretrained(path)
    policy.tokenizer.save_pretrained(path)


def _load_saved(config: Mapping[str, Any], path: Path) -> Policy:
    """Loads what a run has kept: a model, or adapters of the one it started from."""
    saved = str(path)
    if config["agent"]["settings"]["model"].get("lora_rank") is None:
        return Policy.load(saved, device=_device(config))
    policy = _load_policy(config)
    policy.model.load_adapter(saved, "default")
    return policy


def _device(config: Mapping[str, Any]) -> str | None:
    return None if config["device"] == "auto" else str(config["device"])


def _make(env: Mapping[str, Any], n: int) -> TextEnv:
    return _text_env(make_task(env, n, AutoresetMode.DISABLED), {"env": env})


def _text_env(task: Any, config: Mapping[str, Any]) -> TextEnv:
    env = task.unwrapped
    if isinstance(env, TextEnv) and not env.by_menu:
        return env
    why = "is played by menu" if isinstance(env, TextEnv) else "is no text task"
    raise ConfigError(
        f"a language model speaks; env={config['env']['name']} {why}. Use a text task such as "
        "env=calculator with actions=text, or another agent"
    )
