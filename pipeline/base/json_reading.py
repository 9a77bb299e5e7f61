"""Read JSON that others wrote: every fault of the text is one kind of error."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


def read_json(text: bytes | str | msgspec.Raw, kind: type[T]) -> T:
    """Decode `text` to a value of `kind`. Raises msgspec.DecodeError, also for lists in lists without end."""
    try:
        return msgspec.json.decode(text, type=kind)
    except RecursionError as error:
        raise msgspec.DecodeError("JSON is nested too deeply") from error
    except UnicodeError as error:  # bytes or half a character that no UTF-8 has
        raise msgspec.DecodeError("JSON is not in UTF-8") from error
