"""When calls of functions are right: the rules by which BFCL compares them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewardsmith.envs.text.transcript import ToolCall

Function = Mapping[str, Any]
"""BFCL's description: `name`, `description`, `parameters` with `properties` and `required`."""

Accepted = Mapping[str, Mapping[str, Sequence[Any]]]
"""One call: `{function: {argument: [accepted values]}}`; "" means it may be left out."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "float": (float, int),
    "number": (float, int),
    "boolean": (bool,),
    "array": (list,),
    "tuple": (list,),
    "dict": (dict,),
    "object": (dict,),
}
_IGNORED = re.compile(r"[ ,./\-_*^]")


def accepts(
    calls: Sequence[ToolCall], accepted: Sequence[Accepted], functions: Sequence[Function]
) -> bool:
    """Whether calls are the accepted ones, in any order.

    The rules of BFCL's check by syntax tree, Patil et al. 2025:
        - as many calls as accepted, and a one-to-one match between them (BFCL takes the first
          that fits; here one is found if there is one);
        - the function's name is the same, all required arguments are there, none is unknown,
          and one may be left out only if "" is among its values;
        - a value has the declared type, where a whole number will do for a float, or else the
          type of the accepted value (BFCL: a variable in place of a value);
        - texts agree without regard to case, blanks and `,./-_*^`, and " is '; lists agree
          element by element; a dictionary has a list of accepted values for each of its keys.

    Example:
        >>> wave = {"name": "wave", "parameters": {"properties": {"to": {"type": "string"}},
        ...                                        "required": ["to"]}}
        >>> accepts([ToolCall("wave", {"to": "ann"})], [{"wave": {"to": ["Ann"]}}], [wave])
        True
    """
    if len(calls) != len(accepted):
        return False
    known = {function["name"]: function["parameters"] for function in functions}
    fits = [[i for i, call in enumerate(calls) if _fits(call, gold, known)] for gold in accepted]
    owner: dict[int, int] = {}
    return all(_match(gold, fits, owner, set()) for gold in range(len(accepted)))


def gold_calls(accepted: Sequence[Accepted], functions: Sequence[Function]) -> list[ToolCall]:
    """Returns calls that are accepted: the first value of each argument that must be there.

    Example:
        >>> gold_calls([{"wave": {"to": ["Ann", "ann"], "hands": ["", 1]}}], [])
        [ToolCall(name='wave', arguments={'to': 'Ann'})]
    """
    required = {f["name"]: f["parameters"].get("required", ()) for f in functions}
    calls = []
    for gold in accepted:
        ((name, values),) = gold.items()
        calls.append(ToolCall(name, _first_of(values, required.get(name, ()))))
    return calls


def _match(gold: int, fits: list[list[int]], owner: dict[int, int], tried: set[int]) -> bool:
    """Finds a call for an accepted one, moving others to further calls where needed."""
    for call in fits[gold]:
        if call not in tried:
            tried.add(call)
            if call not in owner or _match(owner[call], fits, owner, tried):
                owner[call] = gold
                return True
    return False


def _fits(call: ToolCall, gold: Accepted, known: Mapping[str, Any]) -> bool:
    ((name, values),) = gold.items()
    if call.name != name or name not in known:
        return False
    properties = known[name].get("properties", {})
    if any(argument not in call.arguments for argument in known[name].get("required", ())):
        return False
    if any("" not in values[argument] for argument in values.keys() - call.arguments.keys()):
        return False
    return all(
        argument in properties
        and argument in values
        and _value_fits(value, values[argument], properties[argument])
        for argument, value in call.arguments.items()
    )


def _value_fits(value: Any, accepted: Sequence[Any], declared: Mapping[str, Any]) -> bool:
    typed = _is_declared(value, declared)
    return any(
        (typed or (type(value) is type(option) and not _is_declared(option, declared)))
        and same_value(value, option)
        for option in accepted
    )


def _is_declared(value: Any, declared: Mapping[str, Any]) -> bool:
    items = declared.get("items", {}).get("type", "")
    inner = value if isinstance(value, list) else []
    return _is_a(declared["type"], value) and all(_is_a(items, item) for item in inner)


def _is_a(kind: str, value: Any) -> bool:
    """Whether a JSON value is of a type; every value is of an unknown one."""
    if isinstance(value, bool):
        return kind == "boolean" or kind not in _TYPES
    return kind not in _TYPES or isinstance(value, _TYPES[kind])


def same_value(value: Any, option: Any) -> bool:
    """Whether a value is an accepted one, by the rules of `accepts` but for declared types.

    Example:
        >>> same_value("New York", "new-york"), same_value({"beds": 2}, {"beds": [1, 2]})
        (True, True)
    """
    if isinstance(option, Mapping):
        return (
            isinstance(value, Mapping)
            and all(key in option for key in value)
            and all(
                any(same_value(value[key], one) for one in options)
                if key in value
                else "" in options
                for key, options in option.items()
            )
        )
    if isinstance(option, list):
        return (
            isinstance(value, list)
            and len(value) == len(option)
            and all(same_value(one, other) for one, other in zip(value, option, strict=True))
        )
    if isinstance(option, str):
        return isinstance(value, str) and _plain(value) == _plain(option)
    return isinstance(value, bool) == isinstance(option, bool) and bool(value == option)


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _first_of(values: Mapping[str, Sequence[Any]], required: Sequence[str]) -> dict[str, Any]:
    """Returns the first accepted value of every key that may not be left out."""
    return {
        key: _concrete(next((option for option in options if option != ""), ""))
        for key, options in values.items()
        if key in required or "" not in options
    }


def _concrete(option: Any) -> Any:
    if isinstance(option, Mapping):
        return _first_of(option, ())
    return [_concrete(one) for one in option] if isinstance(option, list) else option
