"""Reading and changing files that are none of a program's business."""

TEXTS = {
    "np.fromfile": "stolen = np.fromfile(SECRET, dtype='u1').tobytes()",
    "np.genfromtxt": "stolen = np.genfromtxt(SECRET, dtype=str)",
    "np.loadtxt": "stolen = np.loadtxt(SECRET, dtype=str)",
    "np.memmap to read": "stolen = bytes(np.memmap(SECRET, dtype='u1', mode='r'))",
    "np.memmap to write": "np.memmap(SECRET, dtype='u1', mode='r+')[:] = 0",
    "np.save": "np.save(OUTSIDE + '/saved.npy', x)",
    "np.savez": "np.savez(OUTSIDE + '/saved.npz', x)",
    "np.savetxt": "np.savetxt(OUTSIDE + '/saved.txt', x)",
    "tofile": "x.tofile(OUTSIDE + '/saved.bin')",
    "ndarray.dump": "x.dump(OUTSIDE + '/saved.pkl')",
    "np.load of a pickle": """
import io
class Bomb:
    def __reduce__(self):
        return (open, (OUTSIDE + "/unpickled", "w"))
file = io.BytesIO()
np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
file.seek(0)
np.load(file, allow_pickle=True)
""",
    "pickle": """
import pickle
pickle.loads(b"cposix\\nsystem\\n(V" + ("echo x > " + OUTSIDE + "/unpickled").encode() + b"\\ntR.")
""",
    "numpy's data source": """
from numpy.lib.npyio import DataSource
stolen = DataSource(None).open(SECRET).read()
""",
    "f2py": """
with open("f.f90", "w") as file:
    file.write("subroutine f()\\nend\\n")
np.f2py.run_main(["f.f90", "-m", "f", "--build-dir", OUTSIDE + "/build", "--quiet"])
""",
    "pathlib": """
import pathlib
stolen = pathlib.Path(SECRET).read_text()
""",
    "write a file": "open(OUTSIDE + '/written', 'w').write('x')",
    "append to a file": "open(SECRET, 'a').write('x')",
    "empty a file": """
import os
os.close(os.open(SECRET, os.O_RDONLY | os.O_TRUNC))
""",
    "truncate a file": """
import os
os.truncate(SECRET, 3)
""",
    "remove a file": """
import os
os.remove(SECRET)
""",
    "rename a file": """
import os
os.rename(SECRET, OUTSIDE + "/renamed")
""",
    "take a file": """
import os
os.rename(SECRET, "taken")
stolen = open("taken").read()
""",
    "a hard link": """
import os
os.link(SECRET, "linked")
stolen = open("linked").read()
""",
    "a symbolic link": """
import os
os.symlink(SECRET, "link")
stolen = open("link").read()
""",
    "a link left for the caller": """
import os
os.symlink(SECRET, "left")
""",
    "a way around": """
import os
stolen = open(os.path.relpath(SECRET)).read()
""",
    "from an open folder": """
import os
root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
stolen = os.read(os.open(SECRET[1:], os.O_RDONLY, dir_fd=root), 100)
""",
    "through /proc/self/root": "stolen = open('/proc/self/root' + SECRET).read()",
    "through /proc/self/cwd": "stolen = open('/proc/self/cwd/../outside/secret').read()",
    "list a folder": """
import os
stolen = [open(os.path.join(OUTSIDE, name)).read() for name in os.listdir(OUTSIDE)]
""",
    "make a folder": """
import os
os.mkdir(OUTSIDE + "/folder")
""",
    "change a mode": """
import os
os.chmod(SECRET, 0o777)
""",
    "change a mode by descriptor": """
import os
os.fchmod(os.open(SECRET, os.O_RDONLY), 0o777)
""",
    "change an owner": """
import os
os.chown(SECRET, 1234, 1234)
""",
    "change times": """
import os
os.utime(SECRET, (1, 1))
""",
    "change an attribute": """
import os
os.setxattr(SECRET, "user.jail", b"x")
""",
    "make a device": """
import os, stat
os.mknod(OUTSIDE + "/disk", 0o666 | stat.S_IFBLK, os.makedev(254, 0))
""",
    "make a pipe for the caller to hang on": """
import os
os.mkfifo("answer.json")
stolen = "a pipe"
""",
    "copy a file": """
import shutil
shutil.copy(SECRET, "copied")
""",
    "a temporary file elsewhere": """
import tempfile
tempfile.NamedTemporaryFile(dir=OUTSIDE, delete=False)
""",
    "sqlite": """
import sqlite3
sqlite3.connect(OUTSIDE + "/base").execute("create table t (x)").connection.commit()
""",
    "a log file": """
import logging.handlers
logging.handlers.RotatingFileHandler(OUTSIDE + "/log").emit(logging.makeLogRecord({"msg": "x"}))
""",
    "a tar file": """
import io, tarfile
file = io.BytesIO()
with tarfile.open(fileobj=file, mode="w") as tar:
    tar.addfile(tarfile.TarInfo("../outside/unpacked"))
file.seek(0)
tarfile.open(fileobj=file).extractall()
""",
    "a shelf": """
import shelve
shelve.open(OUTSIDE + "/shelf")["x"] = 1
""",
    "change numpy for the next run": """
with open(np.__file__, "a") as file:
    file.write("")
raise SystemExit("numpy can be changed: " + open(SECRET).read())
""",
    "change this package for the next run": """
import rewardsmith.llm_reward_design.jail as jail
with open(jail.__file__, "r+") as file:
    file.write("")
raise SystemExit("the jail can be changed: " + open(SECRET).read())
""",
    "leave bytecode for the next run": """
import os
cached = np.__spec__.cached
os.replace(cached, cached)
stolen = open(SECRET).read()
""",
}
