"""The console command `rewardsmith`. Nothing heavy is imported before a job is chosen."""

from __future__ import annotations

import sys
from importlib import import_module

USAGE = """\
rewardsmith: which reward should I train on, and can it be gamed?

  rewardsmith train    env=key_door reward=potential agent=ppo seed=0
  rewardsmith compare  experiment=quickstart         designs x seeds -> report.html
  rewardsmith compare  env=key_door designs=[sparse,potential] seeds=5
  rewardsmith design   env=key_door llm=offline      writes a reward program and judges it
  rewardsmith evaluate run=runs/train/key_door/potential/ppo/seed_0
  rewardsmith report   runs/quickstart               write the report of finished runs again
  rewardsmith list     [envs|rewards|agents|designers|llms|experiments|components|papers]
  rewardsmith show     NAME                          a task's card, a design, a component

What follows train, compare, evaluate and design is Hydra's: key=value overrides, -m for sweeps,
--cfg job to see the configuration without running it. The same command resumes what is
unfinished and skips what is done. `rewardsmith JOB --help` tells a job's settings.
"""

JOBS = {
    "train": "rewardsmith.agents.jobs:train",
    "compare": "rewardsmith.agents.jobs:compare",
    "evaluate": "rewardsmith.agents.jobs:evaluate",
    "design": "rewardsmith.llm_reward_design.job:design",
    "report": "rewardsmith.llm_reward_design.report.command:write_again",
    "list": "rewardsmith.agents.catalogue:list_names",
    "show": "rewardsmith.agents.catalogue:show_name",
}


def main() -> int:
    """Runs the job named by the first argument; returns the exit status.

    A user's mistake ends in one sentence and status 2, a defect of ours in a traceback.
    """
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(version("rewardsmith"))
        return 0
    from rewardsmith.envs.errors import RewardsmithError, unknown

    job, rest = arguments[0], arguments[1:]
    try:
        if job not in JOBS:
            raise unknown("job", job, JOBS)
        module, _, function = JOBS[job].partition(":")
        status: int = getattr(import_module(module), function)(rest)
        return status
    except RewardsmithError as error:
        print(f"rewardsmith {job}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
