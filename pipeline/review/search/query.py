"""The query language of search: `said:返现|cashback label:fraud when:7d`. docs/console.md describes it.

A query is a list of terms, and a case must match all of them. A term without a field searches the transcripts. `|`
stands between alternatives, and quotes keep spaces, colons and `|` together. `sort:risk` is the order of the results.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from pipeline.base.errors import InputError

Field = Literal["said", "label", "speaker", "room", "by", "when", "policy", "verdict", "status", "severity", "language",
                "has", "sort"]  # fmt: skip
Problem = Literal["field", "empty", "quote", "short", "value", "when", "many", "long"]

ALIASES: Mapping[str, Field] = {
    "said": "said", "label": "label", "speaker": "speaker", "room": "room", "by": "by", "when": "when",
    "policy": "policy", "verdict": "verdict", "status": "status", "severity": "severity", "language": "language",
    "has": "has", "sort": "sort",
    "说过": "said", "标签": "label", "发言人": "speaker", "房间": "room", "审核人": "by", "时间": "when",
    "策略": "policy", "结论": "verdict", "状态": "status", "严重度": "severity", "语言": "language", "含": "has",
    "排序": "sort",
}  # fmt: skip
"""Each name of a field, English and Chinese."""

FIELDS: tuple[Field, ...] = tuple(dict.fromkeys(ALIASES.values()))

MOST_CHARACTERS = 1_000
MOST_TERMS = 20
MOST_VALUES = 20
"""Alternatives of one term."""

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"([^\W\d_]+)[:：]")
_BARE = re.compile(r"[^\s|\"“”]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|“([^”]*)”', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OR = re.compile(r"\s*\|\s*")
_PLAIN = re.compile(r"[^\s|\"“”:：\\]+")


class QueryTerm(Struct, frozen=True):
    """One term of a query: a field, and the alternatives that the case may have there."""

    field: Field
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """The term as a person writes it."""
        return f"{self.field}:{'|'.join(map(quoted, self.values))}"


class QueryError(InputError):
    """The query cannot be understood. `problem` names the reason, and `token` is the part that is wrong.

    `allowed` lists the values that would do; it is empty if any value would.
    """

    def __init__(self, problem: Problem, token: str, allowed: Sequence[str] = ()) -> None:
        what, remedy = _MESSAGES[problem]
        super().__init__(what.format(token=token), remedy.format(token=token, allowed=", ".join(allowed)))
        self.problem = problem
        self.token = token
        self.allowed = tuple(allowed)


_MESSAGES: Mapping[Problem, tuple[str, str]] = {
    "field": ("There is no field {token}", "Use one of {allowed}, or put the words in quotes."),
    "empty": ("Nothing stands after {token}", "Write a value, without a space before it."),
    "quote": ("The quote {token} is not closed", "Add the closing quote."),
    "short": ("“{token}” is too short to search for", "Write one Chinese character or two letters at least."),
    "value": ("“{token}” is not possible here", "Use one of {allowed}."),
    "when": ("“{token}” is no time", "Write 24h, 7d, today, 2026-11-28, or 2026-11-01..2026-11-28."),
    "many": ("The query has too many parts, from {token} on", f"Use {MOST_TERMS} terms of {MOST_VALUES} values."),
    "long": ("The query is longer than {token} characters", "Shorten it."),
}


def quoted(value: str) -> str:
    """Return a value as a person writes it, in quotes if it needs them."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_query(terms: Iterable[QueryTerm]) -> str:
    """Return terms as one query. `parse` gives the same terms again."""
    return " ".join(term.text for term in terms)


def parse_query(text: str) -> tuple[QueryTerm, ...]:
    """Return the terms of a query. Raises QueryError, which names the wrong part."""
    if len(text) > MOST_CHARACTERS:
        raise QueryError("long", str(MOST_CHARACTERS))
    return tuple(_terms(text.replace("\x00", " ")))


def _terms(text: str) -> Iterator[QueryTerm]:
    at, count = _space(text, 0), 0
    while at < len(text):
        count += 1
        if count > MOST_TERMS:
            raise QueryError("many", text[at : at + 20])
        field, at = _field(text, at)
        values, at = _values(text, at, field)
        yield QueryTerm(field, values)
        at = _space(text, at)


def _field(text: str, at: int) -> tuple[Field, int]:
    """Return the field that the term at `at` names, and the place after it."""
    named = _NAME.match(text, at)
    if not named:
        return "said", at
    field = ALIASES.get(named[1].casefold())
    if field is None:
        raise QueryError("field", named[1], FIELDS)
    if not text[named.end() :].strip() or text[named.end()].isspace():
        raise QueryError("empty", named[0])
    return field, named.end()


def _values(text: str, at: int, field: str) -> tuple[tuple[str, ...], int]:
    values: dict[str, None] = {}
    while True:
        value, at = _value(text, at, field)
        values[value] = None
        if len(values) > MOST_VALUES:
            raise QueryError("many", value)
        bar = _OR.match(text, at)
        if not bar:
            return tuple(values), at
        at = bar.end()


def _value(text: str, at: int, field: str) -> tuple[str, int]:
    if found := _QUOTED.match(text, at):
        value = _ESCAPED.sub(r"\1", found[1]) if found[2] is None else found[2]
    elif found := _BARE.match(text, at):
        value = found[0]
    elif text[at : at + 1] in {'"', "“", "”"}:
        raise QueryError("quote", text[at : at + 20])
    else:
        raise QueryError("empty", text[at : at + 1] or f"{field}:")
    if not value.strip():
        raise QueryError("empty", found[0])
    return value, found.end()


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
