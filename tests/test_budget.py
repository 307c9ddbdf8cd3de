"""No call that could exceed what may be spent is made."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chat_cases import ScriptedClient, echo, request
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.budget import Budget, Budgeted, Prices
from rewardsmith.llm_reward_design.clients.call_store import Spent, SqliteCalls
from rewardsmith.llm_reward_design.clients.recording import Recorded

READ = len("You write rewards.Write a reward.") + 2 * 16
"""Most tokens that the request of the tests can have."""


def budgeted(client: ScriptedClient, budget: Budget, prices: Prices | None = None) -> Budgeted:
    return Budgeted(client, budget, SqliteCalls(":memory:"), prices)


def outcome(client: Any, asked: Request) -> str:
    try:
        client.complete(asked)
    except ClientError as error:
        return error.kind
    return "answered"


def test_calls_end_with_their_budget() -> None:
    client = ScriptedClient()
    limited = budgeted(client, Budget(calls=3))
    assert [outcome(limited, request()) for _ in range(5)] == ["answered"] * 3 + ["budget"] * 2
    assert len(client.asked) == 3
    with pytest.raises(ClientError, match=r"budget of 3 calls .*3 are spent.*raise budget\.calls"):
        limited.complete(request())


@pytest.mark.parametrize(("tokens", "answered"), [(READ + 19, 0), (READ + 20, 1), (READ + 35, 2)])
def test_tokens_are_checked_by_their_worst_case(tokens: int, answered: int) -> None:
    client = ScriptedClient()  # takes 15 tokens a call
    limited = budgeted(client, Budget(tokens=tokens))
    for _ in range(4):
        outcome(limited, request(max_tokens=20))
    assert len(client.asked) == answered


def test_cost_is_checked_by_its_worst_case() -> None:
    prices = Prices(prompt=1e6, completion=2e6)  # 1 and 2 a token
    worst = READ + 2 * 20
    client = ScriptedClient()  # takes 0.25 a call
    limited = budgeted(client, Budget(cost=worst + 0.3), prices)
    for _ in range(4):
        outcome(limited, request(max_completion_tokens=20))
    assert len(client.asked) == 2


def test_what_was_spent_before_counts() -> None:
    store, client = SqliteCalls(":memory:"), ScriptedClient()
    for _ in range(2):  # a search, and the same one resumed
        limited = Recorded(Budgeted(client, Budget(calls=3), store), store)
        outcomes = [outcome(limited, request(sample=i)) for i in range(4)]
        assert outcomes == ["answered"] * 3 + ["budget"]
    assert len(client.asked) == 3
    assert store.spent() == Spent(3, 45, 0.75)


def test_a_call_without_an_answer_counts_nothing() -> None:
    def fail(asked: Request) -> Completion:
        if len(client.asked) < 4:
            raise ClientError("too busy", "overloaded")
        return echo(asked)

    client = ScriptedClient(fail)
    limited = budgeted(client, Budget(calls=1))
    outcomes = [outcome(limited, request()) for _ in range(5)]
    assert outcomes == ["overloaded"] * 3 + ["answered", "budget"]


@given(
    limits=st.tuples(st.integers(0, 12), st.integers(0, 900)),
    fails=st.sets(st.integers(0, 11)),
)
@settings(max_examples=25)
def test_threads_never_exceed_a_budget_and_leave_none_of_it(
    limits: tuple[int, int], fails: set[int]
) -> None:
    def answer(asked: Request) -> Completion:
        time.sleep(0.001)
        if asked.sample in fails:
            raise ClientError("too busy", "overloaded")
        return echo(asked)

    calls, tokens = limits
    limited = budgeted(ScriptedClient(answer), Budget(calls, tokens))
    asked = [request(sample=i, max_tokens=20) for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda one: outcome(limited, one), asked))
    by_tokens = max(0, (tokens - READ - 20) // 15 + 1)  # each but the last leaves room for a worst
    expected = min(calls, by_tokens)
    answered = outcomes.count("answered")
    assert answered <= expected
    if "budget" in outcomes:
        assert answered == expected


def test_a_call_that_could_fit_waits_for_those_under_way() -> None:
    gate = threading.Event()

    def answer(asked: Request) -> Completion:
        gate.wait(10)
        if asked.sample == 0:
            raise ClientError("too busy", "overloaded")
        return echo(asked)

    client = ScriptedClient(answer)
    limited = budgeted(client, Budget(calls=1))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, limited, request(sample=0))
        while not client.asked:
            time.sleep(0.01)
        second = pool.submit(outcome, limited, request(sample=1))
        time.sleep(0.1)
        assert not second.done()
        gate.set()
    assert (first.result(), second.result()) == ("overloaded", "answered")


def test_what_cannot_be_kept_is_refused() -> None:
    client = ScriptedClient(lambda asked: Completion("no counts"))
    with pytest.raises(ConfigError, match=r"budget.cost=5 cannot be kept without prices"):
        budgeted(client, Budget(cost=5.0))
    with pytest.raises(ConfigError, match=r"set sampling.max_completion_tokens or"):
        budgeted(client, Budget(tokens=500)).complete(request())
    assert client.asked == []
    with pytest.raises(ConfigError, match=r"tells no token counts.*limit budget.calls"):
        budgeted(client, Budget(tokens=500)).complete(request(max_tokens=5))


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "many", True])
def test_limits_and_prices_are_numbers(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"budget\.tokens must be a number of at least 0"):
        Budget(tokens=value)
    with pytest.raises(ConfigError, match=r"prices\.prompt must be a number of at least 0"):
        Prices(value, 1.0)


def test_the_rest_is_passed_on() -> None:
    client = ScriptedClient()
    limited = budgeted(client, Budget())
    assert (limited.name, limited.is_language_model) == ("scripted", True)
    assert limited.complete(request()) == echo(request())
    limited.close()
    assert client.closed.is_set()
