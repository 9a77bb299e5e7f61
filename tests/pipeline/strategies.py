"""Hypothesis strategies for all messages, built from their types: new fields are tested without a change here."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

M = TypeVar("M")

NAMES = st.characters(codec="utf-8", exclude_characters=[chr(c) for c in [*range(0x20), 0x7F]])
CODES = st.sampled_from("abyz_")
LONGEST = 40


def messages(kind: type[M]) -> st.SearchStrategy[M]:
    """Valid messages of a msgspec type. Each field may have its default or another value."""
    return strategy(inspect.type_info(kind)).map(lambda fields: msgspec.convert(fields, kind))


def strategy(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Built-in Python values that msgspec converts to the type."""
    return BUILDERS[type(info)](info)


def _struct(info: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    required = {field.name: strategy(field.type) for field in info.fields if field.required}
    optional = {field.name: strategy(field.type) for field in info.fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional)


def _text(info: inspect.StrType) -> st.SearchStrategy[str]:
    pattern = re.compile(info.pattern or "")
    least, most = info.min_length or 0, min(LONGEST, info.max_length or LONGEST)
    texts = st.text(NAMES, min_size=least, max_size=most) | st.text(CODES, min_size=least, max_size=most)
    return texts.filter(lambda text: pattern.search(text) is not None)


def _float(info: inspect.FloatType) -> st.SearchStrategy[float]:
    top, below = (info.lt, True) if info.le is None and info.lt is not None else (info.le, False)
    bottom, above = (info.gt, True) if info.ge is None and info.gt is not None else (info.ge, False)
    return st.floats(bottom, top, exclude_min=above, exclude_max=below, allow_nan=False, allow_infinity=False)


def _int(info: inspect.IntType) -> st.SearchStrategy[int]:
    return st.integers(info.ge, info.lt - 1 if info.lt is not None else info.le)


BUILDERS: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.StructType: _struct,
    inspect.StrType: _text,
    inspect.FloatType: _float,
    inspect.IntType: _int,
    inspect.BoolType: lambda _: st.booleans(),
    inspect.BytesType: lambda _: st.binary(max_size=64),
    inspect.NoneType: lambda _: st.none(),
    inspect.LiteralType: lambda info: st.sampled_from(info.values),
    inspect.VarTupleType: lambda info: st.lists(strategy(info.item_type), max_size=min(4, info.max_length or 4)),
    inspect.DictType: lambda info: st.dictionaries(strategy(info.key_type), strategy(info.value_type), max_size=4),
    inspect.UnionType: lambda info: st.one_of(*map(strategy, info.types)),
    inspect.Metadata: lambda info: strategy(info.type),
}
