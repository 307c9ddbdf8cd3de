"""From answers to programs: what is taken, what is refused, and what the refusal says."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.llm_reward_design.extract import (
    LONGEST_ANSWER,
    LONGEST_PROGRAM,
    ExtractError,
    extract,
)

PROGRAM = """\
import numpy as np

def compute_reward(distance):
    near = np.exp(-distance)
    return near, {"near": near}
"""
DRAFT = PROGRAM.replace("np.exp(-distance)", "-distance")
USE = "reward, parts = compute_reward(distance)\nprint(parts)\n"


def fenced(code: str, fence: str = "```", language: str = "python") -> str:
    return f"{fence}{language}\n{code}{fence}\n"


@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
@pytest.mark.parametrize("language", ["python", "", "py", "Python title=reward"])
def test_every_fence_is_taken(fence: str, language: str) -> None:
    assert extract(f"Nearer is better.\n\n{fenced(PROGRAM, fence, language)}\nDone.") == PROGRAM


@pytest.mark.parametrize(
    "answer",
    [
        PROGRAM,
        f"\ufeff{PROGRAM}",
        PROGRAM.replace("\n", "\r\n"),
        f"Here it is:\n\n{PROGRAM}\nI hope that this helps!",
        fenced(PROGRAM).removesuffix("```\n"),
        fenced(PROGRAM.removesuffix("\n")) + "Done.",
        "1. First:\n" + "".join(f"   {line}\n" for line in fenced(PROGRAM).splitlines()),
        fenced(PROGRAM.replace("    ", "\t")),
        fenced(PROGRAM.replace("\n", "  \n")),
        fenced(USE) + fenced(PROGRAM) + fenced(USE),
        fenced(DRAFT) + "Better:\n" + fenced(PROGRAM) + fenced(USE),
        fenced(PROGRAM) + "Broken:\n" + fenced("def compute_reward(:\n"),
        fenced("pip install numpy\n", language="bash") + fenced(PROGRAM),
        f"`def compute_reward` comes next.\n{fenced(PROGRAM)}",
    ],
)
def test_the_program_is_found(answer: str) -> None:
    margin = 8 if "\t" in answer else 4
    assert extract(answer) == PROGRAM.replace("    ", " " * margin)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "holds no code"),
        ("I cannot help with that.", "holds no code"),
        ("Call it `def compute_reward(x): return x` and be done.", "holds no code"),
        ("Use 'compute_reward' or \"np.exp(-distance)\" at will.", "holds no code"),
        (fenced(USE), "holds no code"),
        (fenced("def reward(x):\n    return x\n"), "defines reward but not compute_reward; name"),
        (
            fenced("class Reacher:\n    def compute_reward(self):\n        return 0\n"),
            "the method Reacher.compute_reward; define the function compute_reward at the top",
        ),
        (fenced("class A:\n    def pay(self): ...\n"), "defines A.pay but not compute_reward"),
        (fenced("def compute_reward(x):\n    return x +\n"), "line 2: invalid syntax in `return"),
        (fenced("def compute_reward(x):\n    y = 'a\0'\n"), "does not parse: "),
        ("```python\ndef compute_reward(x):\n    return np.exp(", "never closed: was the answer"),
        (fenced(f"x = {'(' * 500}\n{PROGRAM}"), "does not parse: .*nested"),
        (fenced(PROGRAM + "x = " + "-" * 60_000 + "1\n"), "does not parse: .*(nested|depth)"),
        (fenced(PROGRAM + "x = 1\n" * LONGEST_PROGRAM), "characters long; write at most 65,536"),
        ("a" * (LONGEST_ANSWER + 1), "10,000,001 characters long; at most 10,000,000"),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_expected(answer: str, message: str) -> None:
    with pytest.raises(ExtractError, match=message) as refused:
        extract(answer)
    assert len(str(refused.value)) < 300


def test_another_function_can_be_asked_for() -> None:
    source = "def compute_dense_reward(self, action):\n    return 0.0\n"
    assert extract(fenced(source), "compute_dense_reward") == source


@pytest.mark.parametrize(
    "unit", ["```\n", "x", " ", "`", "~~~\n", "def \n", "import ", fenced("def compute_reward(:\n")]
)
def test_time_is_linear_in_the_answer(unit: str) -> None:
    """Sixteen times the text takes far less than the 256 times of a quadratic reading."""

    def seconds(size: int) -> float:
        answer = unit * (size // len(unit))
        start = time.process_time()
        with pytest.raises(ExtractError):
            extract(answer)
        return time.process_time() - start

    small = max(min(seconds(50_000) for _ in range(3)), 1e-3)
    assert seconds(800_000) < 64 * small


prose = st.lists(
    st.text(st.characters(exclude_characters="`~", exclude_categories=["Cs"]), max_size=40),
    max_size=6,
).map("\n".join)
names = st.sampled_from(["near", "far", "speed", "fuel"])


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A program with a helper, a docstring that speaks of programs, and some parts."""
    parts = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    lines = [f"    {name} = {draw(st.floats(-9, 9))} * x" for name in parts]
    blank = "\n" * draw(st.integers(1, 3))
    return (
        f"import numpy as np\n{blank}def helper(x):\n    return x\n{blank}"
        'def compute_reward(x):\n    """Not `def compute_reward(y)`."""\n'
        + "\n".join(lines)
        + f"\n    return {' + '.join(parts)}, {{{', '.join(f'{p!r}: {p}' for p in parts)}}}\n"
    )


@settings(max_examples=100)
@given(programs(), prose, prose, st.sampled_from(["```", "~~~", "`````"]))
def test_any_program_is_found_in_any_prose(
    program: str, before: str, after: str, fence: str
) -> None:
    assert extract(f"{before}\n{fenced(program, fence)}{after}") == program


@settings(max_examples=100)
@given(st.text(st.sampled_from(list("`~ \ndefcomputrwa_():'\"")), max_size=200))
def test_no_text_does_more_than_be_refused(answer: str) -> None:
    with contextlib.suppress(ExtractError):
        compile(extract(answer), "answer", "exec")
