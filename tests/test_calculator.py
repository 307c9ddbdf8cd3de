"""`Calculator-v0`: exact arithmetic, numbers as people write them, GSM8K, the menu."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.text.arithmetic import evaluate, read_number, write_number
from rewardsmith.envs.text.calculator import Calculator, CalculatorDialogue
from rewardsmith.envs.text.dialogue import Budget
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.word_problems import load_gsm8k, right

GSM8K = Path("/work/shared/data/gsm8k/train.jsonl")

OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: Fraction(a // b),
    "%": lambda a, b: a % b,
}
numbers = st.integers(0, 999).map(lambda n: (str(n), Fraction(n))) | st.decimals(
    0, 99, places=2
).map(lambda d: (str(d), Fraction(d)))
Term = tuple[str, Fraction]


def join(left: Term, operator: str, right_: Term) -> Term:
    """Writes an operation in parentheses, beside its value."""
    if operator in ("/", "//", "%") and not right_[1]:
        operator = "+"
    return f"({left[0]} {operator} {right_[0]})", OPERATIONS[operator](left[1], right_[1])


terms = st.recursive(
    numbers,
    lambda inner: (
        st.builds(join, inner, st.sampled_from(list(OPERATIONS)), inner)
        | inner.map(lambda term: (f"-{term[0]}", -term[1]))
    ),
    max_leaves=5,
)


@given(terms)
def test_values_are_exact(term: Term) -> None:
    assert evaluate(term[0]) == term[1]


@given(st.integers(-9, 9), st.integers(0, 9))
def test_powers(base: int, exponent: int) -> None:
    assert evaluate(f"({base})**{exponent}") == Fraction(base) ** exponent


@given(st.integers(-99, 99), *[st.integers(1, 99)] * 3)
def test_precedence_is_that_of_python(a: int, b: int, c: int, d: int) -> None:
    text = f"{a} - {b} * {c} // {d} + {a} % {b} * -{c}"
    assert evaluate(text) == eval(text)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1/0", "division by zero"),
        ("0**-1", "division by zero"),
        ("5 % (3-3)", "division by zero"),
        ("9**99", "an exponent must be a whole number up to 64"),
        ("2**0.5", "an exponent must be a whole number up to 64"),
        ("9**64", "the numbers grow too large"),
        ("(1/9**30)**2", "the numbers grow too large"),
        ("1e999", "the numbers grow too large|only numbers"),
        ("1" * 201, "longer than 200 characters"),
        ("two plus two", "no arithmetic expression"),
        ("", "no arithmetic expression"),
        ("1 +", "no arithmetic expression"),
        ("1\0", "no arithmetic expression"),
        ("(" * 150, "no arithmetic expression"),
        ("x", "only numbers"),
        ("abs(1)", "only numbers"),
        ("__import__('os')", "only numbers"),
        ("True + 1", "only numbers"),
        ("1j", "only numbers"),
        ("'a'*3", "only numbers"),
        ("[1][0]", "only numbers"),
        ("1 < 2", "only numbers"),
        ("1 << 9", "only numbers"),
        ("~1", "only numbers"),
    ],
)
def test_all_else_is_refused_with_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(ToolError, match=sentence):
        evaluate(expression)


@given(st.text("0123456789.+-*/%() e_jx,", max_size=40))
def test_whatever_is_written_gives_a_number_or_a_sentence(expression: str) -> None:
    try:
        value: object = evaluate(expression)
    except ToolError as error:
        value = str(error)
    assert isinstance(value, Fraction) or str(value).endswith(".")


@given(st.fractions(-(10**6), 10**6, max_denominator=10**4))
def test_a_number_that_is_written_is_read_back(value: Fraction) -> None:
    read = read_number(write_number(value))
    assert read is not None
    assert abs(read - value) <= Fraction(1, 2 * 10**10)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("65", 65),
        (" $1,250.50 ", Fraction(2501, 2)),
        ("-3", -3),
        ("12%", 12),
        ("3/4", Fraction(3, 4)),
        ("1 000", 1000),
        (".5", Fraction(1, 2)),
        ("12 or 13", None),
        ("1,2", None),
        ("", None),
        ("-", None),
        ("1/0", None),
        ("sixty", None),
        ("1e5", None),
        ("9" * 300, None),
    ],
)
def test_numbers_as_people_write_them(text: str, value: Fraction | int | None) -> None:
    assert read_number(text) == value


# ---- The task ---------------------------------------------------------------------------


def test_the_problem_says_what_its_call_computes() -> None:
    for difficulty in range(1, 6):
        dialogue = CalculatorDialogue(difficulty, None, Budget(), "train")
        for seed in range(20):
            task = dialogue.begin(seed).task
            assert evaluate(task.calls[0].arguments["expression"]) == Fraction(task.answer)
            assert len(task.facts["steps"]) == difficulty


@pytest.mark.parametrize(
    ("said", "paid"),
    [
        ("{}", 1.0),
        ("{}.0000001", 1.0),
        ("${}.00", 1.0),
        ("{}.01", 0.0),
        ("{0} or {0}", 0.0),
        ("not {}", 0.0),
        ("", 0.0),
    ],
)
def test_answers(said: str, paid: float) -> None:
    env = Calculator(1)
    env.reset(seed=5)
    answer = said.format(env.transcripts[0].task.answer)
    _, reward, terminated, _, info = env.step([write(answer=answer)])
    assert reward.tolist() == [paid]
    assert terminated.tolist() == [True]
    assert info["success"].tolist() == [paid == 1.0]


def test_the_menu_can_be_played_to_the_end() -> None:
    env = Calculator(4, difficulty=3, actions="menu")
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, _, terminated, _, _ = env.step(observation[:, :5].argmax(axis=1))
        assert not terminated.any()
    _, reward, *_ = env.step(observation[:, :5].argmax(axis=1))
    assert reward.tolist() == [1.0] * 4


# ---- GSM8K ------------------------------------------------------------------------------


def test_a_file_of_problems(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    row = {"question": "What is 2 dozen plus 1?", "answer": "2*12=<<2*12=24>>24\nso\n#### 25"}
    file.write_text(json.dumps(row) + "\n")
    (task,) = load_gsm8k(file)
    assert task.prompt == "What is 2 dozen plus 1?"
    assert task.answer == "25"
    assert [call.arguments for call in task.calls] == [{"expression": "2*12"}]
    env = Calculator(1, data=file, split="train" if right(task, "25") else "test")
    assert env.dialogue.menu_size == 0


@pytest.mark.parametrize("text", ["", "no json", '{"question": 3}', "[]", '{"answer": "#### 1"}'])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(text)
    with pytest.raises(EnvError, match=r"data .*problems\.jsonl"):
        Calculator(1, data=file)


@pytest.mark.skipif(not GSM8K.exists(), reason=f"{GSM8K} is not there")
def test_gold_answers_of_gsm8k_are_right() -> None:
    tasks = load_gsm8k(GSM8K)
    assert len(tasks) == 7473
    assert sum(right(task, task.answer) for task in tasks) >= 0.99 * len(tasks)
    dialogue = CalculatorDialogue(1, GSM8K, Budget(turns=20, calls=32), "train")
    won = [dialogue.play(dialogue.begin(seed), dialogue.oracle) for seed in range(300)]
    assert sum(transcript.success for transcript in won) >= 0.99 * len(won)
    lucky = [dialogue.play(dialogue.begin(seed), dialogue.hacker) for seed in range(300)]
    assert sum(transcript.success for transcript in lucky) <= 3  # one number, and it is the answer
    start = dialogue.begin(0)
    assert not dialogue.reply(start, parse(write(answer=start.task.prompt))).success
