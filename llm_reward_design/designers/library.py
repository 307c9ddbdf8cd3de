"""`Library`: rewards that solved other tasks, and the search for those most like a task."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray

_OURS = "examples.yaml"


@dataclass(frozen=True, slots=True)
class Example:
    """A task in one sentence, and a reward program for it in general names."""

    task: str
    program: str


@dataclass(frozen=True)
class Library:
    """Examples that are found by what their tasks are about.

    Tasks are compared by the cosine of their tf-idf vectors: term frequency times
    ln(N / document frequency) over the N tasks of the library and the one asked for, so that
    words which all of them share count for nothing. This is the retrieval of Text2Reward
    (arXiv 2309.11489), which takes its vectors from a language model.

    Attributes:
        examples: What it holds.

    Example:
        >>> shelf = Library((Example("Lift the cube.", "..."), Example("Walk to the door.", "...")))
        >>> shelf.nearest("Lift the ball.", 1)[0].task
        'Lift the cube.'
        >>> [example.task for example in shelf.nearest("lift the cube", 2)]
        ['Walk to the door.']
    """

    examples: tuple[Example, ...]

    @classmethod
    def load(cls, path: str | Path | None = None) -> Library:
        """Reads a YAML list of mappings with `task` and `program`; without a path, ours.

        Raises:
            ConfigError: If the file cannot be read or has another form.
        """
        try:
            file = resources.files(__package__) / _OURS if path is None else Path(path)
            data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"designer.library={path} cannot be read: {error}") from None
        rows = data if isinstance(data, list) else [data]
        for i, row in enumerate(rows):
            if not isinstance(row, dict) or row.keys() != {"task", "program"}:
                raise ConfigError(
                    f"designer.library={path}, entry {i}: expected the keys task and program"
                )
        return cls(tuple(Example(str(row["task"]), str(row["program"])) for row in rows))

    def nearest(self, task: str, k: int) -> list[Example]:
        """Returns up to k examples, the most similar first, never one of the task itself.

        Tasks of the same words in the same order, whatever their case and punctuation, are one
        task.
        """
        others = [example for example in self.examples if words(example.task) != words(task)]
        if not others or k < 1:
            return []
        vectors = tf_idf([task, *(example.task for example in others)])
        order = np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")
        return [others[i] for i in order[:k]]


def words(text: str) -> list[str]:
    """Returns the words of a text in lower case, digits counting as letters."""
    return re.findall(r"[^\W_]+", text.lower())


def tf_idf(texts: Sequence[str]) -> FloatArray:
    """Returns the tf-idf vectors of texts, (N, vocabulary), each of length 1; 0 without words."""
    counts = [Counter(words(text)) for text in texts]
    vocabulary = sorted(set().union(*counts))
    frequency = np.array([[float(count[word]) for word in vocabulary] for count in counts])
    documents = np.count_nonzero(frequency, axis=0)
    weighted = frequency * np.log(len(texts) / documents)
    norm = np.linalg.norm(weighted, axis=1, keepdims=True)
    return np.asarray(weighted / np.where(norm == 0.0, 1.0, norm), dtype=np.float64)
