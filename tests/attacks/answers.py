"""Answers that are none, and errors that bite."""

_ALL = """
import os
def answer(data):
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
    os._exit(0)
"""

TEXTS = {
    "no answer": """
import os
os._exit(0)
""",
    "no answer and a bad status": """
import os
os._exit(77)
""",
    "forge an answer": _ALL + """answer(b'{"value": {"score": 1e9}}')""",
    "forge an error": _ALL + """answer(b'{"error": "\\\\u001b[2J", "out_of_memory": true}')""",
    "no JSON": _ALL + "answer(bytes(range(256)))",
    "half an answer": _ALL + """answer(b'{"value": [1, 2')""",
    "two answers": _ALL + """answer(b'{"value": 1}{"value": 2}')""",
    "another form": _ALL + "answer(b'[]')",
    "both value and error": _ALL + """answer(b'{"value": 1, "error": "x"}')""",
    "an error that is no text": _ALL + """answer(b'{"error": {}}')""",
    "nested without end": _ALL + """answer(b'{"value":' + b"[" * 100000 + b"]" * 100000 + b"}")""",
    "nested deeply": _ALL + """answer(b'{"value":' + b"[" * 900 + b"]" * 900 + b"}")""",
    "a huge integer": _ALL + """answer(b'{"value": 1' + b"0" * 1000000 + b"}")""",
    "a large integer": _ALL + """answer(b'{"value": 1' + b"0" * 400 + b"}")""",
    "an infinite number": _ALL + """answer(b'{"value": 1e999}')""",
    "not a number": _ALL + """answer(b'{"value": NaN}')""",
    "a key twice": _ALL + """answer(b'{"value": {"a": 1, "a": 2}}')""",
    "a lone surrogate": _ALL + """answer(b'{"value": "\\\\ud800"}')""",
    "another encoding": _ALL + """answer('{"value": 1}'.encode("utf-16"))""",
    "a huge answer": "stolen = 'x' * (20 << 20)",
    "a huge forged answer": _ALL + """answer(b'{"value": "' + b"x" * (20 << 20) + b'"}')""",
    "sys.exit": """
import sys
sys.exit(0)
""",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "an exception of its own": """
class Odd(BaseException):
    pass
raise Odd
""",
    "an error that cannot be told": """
class Odd(Exception):
    def __str__(self):
        raise SystemExit(open(OUTSIDE + "/told", "w"))
    __repr__ = __str__
raise Odd
""",
    "an error that never stops telling": """
class Odd(Exception):
    def __str__(self):
        while True:
            pass
raise Odd
""",
    "an error whose class bites": """
class Meta(type):
    __qualname__ = property(lambda self: 1 / 0)
    __name__ = __module__ = __qualname__
class Odd(Exception, metaclass=Meta):
    pass
raise Odd
""",
    "a huge error": "raise ValueError('x' * (1 << 28))",
    "an error with control characters": "raise ValueError('\\x1b]0;owned\\x07\\x1b[2J')",
    "a chain of errors": """
error = None
for number in range(100000):
    new = ValueError(number)
    new.__cause__ = error
    error = new
raise error
""",
    "a ring of errors": """
a, b = ValueError("a"), ValueError("b")
a.__cause__, b.__cause__ = b, a
raise a
""",
    "a tree of errors": """
error = ValueError()
for _ in range(2000):
    error = ExceptionGroup("g", [error, error])
raise error
""",
    "output that takes over a terminal": "print('\\x1b[2J\\x1b]0;owned\\x07\\u202e\\ud800')",
    "standard output closed": """
import os, sys
os.close(1)
os.close(2)
sys.stdout = sys.stderr = None
""",
}
