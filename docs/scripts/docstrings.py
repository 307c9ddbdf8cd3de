"""A griffe extension: `Example:` in a docstring is Google's section of examples.

Griffe knows `Examples:`, in the plural; anything else becomes a plain admonition, in which
`>>>` would be a quotation rather than code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Reads `Example:` as `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Renames the section of one object."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.M)
