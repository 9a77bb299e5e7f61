"""The options of the indicators as plain data, so that a report keeps them and its figures can be computed again."""

from typing import Any

import msgspec
from pydantic import BaseModel

from pipeline.assessment.options import Options


def to_plain(options: Options) -> dict[str, object]:
    """Return the options as JSON-like data. The store of clips is left out: it is a place and no choice."""
    without = msgspec.structs.replace(options, evidence=None)
    plain: dict[str, object] = msgspec.to_builtins(without, order="sorted", enc_hook=_encode)
    plain.pop("evidence", None)
    return plain


def from_plain(plain: dict[str, object]) -> Options:
    """Return the options of a report. Figures that need clips have no value with them."""
    return msgspec.convert(plain, Options, dec_hook=_decode)


def _encode(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} has no plain form")


def _decode(kind: type[Any], value: Any) -> Any:
    if issubclass(kind, BaseModel):
        return kind.model_validate(value)
    raise NotImplementedError(f"{kind.__name__} has no plain form")
