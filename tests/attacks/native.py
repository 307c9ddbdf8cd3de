"""Past Python: the C library, raw system calls, machine code."""

_LIBC = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
"""
_CODE = """
import ctypes, mmap
def run(code):
    memory = mmap.mmap(-1, 4096, prot=7)
    memory.write(code)
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_long)(at)()
"""

TEXTS = {
    "libc open": _LIBC
    + """
buffer = ctypes.create_string_buffer(100)
libc.read(check(libc.open(SECRET.encode(), 0)), buffer, 100)
stolen = buffer.value
""",
    "libc system": _LIBC
    + """
if libc.system(("echo x > " + OUTSIDE + "/made").encode()):
    check(-1)
""",
    "libc socket": _LIBC
    + """
s = check(libc.socket(2, 1, 0))
address = (2).to_bytes(2, "little") + TCP4.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
check(libc.connect(s, address, 16))
""",
    "syscall openat": _LIBC
    + """
import platform
number = {"x86_64": 257, "aarch64": 56}[platform.machine()]
buffer = ctypes.create_string_buffer(100)
libc.read(check(libc.syscall(number, -100, SECRET.encode(), 0, 0)), buffer, 100)
stolen = buffer.value
""",
    "syscall openat2": _LIBC
    + """
how = (ctypes.c_uint64 * 3)()
buffer = ctypes.create_string_buffer(100)
libc.read(check(libc.syscall(437, -100, SECRET.encode(), how, 24)), buffer, 100)
stolen = buffer.value
""",
    "syscall fork": _LIBC
    + """
child = check(libc.fork())
if child == 0:
    libc.setsid()
    libc.sleep(60)
""",
    "syscall vfork": _LIBC
    + """
child = check(libc.syscall(58))
if child == 0:
    libc.execve(b"/bin/sleep", (ctypes.c_char_p * 3)(b"sleep", b"60"), 0)
""",
    "syscall clone into namespaces": _LIBC
    + """
child = check(libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0))
if child == 0:
    libc.sleep(60)
""",
    "syscall clone3": _LIBC
    + """
arguments = (ctypes.c_uint64 * 8)()
arguments[4] = 17
child = check(libc.syscall(435, arguments, 64))
if child == 0:
    libc.sleep(60)
""",
    "libc execve": _LIBC
    + """
check(libc.execve(b"/bin/cp", (ctypes.c_char_p * 4)(b"cp", SECRET.encode(), b"copied"), 0))
""",
    "process_vm_readv": _LIBC
    + """
buffer = ctypes.create_string_buffer(32)
local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 32)
remote = (ctypes.c_size_t * 2)(ADDRESS, 32)
check(libc.process_vm_readv(PARENT, local, 1, remote, 1, 0))
stolen = buffer.raw
""",
    "ptrace": _LIBC
    + """
import os
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
check(libc.ptrace(0x4206, PARENT, None, None))
check(libc.ptrace(0x4207, PARENT, None, None))
os.waitpid(PARENT, 0x40000000)
stolen = b""
for offset in range(0, 32, 8):
    stolen += libc.ptrace(1, PARENT, ADDRESS + offset, None).to_bytes(8, "little", signed=True)
libc.ptrace(17, PARENT, None, None)
""",
    "the memory of this process": """
import ctypes
stolen = ctypes.string_at(ADDRESS, 32)
""",
    "an array over foreign memory": """
class Window:
    __array_interface__ = {"data": (ADDRESS, True), "shape": (32,), "typestr": "|u1", "version": 3}
stolen = np.array(Window()).tobytes()
""",
    "strides": """
stolen = np.lib.stride_tricks.as_strided(x, (1 << 20,), (-4096,)).sum()
""",
    "np.ctypeslib": """
libc = np.ctypeslib.load_library("libc.so.6", "/lib/x86_64-linux-gnu")
if libc.system(("echo x > " + OUTSIDE + "/made").encode()):
    raise OSError("refused")
""",
    "cffi": """
import cffi
ffi = cffi.FFI()
ffi.cdef("int system(const char *);")
ffi.dlopen(None).system(("echo x > " + OUTSIDE + "/made").encode())
""",
    "machine code": _CODE
    + """
code = bytes.fromhex("b83e000000bf") + PARENT.to_bytes(4, "little")  # kill
code += bytes.fromhex("be0a0000000f05c3")
if run(code) < 0:
    raise OSError("refused")
""",
    "machine code of another architecture": _CODE
    + """
code = bytes.fromhex("53b825000000bb") + PARENT.to_bytes(4, "little")  # int 0x80: kill
code += bytes.fromhex("b90a000000cd805bc3")
if run(code) < 0:
    raise OSError("refused")
""",
    "system calls of the x32 table": _LIBC
    + """
check(libc.syscall(0x40000000 + 62, PARENT, 10))
""",
    "a segmentation fault": """
import ctypes
ctypes.string_at(0)
""",
    "an abort": """
import os
os.abort()
""",
    "a debugger's hook": """
import faulthandler, os
faulthandler.register(10, chain=True)
os.kill(PARENT, 10)
""",
}
