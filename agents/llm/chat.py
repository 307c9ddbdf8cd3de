"""`Chat`: messages to token ids piece by piece, so that no token is ever tokenised twice.

Rendering a whole conversation anew at every turn and tokenising it would replace the ids
the policy wrote by others that merely spell the same text; log-probabilities then belong to
tokens that were never drawn. Here the template is asked only for what stands *after* the
policy's turn: a conversation is rendered with a placeholder for that turn, and the text that
follows the placeholder is tokenised by itself and appended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from jinja2.exceptions import TemplateError

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray

_TURN = "[[the policy's turn]]"
_FIRST = "[[the first message]]"
_NEXT = "[[the next message]]"


class Chat:
    """Turns messages into the token ids a conversation grows by.

    Args:
        tokenizer: A Hugging Face tokenizer with a chat template.

    Attributes:
        stop_ids: Ids that end a turn: the tokenizer's end-of-sequence mark and the mark its
            template puts after an assistant's message, ascending.

    Raises:
        ConfigError: If there is no chat template, if it rewrites what came before when a
            message is added, or if no id ends a turn.

    Example:
        >>> from rewardsmith.agents.llm.tiny import character_tokenizer
        >>> tokenizer = character_tokenizer()
        >>> chat = Chat(tokenizer)
        >>> tokenizer.decode(chat.opening("Add.", "1+1?"))
        '<|system|>Add.<|end|><|user|>1+1?<|end|><|assistant|>'
        >>> tokenizer.decode(chat.continuation("Again!", stopped=False))
        '<|end|><|user|>Again!<|end|><|assistant|>'
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ConfigError(
                f"the tokenizer {_name(tokenizer)} has no chat template; give one with "
                "tokenizer.chat_template, or use an instruct model"
            )
        self.tokenizer = tokenizer
        self._marks = [mark for mark in tokenizer.all_special_tokens if len(mark) > 1]
        opening = [{"role": "user", "content": _FIRST}]
        turn = [*opening, {"role": "assistant", "content": _TURN}]
        following = [*turn, {"role": "user", "content": _NEXT}]
        prefix = self._render(opening)
        for messages in (turn, following):
            whole = self._render(messages, prompt=messages is following)
            if whole.count(_TURN) != 1 or not whole.startswith(prefix):
                raise ConfigError(
                    f"the chat template of {_name(tokenizer)} changes what it rendered before "
                    "when a message is added, so a conversation cannot grow token by token; "
                    "give another with tokenizer.chat_template"
                )
        self.stop_ids = self._stops(self._render(turn, prompt=False).partition(_TURN)[2])
        self._turn = turn

    def opening(self, system: str | None, message: str) -> IntArray:
        """Returns the ids of a conversation's start up to the policy's first turn, (L,).

        Args:
            system: The system message; None or "" leaves it out.
            message: The first message to the policy.

        Raises:
            ConfigError: If the template refuses the messages.
        """
        messages = [{"role": "system", "content": system}] if system else []
        said = {"role": "user", "content": self._plain(message)}
        return self._ids(self._render([*messages, said]))

    def continuation(self, message: str, role: str = "user", *, stopped: bool = True) -> IntArray:
        """Returns the ids between one turn of the policy and its next, (L,).

        They are the mark that ends the policy's turn unless it wrote one itself, the
        message, and the marks that open the next turn.

        Args:
            message: What is said to the policy next.
            role: Who says it: "user" or "tool", where the template knows it.
            stopped: Whether the turn ended with one of `stop_ids`; false if it was cut off.

        Raises:
            ConfigError: If the template refuses the message.
        """
        whole = self._render([*self._turn, {"role": role, "content": self._plain(message)}])
        ids = self._ids(whole.partition(_TURN)[2])
        if not stopped:
            return ids
        written = np.flatnonzero(np.isin(ids, self.stop_ids))
        return ids[written[0] + 1 :] if written.size else ids

    def conversation(self, messages: Iterable[tuple[str, str]]) -> IntArray:
        """Returns the ids of a whole conversation up to the policy's next turn, (L,).

        The policy's own turns are tokenised from their text, which suits conversations that
        are only answered, not learned from.

        Args:
            messages: Role and text of each message.

        Raises:
            ConfigError: If the template refuses the messages.

        Example:
            >>> from rewardsmith.agents.llm.tiny import character_tokenizer
            >>> tokenizer = character_tokenizer()
            >>> said = [("user", "1+1?"), ("assistant", "3"), ("user", "No.")]
            >>> tokenizer.decode(Chat(tokenizer).conversation(said))
            '<|user|>1+1?<|end|><|assistant|>3<|end|><|user|>No.<|end|><|assistant|>'
        """
        said = [{"role": role, "content": self._plain(text)} for role, text in messages]
        return self._ids(self._render(said))

    def _plain(self, message: str) -> str:
        """Returns a message in which the tokenizer's own marks are text: `<|end|>` ends nothing.

        What a tool brings in is not to be trusted, so a blank is put into every mark.
        """
        for mark in self._marks:
            message = message.replace(mark, f"{mark[0]} {mark[1:]}")
        return message

    def _stops(self, after_turn: str) -> tuple[int, ...]:
        added = self.tokenizer.added_tokens_decoder.items()
        special = {i for i, token in added if token.special} | set(self.tokenizer.all_special_ids)
        marks = [int(i) for i in self._ids(after_turn) if i in special][:1]
        if self.tokenizer.eos_token_id is not None:
            marks.append(int(self.tokenizer.eos_token_id))
        if not marks:
            raise ConfigError(
                f"nothing ends a turn: the tokenizer {_name(self.tokenizer)} has no eos_token "
                "and its chat template puts no special token after an assistant's message; "
                "set tokenizer.eos_token"
            )
        return tuple(sorted(set(marks)))

    def _ids(self, text: str) -> IntArray:
        ids = self.tokenizer(text, add_special_tokens=False).input_ids
        return np.asarray(ids, dtype=np.int64)

    def _render(self, messages: list[dict[str, str]], prompt: bool = True) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt
            )
        except (TemplateError, TypeError, ValueError) as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ConfigError(
                f"the chat template of {_name(self.tokenizer)} refuses the roles {roles} "
                f"({error}); leave the system message out or say the message as 'user'"
            ) from error
        return str(text)


def _name(tokenizer: Any) -> str:
    return repr(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)
