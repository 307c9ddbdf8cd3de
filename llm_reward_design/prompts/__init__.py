"""The texts that language models are sent: one Markdown file per part, values put into them."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from rewardsmith.envs.errors import ConfigError, unknown

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def prompt(name: str, **values: str) -> str:
    """Returns the part called `name`, each `{{place}}` replaced by the value of that name.

    The text is read once from left to right, so what looks like a place inside a value stays
    as it is.

    Raises:
        ConfigError: If there is no such part, a place gets no value, or a value has no place.

    Example:
        >>> print(prompt("eureka_advice", advice="Mind the {{wall}}."))
        A person who watched the trained agent says:
        <BLANKLINE>
        Mind the {{wall}}.
    """
    text = _text(name)
    places = set(_PLACE.findall(text))
    for missing in sorted(places - values.keys()):
        raise ConfigError(f"the prompt {name!r} needs a value for {missing!r}")
    for surplus in sorted(values.keys() - places):
        raise unknown("place", surplus, places, where=f"the prompt {name!r}")
    return _PLACE.sub(lambda found: values[found[1]], text)


def names() -> list[str]:
    """Returns the names of all parts."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".md") for file in files if file.name.endswith(".md"))


@cache
def _text(name: str) -> str:
    file = resources.files(__name__) / f"{name}.md"
    if not file.is_file():
        raise unknown("prompt", name, names())
    return file.read_text(encoding="utf-8").strip()
