"""Attempts to read, change and leave files."""

from __future__ import annotations

import os
from pathlib import Path

from rewardsmith.llm_reward_design.jail.attempts import Targets, attempt


@attempt
def _read_a_file(t: Targets) -> object:
    return t.word in Path(t.secret).read_text()


@attempt
def _read_through_proc_root(t: Targets) -> object:
    return t.word in Path(f"/proc/self/root{t.secret}").read_text()


@attempt
def _read_system_accounts(t: Targets) -> object:
    return Path("/etc/passwd").read_bytes()


@attempt
def _list_a_folder(t: Targets) -> object:
    return os.listdir(t.outside)


@attempt
def _make_a_file(t: Targets) -> object:
    return Path(t.outside, "made").write_text("x")


@attempt
def _append_to_a_file(t: Targets) -> object:
    with open(t.secret, "a") as file:
        return file.write("x")


@attempt
def _truncate_a_file(t: Targets) -> object:
    os.truncate(t.secret, len(t.word))
    return True


@attempt
def _truncate_what_may_be_read(t: Targets) -> object:
    copy = Path("truncated").absolute()
    copy.write_text("x")
    os.close(os.open(copy, os.O_RDONLY | os.O_TRUNC))
    return True


@attempt
def _make_a_folder(t: Targets) -> object:
    os.mkdir(Path(t.outside, "folder"))
    return True


@attempt
def _link_a_file(t: Targets) -> object:
    os.link(t.secret, "linked")
    return True


@attempt
def _leave_a_link(t: Targets) -> object:
    os.symlink(t.secret, "link")
    return True


@attempt
def _leave_a_pipe(t: Targets) -> object:
    os.mkfifo("pipe")
    return True


@attempt
def _rename_a_file(t: Targets) -> object:
    os.rename(t.secret, "renamed")
    os.rename("renamed", t.secret)
    return True


@attempt
def _change_a_mode(t: Targets) -> object:
    os.chmod(t.secret, 0o666)
    return True


@attempt
def _change_times(t: Targets) -> object:
    os.utime(t.secret, (0, 0))
    return True


@attempt
def _use_shared_memory(t: Targets) -> object:
    descriptor = os.open("/dev/shm/jail", os.O_CREAT | os.O_RDWR)
    os.unlink("/dev/shm/jail")
    return descriptor
