"""Powers over the machine."""

_LIBC = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""

TEXTS = {
    "become root": """
import os
os.setresuid(0, 0, 0)
os.chown(SECRET, 1234, 1234)
""",
    "change the root": """
import os
os.chroot("..")
stolen = open("/outside/secret").read()
""",
    "mount": _LIBC
    + """
if libc.mount(b"none", OUTSIDE.encode(), b"tmpfs", 0, None):
    raise OSError(ctypes.get_errno(), "refused")
libc.umount(OUTSIDE.encode())
raise SystemExit("mounted: " + open(SECRET).read())
""",
    "namespaces of its own": _LIBC
    + """
if libc.unshare(0x10000000):
    raise OSError(ctypes.get_errno(), "refused")
stolen = open(SECRET).read()
""",
    "the caller's namespaces": _LIBC
    + """
import os
if libc.setns(os.open(f"/proc/{PARENT}/ns/mnt", os.O_RDONLY), 0):
    raise OSError(ctypes.get_errno(), "refused")
stolen = open(SECRET).read()
""",
    "io_uring": _LIBC
    + """
call(425, 4, ctypes.create_string_buffer(200))
stolen = open(SECRET).read()
""",
    "bpf": _LIBC
    + """
array = b"\\x02\\0\\0\\0\\x04\\0\\0\\0\\x04\\0\\0\\0\\1"
call(321, 0, ctypes.create_string_buffer(array, 120), 120)
stolen = open(SECRET).read()
""",
    "userfaultfd": _LIBC
    + """
call(323, 1)
stolen = open(SECRET).read()
""",
    "keys": _LIBC
    + """
call(248, b"user", b"jail", b"x", 1, -2)
stolen = open(SECRET).read()
""",
    "performance counters": _LIBC
    + """
event = ctypes.create_string_buffer(b"\\1\\0\\0\\0\\x80\\0\\0\\0", 128)
call(298, event, 0, -1, -1, 0)
stolen = open(SECRET).read()
""",
    "a file handle": _LIBC
    + """
handle = ctypes.create_string_buffer(b"\\x80\\0\\0\\0", 200)
mount = ctypes.c_int()
call(303, -100, SECRET.encode(), handle, ctypes.byref(mount), 0)
import os
root = os.open("/", os.O_RDONLY)
descriptor = libc.open_by_handle_at(root, handle, 0)
stolen = os.read(descriptor, 100)
""",
    "shared memory": """
from multiprocessing.shared_memory import SharedMemory
memory = SharedMemory("jail_attack", create=True, size=4096)
memory.unlink()
stolen = open(SECRET).read()
""",
    "System V shared memory": _LIBC
    + """
if libc.shmget(0, 4096, 0o1600) < 0:
    raise OSError(ctypes.get_errno(), "refused")
stolen = open(SECRET).read()
""",
    "a message queue": _LIBC
    + """
if libc.mq_open(b"/jail", 0o100 | 2, 0o600, None) < 0:
    raise OSError(ctypes.get_errno(), "refused")
libc.mq_unlink(b"/jail")
stolen = open(SECRET).read()
""",
    "memory run as a program": """
import os
descriptor = os.memfd_create("jail")
os.write(descriptor, open("/bin/sleep", "rb").read())
if os.fork() == 0:
    os.execve(descriptor, ["sleep", "60"], {})
""",
    "watch files": _LIBC
    + """
if libc.inotify_init() < 0:
    raise OSError(ctypes.get_errno(), "refused")
stolen = open(SECRET).read()
""",
    "write to a terminal": """
import fcntl, termios
with open("/dev/tty", "w") as terminal:
    fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
""",
    "raise a limit": """
import resource
limit = resource.getrlimit(resource.RLIMIT_CPU)
resource.setrlimit(resource.RLIMIT_CPU, (limit[0] + 1, limit[1] + 1))
stolen = open(SECRET).read()
""",
    "dump core": """
import os, resource
resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
os.abort()
""",
    "take the filter off": _LIBC
    + """
libc.prctl(22, 0, 0, 0, 0)
libc.prctl(38, 0, 0, 0, 0)
stolen = open(SECRET).read()
""",
    "outlive the parent": _LIBC
    + """
if libc.prctl(1, 0, 0, 0, 0):
    raise OSError(ctypes.get_errno(), "refused")
stolen = open(SECRET).read()
""",
    "adopt processes": _LIBC
    + """
if libc.prctl(36, 1, 0, 0, 0):
    raise OSError(ctypes.get_errno(), "refused")
stolen = open(SECRET).read()
""",
    "set the clock": """
import time
time.clock_settime(time.CLOCK_REALTIME, time.time())
stolen = open(SECRET).read()
""",
    "rename the machine": """
import socket
socket.sethostname(socket.gethostname())
stolen = open(SECRET).read()
""",
}
