"""What a jailed program finds around it: modules, folders, its environment, its user."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from jail_cases import LIMITS, ended, held, in_every_tier, namespaced

from rewardsmith.llm_reward_design.jail import Tier, census, folders, inside


@in_every_tier
def test_modules_not_yet_imported_can_be_imported(tier: Tier, tmp_path: Path) -> None:
    body = "import scipy.stats, rewardsmith.rewards\nreturn x, {'a': x}"
    came = ended(body, tmp_path / "run", tier, replace(LIMITS, memory_bytes=4 << 30))
    assert came.how == "finished", came


def test_environment_is_empty_but_for_constants(tmp_path: Path) -> None:
    body = "import os\nreturn x, {name: x for name in os.environ}"
    names = set(ended(body, tmp_path / "run").value)
    assert names - {"LC_CTYPE"} == {
        "HOME",
        "TMPDIR",
        "TORCHINDUCTOR_CACHE_DIR",
        "MPLCONFIGDIR",
        "LANG",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "MUJOCO_GL",
        "CUDA_VISIBLE_DEVICES",
    }


@in_every_tier
def test_standard_input_is_empty(tier: Tier, tmp_path: Path) -> None:
    if tier == Tier.INLINE:
        pytest.skip("inline has its caller's")
    came = ended("import os\nreturn x, {repr(os.read(0, 1)): x}", tmp_path / "run", tier)
    assert set(came.value) == {"b''"}


def test_paths_of_this_machine_are_left_out(tmp_path: Path) -> None:
    came = ended(f"open({str(tmp_path / 'no' / 'file')!r})", tmp_path / "run")
    assert "'.../file'" in came.error
    assert str(tmp_path.parent) not in came.error


def test_inside_is_told_to_code_behind_the_lock(tmp_path: Path) -> None:
    assert not inside()
    body = "from rewardsmith.llm_reward_design.jail import inside\nreturn x, {str(inside()): x}"
    assert set(ended(body, tmp_path / "run").value) == {"True"}


@held
def test_the_run_folder_takes_files_and_its_tmp_folders(tmp_path: Path) -> None:
    body = (
        "import os, tempfile\n"
        "open('kept', 'w').write('kept')\n"
        "os.makedirs('tmp/a/b')\n"
        "with tempfile.TemporaryDirectory() as place:\n"
        "    np.save(place + '/x.npy', x)\n"
        "os.mkdir('folder')"
    )
    came = ended(body, tmp_path / "run", Tier.LOCKED)
    assert "PermissionError: [Errno 13] Permission denied: 'folder'" in came.error
    assert (tmp_path / "run" / "kept").read_text() == "kept"
    assert not list((tmp_path / "run" / "tmp").iterdir())


def test_any_folder_can_be_emptied(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):  # a path too long to be named
        os.mkdir("deep" * 50, dir_fd=here)
        inner = os.open("deep" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (tmp_path / "open" / "closed").mkdir(parents=True)
    (tmp_path / "open" / "closed").chmod(0)
    (tmp_path / "link").symlink_to("/nowhere")
    assert folders.size(tmp_path) == float("inf")
    folders.empty(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_children_are_found_in_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        listed = census.children_of(os.getpid())
        whole = glob.glob
        monkeypatch.setattr(glob, "glob", lambda p: [] if "task" in p else whole(p))
        assert child.pid in listed
        assert set(listed) == set(census.children_of(os.getpid()))
        child.communicate()


def test_the_warden_imports_no_numpy() -> None:
    script = (
        "import sys, rewardsmith.llm_reward_design.jail.warden\n"
        "print([m for m in ('numpy', 'gymnasium', 'torch', 'openai') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"


NOBODY = """
import os, sys
from pathlib import Path
from rewardsmith.llm_reward_design.jail import privileges
place = Path(sys.argv[1])
privileges.change_user(place / "run", [place])
privileges.drop_capabilities()
status = Path("/proc/self/status").read_text().split()
powers = [int(status[status.index(name) + 1], 16) for name in ("CapEff:", "CapPrm:")]
(place / "run" / "mine").write_text("x")
print(os.getresuid(), powers)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root becomes nobody")
@pytest.mark.parametrize(("mode", "user"), [(0o755, 65534), (0o700, 0)])
def test_root_becomes_nobody_where_nobody_can_read(mode: int, user: int) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, mode)
        os.mkdir(f"{place}/run")
        command = [sys.executable, "-I", "-c", NOBODY, place]
        ran = subprocess.run(command, capture_output=True, check=True, text=True)
        assert ran.stdout.strip() == f"{(user, user, user)} [0, 0]"
        assert os.stat(f"{place}/run/mine").st_uid == user


@namespaced
def test_what_is_outside_has_no_name_in_namespaces(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    body = f"import os\nreturn x, {{str(os.stat({str(tmp_path / 'secret')!r}).st_size): x}}"
    assert set(ended(body, tmp_path / "run", Tier.LOCKED).value) == {"1"}  # Landlock hides no names
    came = ended(body, tmp_path / "run", Tier.NAMESPACED)
    assert "FileNotFoundError" in came.error
    came = ended(body.replace("stat('", "stat('/.."), tmp_path / "run", Tier.NAMESPACED)
    assert "FileNotFoundError" in came.error
    body = "import os\nreturn x, {str(os.getpid()): x}"
    assert set(ended(body, tmp_path / "run", Tier.NAMESPACED).value) == {"1"}
