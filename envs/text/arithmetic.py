"""An exact calculator for expressions that strangers wrote, and numbers as people write them."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from fractions import Fraction

from rewardsmith.envs.text.tools import ToolError

LONGEST = 200
"""Characters of an expression."""

_LARGEST = Fraction(10**30)
_FINEST = 10**40
_HIGHEST_POWER = 64
_SHOWN_DIGITS = 10
_NUMBER = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?(/\d+)?")


def evaluate(expression: str) -> Fraction:
    """Returns the value of an expression over + - * / // % ** and parentheses, exactly.

    Raises:
        ToolError: If it is no such expression, divides by zero or grows too large.

    Example:
        >>> evaluate("(48+17)*2 - 1/2")
        Fraction(259, 2)
    """
    if len(expression) > LONGEST:
        raise ToolError(f"the expression is longer than {LONGEST} characters.")
    try:
        tree = ast.parse(expression.strip().replace(",", ""), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ToolError("this is no arithmetic expression.") from None
    return _value(tree.body)


def write_number(value: Fraction) -> str:
    """Writes a number as people do, with up to ten decimals.

    Example:
        >>> write_number(Fraction(65)), write_number(Fraction(1, 8)), write_number(Fraction(2, 3))
        ('65', '0.125', '0.6666666667')
    """
    if value.denominator == 1:
        return str(value.numerator)
    scaled = round(value * 10**_SHOWN_DIGITS)
    whole, decimals = divmod(abs(scaled), 10**_SHOWN_DIGITS)
    text = f"{whole}.{decimals:0{_SHOWN_DIGITS}d}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


def read_number(text: str) -> Fraction | None:
    """Reads one number, with signs of money, per cent and thousands; None if it is not one.

    Example:
        >>> read_number("$1,250.50"), read_number("12 or 13"), read_number("3/4")
        (Fraction(2501, 2), None, Fraction(3, 4))
    """
    plain = text.strip().rstrip("$%. ").lstrip("$% ").replace(" ", "")
    if not plain or len(plain) > LONGEST or not _NUMBER.fullmatch(plain) or plain[-1] in "+-":
        return None
    try:
        return Fraction(plain.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None


def _value(node: ast.AST) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if not math.isfinite(number):
                raise ToolError("the numbers grow too large.")
            return _sound(Fraction(str(number)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            try:
                return _sound(_OPERATORS[type(operator)](_value(left), _value(right)))
            except ZeroDivisionError:
                raise ToolError("division by zero.") from None
        case _:
            raise ToolError("only numbers, + - * / // % ** and parentheses are understood.")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > _HIGHEST_POWER:
        raise ToolError(f"an exponent must be a whole number up to {_HIGHEST_POWER}.")
    return _sound(base) ** int(exponent)


def _sound(value: Fraction) -> Fraction:
    if abs(value) > _LARGEST or value.denominator > _FINEST:
        raise ToolError("the numbers grow too large.")
    return value


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: lambda a, b: a % b,
    ast.Pow: _power,
}
