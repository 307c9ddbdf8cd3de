"""Several processes take the step that one would: the same weights from the same rollouts."""

from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from text_play import trainer_of

from rewardsmith.agents import processes
from rewardsmith.agents.llm import distributed
from rewardsmith.agents.llm.objectives import ClippedObjective
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.envs.errors import ConfigError
from rewardsmith.rewards import RewardDesign
from rewardsmith.rewards.credit import BatchWhitened, GeneralisedAdvantage, GroupRelative
from rewardsmith.rewards.episode import Group
from rewardsmith.rewards.verify import Judgement, Verified

PROCESSES = 2
CASES: dict[str, dict[str, Any]] = {
    "token_mean": {"aggregation": "token_mean", "micro_batch": 2},
    "sequence_mean": {"objective": ClippedObjective(kl=0.1), "epochs": 2, "minibatches": 2},
    "whitened": {"advantage": BatchWhitened(), "aggregation": "constant", "prompts_per_batch": 3},
    "values": {"advantage": GeneralisedAdvantage(kl_weight=0.1), "epochs": 2, "micro_batch": 2},
}


def by_length(transcript: Any) -> float:
    """Pays something that differs between random messages."""
    return len(set(transcript.turns[-1].message.text)) / 100


def trainer(case: str) -> Trainer:
    made = trainer_of("grpo", **{"advantage": GroupRelative()} | CASES[case])
    made.design = RewardDesign({"length": Verified(Judgement(by_length))})
    made.design.bind(made.env.card)
    made.updates = 100  # the learning rate has risen
    [group] = made.update.optimiser.param_groups
    group["eps"] = 1e-3  # else Adam's first step is the gradient's sign
    return made


def weights(made: Trainer) -> torch.Tensor:
    """Returns all that is trained, a value head included."""
    groups = made.update.optimiser.param_groups
    return torch.cat([p.detach().flatten() for group in groups for p in group["params"]])


def work(rank: int, port: int, folder: str) -> None:
    """Takes one step of every case in one of the processes; keeps what it played and learned."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(PROCESSES),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    torch.set_num_threads(1)
    processes.join()
    processes.join()
    made = {}
    for case in CASES:
        learner = trainer(case)
        told = learner.step()
        made[case] = (learner.last_groups, told, weights(learner), learner.episodes)
    with pytest.raises(ConfigError, match="2 processes share a minibatch of 1"):
        distributed.own_rows(1)
    numbers = [distributed.gather(distributed.share(range(n))) for n in range(5)]
    Path(folder, str(rank)).write_bytes(pickle.dumps((made, numbers, distributed.own_seed(0))))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Returns what every process made."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, str(folder)), PROCESSES)
    return [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(PROCESSES)]


@pytest.mark.parametrize("case", CASES)
def test_processes_take_the_step_of_one(
    played: list[Any], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, told, learned, episodes), (second, also_told, also_learned, _) = (
        made[case] for made, _, _ in played
    )
    assert [group.start for group in first] == [group.start for group in second]
    assert torch.equal(learned, also_learned)
    alone = trainer(case)
    before = weights(alone)

    def play(count: int) -> list[Group]:
        assert len(alone.prompts.choose(count, alone.settings.group_size)) == len(first)
        return list(first)

    monkeypatch.setattr(alone, "_play", play)
    expected = alone.step()
    torch.testing.assert_close(weights(alone), learned, rtol=0, atol=1e-5)
    assert (weights(alone) - before).abs().max() > 1e-4
    assert episodes == sum(map(len, first))
    for name in told.keys() - {"tokens_per_s"}:
        assert told[name] == also_told[name] == pytest.approx(expected[name], abs=1e-5)


def test_processes_draw_the_same_prompts_and_their_own_rollouts(played: list[Any]) -> None:
    groups = played[0][0]["whitened"][0]
    alone = trainer("whitened")
    assert [group.start for group in groups] == [p for p, _ in alone.prompts.choose(3, 3)]
    assert len({distributed.own_seed(0), *(seed for _, _, seed in played)}) == 3
    texts = [step.action for group in groups for episode in group for step in episode.steps]
    assert len(set(texts)) > len(texts) // 2


def test_shares_are_put_together_in_order(played: list[Any]) -> None:
    for _, numbers, _ in played:
        assert numbers == [list(range(n)) for n in range(5)]


def test_alone_nothing_changes() -> None:
    processes.join()
    parameter = torch.ones(2, requires_grad=True)
    assert distributed.add_up([parameter], {"loss": 1.0}) == {"loss": 1.0}
    assert parameter.grad is None
    assert distributed.own_rows(3).tolist() == [0, 1, 2]
    assert (processes.rank(), processes.world_size(), distributed.own_seed(5)) == (0, 1, 5)
