"""Answers of jailed programs: read as they were sent, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.llm_reward_design.jail.answer import LONGEST, BadAnswer, decode, encode
from rewardsmith.llm_reward_design.jail.failure import describe
from rewardsmith.llm_reward_design.jail.source import execute

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
@settings(max_examples=60)
def test_answers_come_back_as_they_were_sent(value: object) -> None:
    assert decode(encode(value)) == value


@given(
    st.binary(max_size=60) | st.text('[]{}":,0123456789.eE-+\\u aN', max_size=40).map(str.encode)
)
@settings(max_examples=200)
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except BadAnswer:
        return
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"NaN",
        b"1e999",
        b"-Infinity",
        str(2**63).encode(),
        b"1" * 5000,
        b'"\\ud800"',
        b'{"\\udc00": 1}',
        b'{"a": 1, "a": 1}',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b"\xff",
        '"x"'.encode("utf-16"),
        b'"' + b"x" * LONGEST + b'"',
    ],
)
def test_bad_answers_are_refused(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        decode(data)


class Hostile(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


@pytest.mark.parametrize("error", [Hostile(), ValueError("x" * 10**6), ValueError("\ud800\x00")])
def test_any_error_can_be_described(error: Exception) -> None:
    assert len(describe(error).encode()) < 10_000


def test_causes_of_an_error_are_told() -> None:
    source = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('no') from e"
    with pytest.raises(ValueError) as raised:
        execute(source)
    told = describe(raised.value)
    assert told.index("line 2") < told.index("direct cause") < told.index("line 4")
    assert __file__ not in told
