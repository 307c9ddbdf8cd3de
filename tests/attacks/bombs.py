"""What goes off later, or changes what is around a program."""

TEXTS = {
    "a finaliser": """
class Bomb:
    def __del__(self):
        import os
        os.system("echo x > " + OUTSIDE + "/late")
x.sort()
globals()["bomb"] = Bomb()
""",
    "an exit handler": """
import atexit, time
atexit.register(time.sleep, 1e6)
atexit.register(open, OUTSIDE + "/late", "w")
""",
    "a weak reference's finaliser": """
import weakref
weakref.finalize(np, open, OUTSIDE + "/late", "w")
""",
    "a thread that goes on": """
import threading
def late():
    while True:
        try:
            open(OUTSIDE + "/late", "w")
        except OSError:
            pass
threading.Thread(target=late).start()
""",
    "an alarm": """
import signal
signal.signal(signal.SIGALRM, lambda *_: open(OUTSIDE + "/late", "w"))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
""",
    "a trace function": """
import sys
def trace(frame, event, argument):
    open(OUTSIDE + "/traced", "w")
    return trace
sys.settrace(trace)
""",
    "a profile function": """
import sys
sys.setprofile(lambda *_: open(OUTSIDE + "/profiled", "w"))
""",
    "an audit hook": """
import sys
def hook(event, arguments):
    raise RuntimeError("no")
sys.addaudithook(hook)
""",
    "an exception hook": """
import sys
sys.excepthook = sys.unraisablehook = lambda *_: open(OUTSIDE + "/hooked", "w")
raise ValueError
""",
    "an import hook": """
import sys
class Finder:
    def find_spec(self, name, path, target=None):
        open(OUTSIDE + "/imported", "w")
sys.meta_path.insert(0, Finder())
""",
    "no way to exit": """
import os, sys
os._exit = sys.exit = lambda *_: None
""",
    "a value that acts when compared": """
class Value(float):
    def __eq__(self, other):
        return open(OUTSIDE + "/compared", "w")
    __lt__ = __gt__ = __float__ = __hash__ = __array__ = __eq__
def compute_reward(x):
    return Value(), {"part": Value()}
""",
    "a part's name that acts": """
class Name(str):
    def __str__(self):
        return open(OUTSIDE + "/named", "w").read()
    __repr__ = __format__ = __str__
def compute_reward(x):
    return -x, {Name("part"): -x}
""",
    "a dictionary that acts": """
class Parts(dict):
    def items(self):
        return open(OUTSIDE + "/listed", "w")
    __iter__ = keys = values = __len__ = items
def compute_reward(x):
    return -x, Parts(part=-x)
""",
    "forge numpy": """
np.mean = np.sum = np.asarray = np.isfinite = lambda *_, **__: 1e9
""",
    "forge ndarray's helpers": """
import numpy.core.multiarray as inner
inner.array = inner.zeros = None
""",
    "forge success": """
import sys
for module in list(sys.modules.values()):
    for name in ("step", "success", "evaluate"):
        if hasattr(module, name):
            setattr(module, name, lambda *_, **__: 1e9)
""",
    "forge every environment in memory": """
import gc
for thing in gc.get_objects():
    if hasattr(type(thing), "step"):
        type(thing).step = lambda self, action: (None, 1e9, True, False, {"success": True})
""",
    "forge json": """
import json
json.dumps = json.encoder.JSONEncoder.encode = lambda *_, **__: '{"value": {"score": 1e9}}'
""",
    "forge the jail": """
import rewardsmith.llm_reward_design.jail.answer as answer
import rewardsmith.llm_reward_design.jail.child as child
child.encode = answer.encode = lambda value: b'{"value": {"score": 1e9}}'
""",
    "forge the lock": """
import rewardsmith.llm_reward_design.jail.lockdown as lockdown
lockdown._locked = False
stolen = open(SECRET).read()
""",
}
