"""Quick feedback on a reward program, read off its syntax tree.

This is a lint and NOT the boundary. It tells a writer early what will not work, and catches
accidents; a program made to get past it gets past it, as every check of Python's syntax tree
has been (CVE-2025-5120, CVE-2025-9959, CVE-2026-4963). What holds untrusted code is the jail,
and a program without findings is as untrusted as one with many.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.extract import LONGEST_PROGRAM
from rewardsmith.llm_reward_design.program import FUNCTION, Provenance, RewardProgram


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NUMPY = _words(
    """
    abs absolute acos acosh add all allclose amax amin any append apply_along_axis arange arccos
    arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere array asarray
    ascontiguousarray asin asinh astype atan atan2 atanh atleast_1d atleast_2d average bitwise_and
    bitwise_or bool bool_ broadcast_to cbrt ceil choose clip column_stack concat concatenate copy
    copysign cos cosh count_nonzero cross cumprod cumsum deg2rad degrees diff digitize divide dot
    dtype e ediff1d einsum empty empty_like equal errstate exp exp2 expand_dims expm1 eye fabs
    finfo flatnonzero flip float32 float64 floating floor floor_divide fmax fmin fmod full
    full_like gradient greater greater_equal heaviside hstack hypot identity iinfo inf inner int32
    int64 int_ integer interp invert isclose isfinite isin isinf isnan isscalar ldexp less
    less_equal linalg linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or
    logical_xor logspace matmul matvec max maximum mean median min minimum mod multiply nan
    nan_to_num nanmax nanmean nanmin nansum ndarray ndim negative newaxis nonzero not_equal number
    ones ones_like outer percentile permute_dims pi piecewise polyval pow power prod ptp quantile
    rad2deg radians ravel reciprocal remainder repeat reshape rint roll round select shape sign
    signbit sin sinc sinh size sort split sqrt square squeeze stack std subtract sum swapaxes take
    take_along_axis tan tanh tensordot tile trace transpose tri tril triu true_divide trunc unique
    unwrap var vdot vecdot vstack where zeros zeros_like
    """
)
"""What a program may use of numpy: functions of arrays that touch neither files nor memory."""

LINALG = _words("cross det eigh eigvalsh inv matmul norm outer solve trace vecdot")
"""What a program may use of `numpy.linalg`."""

_ANYTHING: frozenset[str] = frozenset()
_MODULES = {
    "numpy": NUMPY,
    "numpy.linalg": LINALG,
    "numpy.typing": _ANYTHING,
    "math": _ANYTHING,
    "typing": _ANYTHING,
    "__future__": _ANYTHING,
}

_NAMES = _words(
    """
    __import__ breakpoint compile delattr dir eval exec exit getattr globals help input locals
    memoryview open print quit setattr type vars
    """
)
_ATTRIBUTES = _words(
    """
    ag_await ag_code ag_frame ctypes cr_await cr_code cr_frame cr_origin dump dumps f_back
    f_builtins f_code f_globals f_locals f_trace format_map func_globals gi_code gi_frame
    gi_yieldfrom mro tb_frame tb_next tofile with_traceback
    """
)
_REDUCTIONS = _words(
    "all amax amin any average max mean median min norm prod ptp std sum var argmax argmin"
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something in a program that will not work, or that it has no need of.

    Attributes:
        line: Line of the program, counted from 1.
        message: What, and what to write instead.
    """

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


def lint(source: str, card: EnvCard | None = None) -> list[Finding]:
    """Returns what should be mended in a program before it is tried, by line.

    An empty list does not make a program safe to run: see the head of this file.

    Args:
        source: The program.
        card: The task, to look the program's inputs up; None to leave that out.

    Example:
        >>> for finding in lint("def compute_reward(x): return np.norm(x, axis=1), {}"):
        ...     print(finding)
        line 1: np.norm: write np.linalg.norm
    """
    if len(source) > LONGEST_PROGRAM:
        return [Finding(1, f"{len(source):,} characters; write at most {LONGEST_PROGRAM:,}")]
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [Finding(error.lineno or 1, f"does not parse: {error.msg}")]
    except (ValueError, RecursionError, MemoryError) as error:
        return [Finding(1, f"does not parse: {error or 'it is nested too deeply'}")]
    nodes = list(ast.walk(tree))
    found = {Finding(getattr(n, "lineno", 1), said) for n in nodes for said in _wrong_with(n)}
    return sorted(found | set(_numpy_uses(nodes)) | set(_signature(source, tree, card)))


