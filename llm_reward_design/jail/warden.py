"""The process between the caller and the jailed one: starts it, watches it, leaves none behind.

`python -I -m rewardsmith.llm_reward_design.jail.warden`. Its standard input brings the order
and then stays open: when it closes, because the caller wants an end or is gone itself, everything
is ended. It gives up root's powers as well, runs none of the program's code, and says on its last
line how the program ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewardsmith.llm_reward_design.jail import census, folders, namespaces, privileges
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.jail.places import packages
from rewardsmith.llm_reward_design.jail.tier import Tier

LENGTH = struct.Struct(">Q")
"""How many bytes of JSON follow."""

_TICK_S = 0.2


def main() -> None:
    """Reads the order, has it carried out and reports how that ended."""
    (length,) = LENGTH.unpack(_read(LENGTH.size))
    order = json.loads(_read(length))
    try:
        said = _hold(order)
    except OSError as error:
        said = f"refused {error}"
    os.write(order["status"], said.encode())
    os._exit(0)


def _hold(order: Mapping[str, Any]) -> str:
    folder, tier = Path(order["folder"]), Tier(order["tier"])
    if tier.is_boundary:
        privileges.change_user(folder, packages())
    if tier == Tier.NAMESPACED:
        namespaces.leave()  # its user has every capability inside and none outside
    elif tier == Tier.LOCKED:
        privileges.drop_capabilities()
    census.adopt_orphans()
    awake, wake = os.pipe()
    for end in (awake, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        _become_jailed(order, (awake, wake))
    for descriptor in (order["answer"], *order["inherit"]):
        os.close(descriptor)
    _silence(1, 2)
    return _watch(child, awake, folder, Limits(**order["limits"]))


def _become_jailed(order: Mapping[str, Any], mine: tuple[int, int]) -> None:
    """Turns this copy of the warden into the process that will be jailed; never returns."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (*mine, order["status"]):
            os.close(descriptor)
        _silence(0)
        os.setsid()
        if sys.platform == "linux":
            privileges.die_with_parent(signal.SIGKILL)
        if order["tier"] == Tier.NAMESPACED:
            namespaces.settle()
        from rewardsmith.llm_reward_design.jail.child import serve

        serve(order)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _watch(child: int, awake: int, folder: Path, limits: Limits) -> str:
    """Returns how the child ended, once neither it nor a descendant is left."""
    said, caller = "", os.getppid()
    while not said:
        ready, _, _ = select.select([0, awake], [], [], _TICK_S)
        if awake in ready:
            os.read(awake, 4096)
            said = _reap(child, limits)
        # A fork of the caller may hold the pipe open when the caller itself is gone.
        if not said and (0 in ready or os.getppid() != caller):
            said = "stopped"
        if not said and census.threads() > limits.processes:
            said = f"crowded {limits.processes}"
        if not said and folders.size(folder) > limits.file_bytes:
            said = "flooded"
    census.end_all(child)
    return said


def _reap(child: int, limits: Limits) -> str:
    """Returns how the child ended, "" while it runs; lets go of orphans that ended."""
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return "exit 1"
        if pid == 0:
            return ""
        if pid == child:
            break
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL and used.ru_utime + used.ru_stime > limits.cpu_s - 0.5:
        return "out_of_time"
    return f"exit {code}" if code >= 0 else f"signal {-code}"


def _read(length: int) -> bytearray:
    data = bytearray()
    while len(data) < length:
        more = os.read(0, length - len(data))
        if not more:
            os._exit(1)
        data += more
    return data


def _silence(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)


if __name__ == "__main__":
    main()
