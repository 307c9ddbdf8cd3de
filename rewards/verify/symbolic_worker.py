"""The process in which math-verify runs: pairs of texts in, verdicts out, a JSON line each.

math-verify stops a comparison by a signal, which only a main thread can take, and what does not
listen to signals can only be stopped from outside.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

_NUMBERS = re.compile(r"\d\s+\d")
"""Two numbers side by side, which math-verify would add, as in 1 1/2."""


def serve() -> None:
    """Answers {"gold", "said"} by {"equal": bool | None} or {"error"}; null: gold is no maths."""
    from math_verify import LatexExtractionConfig, parse, verify
    from math_verify.errors import TimeoutException

    def read(text: str) -> Any:
        """Reads one expression; of several, parse would take the last."""
        plain = text.strip().removeprefix("$").removesuffix("$")
        if "$" in plain or _NUMBERS.search(plain):
            return []
        try:
            found = [LatexExtractionConfig()]
            return parse(f"${plain}$", found, "no_fallback", raise_on_error=True)
        except Exception:  # a timeout is none
            return []

    for line in sys.stdin:
        asked = json.loads(line)
        try:
            gold = read(asked["gold"])
            said = read(asked["said"]) if gold else []
            equal = verify(gold, said, raise_on_error=True) if said else False
            reply: dict[str, Any] = {"equal": equal if gold else None}
        except (Exception, TimeoutException) as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    serve()