def _signature(source: str, tree: ast.Module, card: EnvCard | None) -> Iterator[Finding]:
    """Yields what is wrong with the function's name and arguments."""
    program = RewardProgram(source, Provenance("", ""))
    try:
        if card is None:
            program.arguments()
        else:
            program.check(card)
    except ConfigError as error:
        defined = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == FUNCTION)
        yield Finding(next((n.lineno for n in defined), 1), str(error))


def _wrong_with(node: ast.AST) -> Iterator[str]:
    """Yields what is wrong with one node by itself."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                if alias.name not in _MODULES:
                    yield f"import {alias.name}: only numpy and math can be imported"
        case ast.ImportFrom(module=module, names=names, level=level):
            yield from _imported(module or "", [alias.name for alias in names], level)
        case ast.Name(id=name) if name in _NAMES or (_is_dunder(name) and name != "__name__"):
            yield f"{name} is not for reward programs; compute with arrays alone"
        case ast.Attribute(attr="format", value=value) if not _is_plain_text(value):
            yield "format only plain text that stands in the program itself"
        case ast.Attribute(attr=name) if name in _ATTRIBUTES or _is_dunder(name):
            yield f".{name} reaches into the interpreter; compute with arrays alone"
        case ast.Call(func=ast.Attribute(attr=name)) if name in _REDUCTIONS and _mixes_rows(node):
            yield f"{name} without an axis mixes the environments; give axis=1 to stay within each"
        case ast.While(test=ast.Constant(value=value)) if value:
            yield "the loop has no end of its own; loop over a range"
        case ast.Global() | ast.Nonlocal():
            yield "a program keeps nothing between calls: use local variables"
        case ast.ClassDef():
            yield "no classes: write plain functions"
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield "nothing to wait for: write plain functions without async"
        case ast.FunctionDef(decorator_list=[_, *_]):
            yield "no decorators: write plain functions"


def _imported(module: str, names: list[str], level: int) -> Iterator[str]:
    if level or module not in _MODULES:
        yield f"from {'.' * level}{module} import: only numpy and math can be imported"
        return
    allowed = _MODULES[module]
    for name in names:
        if allowed and name not in allowed:
            yield f"from {module} import {name}: {_instead(module, name)}"


def _numpy_uses(nodes: list[ast.AST]) -> Iterator[Finding]:
    """Yields what is used of numpy and is not on the lists, and numpy used as a value."""
    called = {"np": "numpy"}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                called[alias.asname or root] = alias.name if alias.asname else root

    def module_of(node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return called.get(name, "")
            case ast.Attribute(value=ast.Name(id=name), attr="linalg"):
                return "numpy.linalg" if called.get(name) == "numpy" else ""
        return ""

    uses = [node for node in nodes if isinstance(node, ast.Attribute)]
    for use in uses:
        module = module_of(use.value)
        allowed = _MODULES.get(module, _ANYTHING)
        if allowed and use.attr not in allowed:
            yield Finding(use.lineno, f"{ast.unparse(use)}: {_instead(module, use.attr)}")
    bases = {id(use.value) for use in uses}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in called and id(node) not in bases:
            yield Finding(node.lineno, f"{node.id} is used as a value; use its functions by name")


def _instead(module: str, name: str) -> str:
    """Says what to write instead of a name that is on no list."""
    if name == "random":
        return "a reward must be equal for equal steps; leave chance out"
    if name in LINALG:
        return f"write np.linalg.{name}"
    near = difflib.get_close_matches(name, _MODULES[module], n=1)
    prefix = "np.linalg" if module == "numpy.linalg" else "np"
    mend = f"did you mean {prefix}.{near[0]}?" if near else "use plain functions of arrays"
    return f"not at hand; {mend}"


def _mixes_rows(call: ast.Call) -> bool:
    """Tells whether a reduction, np.sum(x) or x.sum(), goes over all of an array at once."""
    if any(keyword.arg in ("axis", None) for keyword in call.keywords):
        return False
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if owner not in ("np", "numpy", "np.linalg", "numpy.linalg"):
        return not call.args
    listed = call.args and isinstance(call.args[0], ast.List | ast.Tuple | ast.Constant)
    before_axis = 2 if owner.endswith("linalg") else 1
    return not listed and len(call.args) <= before_axis


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_plain_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and "__" not in str(node.value)
