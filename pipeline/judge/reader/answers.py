"""The answer of the second reader: a completion of a chat, whose text is one JSON object in a fixed form.

The text is not trusted: the utterance may have told the model what to write. So it has numbers and words of fixed
lists, and no sentence that a moderator would read.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from pipeline.contract.messages import Unit

Manner = Literal["direct", "coded", "implied", "context", "none"]
"""How the utterance means its labels. `none`: no label applies."""


class UnreadableError(Exception):
    """The answer does not have the fixed form. The text says how it differs, and repeats none of the answer."""


class ReaderAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """What the second reader says about one utterance."""

    scores: dict[str, Unit]
    """The score of each label that it named. A label that it did not name has 0."""
    manner: Manner


class ChatMessage(Struct, frozen=True):
    content: str


class ChatChoice(Struct, frozen=True):
    message: ChatMessage


class ChatCompletion(Struct, frozen=True):
    """The part of a completion that is read."""

    choices: Annotated[tuple[ChatChoice, ...], Meta(min_length=1)]


def read_answer(body: bytes, labels: Collection[str]) -> ReaderAnswer:
    """Read the body of a completion whose scores are for `labels` only. Raises UnreadableError."""
    try:
        text = msgspec.json.decode(body, type=ChatCompletion).choices[0].message.content
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError("the body is no completion of a chat") from error
    try:
        answer = msgspec.json.decode(text, type=ReaderAnswer)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError("the text is not the JSON object that was asked for") from error
    if not answer.scores.keys() <= set(labels):
        raise UnreadableError("the scores name a label that was not asked about")
    return answer


def schema_of(labels: Collection[str]) -> dict[str, Any]:
    """Return the JSON Schema of an answer, for endpoints that keep to one."""
    score = {"type": "number", "minimum": 0, "maximum": 1}
    parts = {
        "scores": _object(dict.fromkeys(labels, score)),
        "manner": {"type": "string", "enum": list(get_args(Manner))},
    }
    return _object(parts)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
