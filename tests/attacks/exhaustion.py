"""Using up time, memory, disk, processes and patience."""

TEXTS = {
    "spin": """
while True:
    pass
""",
    "spin in C": "10 ** 10 ** 9",
    "a slow pattern": """
import re
re.match("(a+)+b", "a" * 100)
""",
    "sleep": """
import time
time.sleep(1e6)
""",
    "sleep in C": """
import ctypes
ctypes.CDLL(None).sleep(1000000)
""",
    "stop itself": """
import os, signal, time
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(1e6)
""",
    "wait for a lock": """
import threading
lock = threading.Lock()
lock.acquire()
lock.acquire()
""",
    "deaf to signals": """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""",
    "catch everything": """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
    "one large array": "np.ones(10 ** 12)",
    "one large array that is touched": """
parts = []
while True:
    parts.append(np.ones(1 << 24))
""",
    "a growing list": """
grown = [0]
while True:
    grown += grown
""",
    "a growing text": """
text = "x"
while True:
    text += text
""",
    "memory behind descriptors": """
import os
while True:
    descriptor = os.memfd_create("x")
    os.truncate(descriptor, 1 << 20)
    os.write(descriptor, bytes(1 << 20))
""",
    "memory mapped": """
import mmap
maps = []
while True:
    maps.append(mmap.mmap(-1, 1 << 28))
    maps[-1].write(bytes(1 << 28))
""",
    "recursion": """
def down():
    return down()
down()
""",
    "recursion in C": """
import sys
sys.setrecursionlimit(10 ** 9)
def down():
    return down()
down()
""",
    "a large file": """
with open("large", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
""",
    "many files": """
import os
for number in range(10 ** 9):
    open(str(number), "wb").write(bytes(1 << 20))
""",
    "many empty files": """
import os
for number in range(10 ** 9):
    open(str(number), "w").close()
""",
    "deep folders": """
import os
os.chdir("tmp")
for _ in range(10 ** 9):
    os.mkdir("deep" * 50)
    os.chdir("deep" * 50)
""",
    "folders nobody may enter": """
import os
os.chdir("tmp")
for number in range(10):
    os.mkdir("closed", 0o700)
    os.mkdir("closed/inner", 0)
    os.rename("closed", str(number))
raise ValueError
""",
    "every descriptor": """
import os
held = []
while True:
    held.append(os.open("/dev/null", 0))
""",
    "threads": """
import threading, time
threading.stack_size(1 << 15)
while True:
    threading.Thread(target=time.sleep, args=(60,)).start()
""",
    "print without end": """
while True:
    print("x" * 65536)
""",
    "complain without end": """
import os
while True:
    os.write(2, b"x" * 65536)
""",
    "an answer without end": """
import os
for descriptor in range(3, 20):
    try:
        while True:
            os.write(descriptor, b"[" * 65536)
    except OSError:
        pass
raise ValueError
""",
}
