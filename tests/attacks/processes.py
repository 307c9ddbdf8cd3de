"""Starting, signalling and reading other processes."""

TEXTS = {
    "os.system": """
import os
if os.system("echo x > " + OUTSIDE + "/made"):
    raise OSError("refused")
""",
    "os.posix_spawn": """
import os
os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
""",
    "os.execv": """
import os
os.execv("/bin/cp", ["cp", SECRET, "copied"])
""",
    "os.fork": """
import os, time
if os.fork() == 0:
    time.sleep(60)
""",
    "a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(256):
            try:
                os.close(descriptor)
            except OSError:
                pass
        time.sleep(60)
    os._exit(0)
""",
    "a terminal": """
import pty
pty.fork()
""",
    "subprocess": """
import subprocess
stolen = subprocess.run(["cat", SECRET], capture_output=True).stdout
""",
    "subprocess in a session of its own": """
import subprocess
subprocess.Popen(["sleep", "60"], start_new_session=True)
""",
    "multiprocessing": """
import multiprocessing
process = multiprocessing.get_context("fork").Process(target=open, args=(OUTSIDE + "/made", "w"))
process.start()
process.join()
""",
    "a pool of processes": """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool:
    pool.submit(open, OUTSIDE + "/made", "w")
""",
    "asyncio": """
import asyncio
async def run():
    return await asyncio.create_subprocess_shell("echo x > " + OUTSIDE + "/made")
asyncio.run(run())
""",
    "a fork bomb": """
import os
while True:
    os.fork()
""",
    "signal the caller": """
import os
os.kill(PARENT, 10)
""",
    "signal the parent": """
import os
for _ in range(50):
    os.kill(os.getppid(), 9)
""",
    "signal everybody": """
import os
os.kill(-1, 0)
os.kill(PARENT, 10)
""",
    "signal the group of the caller": """
import os, signal
os.killpg(os.getpgid(PARENT), 0)
os.kill(PARENT, 10)
""",
    "signal through a descriptor": """
import os, signal
signal.pidfd_send_signal(os.pidfd_open(PARENT), 10)
""",
    "signal by a thread id": """
import ctypes
if ctypes.CDLL(None).syscall(200, PARENT, 10) < 0:
    raise OSError("refused")
""",
    "signal by a queue": """
import ctypes
if ctypes.CDLL(None).sigqueue(PARENT, 10, 0) < 0:
    raise OSError("refused")
""",
    "signal by the owner of a pipe": """
import fcntl, os
r, w = os.pipe()
fcntl.fcntl(r, fcntl.F_SETOWN, PARENT)
fcntl.fcntl(r, 10, 10)
fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)
os.write(w, b"x")
""",
    "the caller's environment": "stolen = open(f'/proc/{PARENT}/environ').read()",
    "the parent's environment": """
import os
stolen = open(f"/proc/{os.getppid()}/environ").read()
""",
    "this process's environment": "stolen = open('/proc/self/environ').read()",
    "every environment": """
import glob
for path in glob.glob("/proc/*/environ"):
    try:
        stolen += open(path, errors="replace").read()
    except OSError:
        pass
""",
    "the caller's memory": """
with open(f"/proc/{PARENT}/mem", "rb", 0) as memory:
    memory.seek(ADDRESS)
    stolen = memory.read(32)
""",
    "the caller's files": """
import glob
stolen = open(f"/proc/{PARENT}/root" + SECRET).read()
""",
    "the caller's descriptors": """
import os
for name in os.listdir(f"/proc/{PARENT}/fd"):
    stolen += os.readlink(f"/proc/{PARENT}/fd/{name}")
stolen = open(SECRET).read() if stolen else ""
""",
    "inherited descriptors": """
import os
for descriptor in range(256):
    try:
        os.lseek(descriptor, 0, 0)
        stolen += os.read(descriptor, 1000).decode(errors="replace")
    except OSError:
        pass
""",
    "the caller's limits": """
import resource
resource.prlimit(PARENT, resource.RLIMIT_CORE, (0, 0))
open(f"/proc/{PARENT}/comm", "w").write("jail")
raise SystemExit(open(SECRET).read())
""",
    "the caller's processors": """
import os
os.sched_setaffinity(PARENT, os.sched_getaffinity(PARENT))
raise SystemExit(open(SECRET).read())
""",
    "the caller's priority": """
import os
os.setpriority(os.PRIO_PROCESS, PARENT, 1)
""",
}
