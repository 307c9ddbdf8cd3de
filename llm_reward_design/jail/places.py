"""What a jailed program may read, and where it may write."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from pathlib import Path

_OWN = ("envs", "rewards", "agents", "llm_reward_design", "conf")
_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_KERNEL = (
    "/etc/ld.so.cache",
    "/proc/self/maps",
    "/proc/self/stat",
    "/proc/self/status",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/dev/urandom",
)
_INSTALLED = ("site-packages", "dist-packages")
NULL = Path("/dev/null")


def packages() -> list[Path]:
    """Returns the folders of the interpreter's modules, of installed packages and of our code.

    An editable install of this package has its code in the root of a repository: its own code
    folders are listed, never the root. Other folders on `sys.path` are left out for the same
    reason.
    """
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += site.getsitepackages()
    found += [place for place in sys.path if Path(place).name in _INSTALLED]
    found += [os.path.join(prefix, "lib") for prefix in (sys.base_prefix, sys.prefix)]
    for name in _OWN:
        spec = importlib.util.find_spec(f"rewardsmith.{name}")
        found += (spec and spec.submodule_search_locations) or []
    return [place for place in map(Path, dict.fromkeys(found)) if place.is_dir()]


def readable() -> list[Path]:
    """Returns every file and folder that a jailed program may read."""
    return [*packages(), *map(Path, (*_LIBRARIES, *_KERNEL))]


def temporary(folder: Path) -> Path:
    """Returns the part of a run folder that may hold folders, and is emptied at the end."""
    return folder / "tmp"


def environment(folder: Path) -> dict[str, str]:
    """Returns the whole environment of a jailed process.

    Caches and temporary files go into the run folder's `tmp`, arithmetic runs in one thread, and
    nothing is drawn: MuJoCo would look for a display.
    """
    inside = str(temporary(folder))
    return {
        "HOME": inside,
        "TMPDIR": inside,
        "TORCHINDUCTOR_CACHE_DIR": inside,
        "MPLCONFIGDIR": inside,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MUJOCO_GL": "disabled",
        "CUDA_VISIBLE_DEVICES": "",
    }
