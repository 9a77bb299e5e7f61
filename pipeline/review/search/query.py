"""The query language of search: `said:返现|cashback label:fraud when:7d`. docs/console.md describes it.

A query is a list of terms, and a case must match all of them. A term without a field searches the transcripts. `|`
stands between alternatives, and quotes keep spaces, colons and `|` together. `sort:risk` is the order of the results.

`parse_query` gives the terms. `plan` turns them into ids of labels, folded words and times for the database.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pipeline.base.errors import InputError
from pipeline.judge.labels import SEVERITIES, Labels
from pipeline.review.search import case_words
from pipeline.review.search.case_words import fold, needles

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
    """Return terms as one query. `parse_query` gives the same terms again."""
    return " ".join(term.text for term in terms)


def parse_query(text: str) -> tuple[QueryTerm, ...]:
    """Return the terms of a query. Raises QueryError, which names the wrong part."""
    if len(text) > MOST_CHARACTERS:
        raise QueryError("long", str(MOST_CHARACTERS))
    # PostgreSQL refuses a text with NUL.
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


STATUSES: Mapping[str, str] = {
    "open": "pending", "pending": "pending", "escalated": "escalated", "decided": "decided",
    "待审": "pending", "已升级": "escalated", "已审": "decided",
}  # fmt: skip
VERDICTS: Mapping[str, str] = {
    "violation": "uphold", "no-violation": "dismiss", "escalate": "escalate", "uphold": "uphold",
    "dismiss": "dismiss", "违规": "uphold", "放行": "dismiss", "升级": "escalate",
}  # fmt: skip
SEVERITY_WORDS: Mapping[str, str] = {
    **{name: str(number) for number, name in enumerate(SEVERITIES)},
    "低": "0", "中": "1", "高": "2", "紧急": "3",
}  # fmt: skip
HAS: Mapping[str, str] = {
    "audio": "audio", "hold": "hold", "report": "report", "appeal": "appeal",
    "录音": "audio", "保全": "hold", "举报": "report", "申诉": "appeal",
}  # fmt: skip
SORTS: Mapping[str, str] = {
    "newest": "newest", "oldest": "oldest", "risk": "risk",
    "最新": "newest", "最早": "oldest", "风险": "risk",
}  # fmt: skip

UNITS: Mapping[str, float] = {"m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"([0-9]{1,4})([mhdw])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Wanted(Struct, frozen=True, kw_only=True):
    """What a case must have. An empty tuple and None do not filter. Times are UTC seconds, `until` is exclusive.

    `said` holds folded phrases: a case must have one phrase of each inner tuple. `has` lists all that it must have.
    `sort` filters nothing: the last one is the order of the results, see `order`.
    """

    said: tuple[tuple[str, ...], ...] = ()
    label: tuple[str, ...] = ()
    speaker: tuple[str, ...] = ()
    room: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    severity: tuple[int, ...] = ()
    language: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None

    @property
    def order(self) -> str:
        """The order of the results: `newest`, `oldest` or `risk`."""
        return self.sort[-1] if self.sort else "newest"

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases of `said`, to mark them in a text."""
        return tuple(phrase for phrases in self.said for phrase in phrases)


def plan(
    terms: Sequence[QueryTerm], labels: Labels, at: float, zone: tzinfo = UTC, named: case_words.Names | None = None
) -> Wanted:
    """Return what the terms ask for. Raises QueryError.

    `at` is now (UTC seconds), and days are days of `zone`. `named` are the names of sounds, which are words, too.
    """
    wanted = Wanted()
    for term in terms:
        if term.field == "when":
            wanted = _during(wanted, term, at, zone)
        elif term.field == "said":
            wanted = replace(wanted, said=(*wanted.said, tuple(_phrases(term.values, named or {}))))
        else:
            known = _known(term.field, labels)
            values = tuple(known(value) for value in term.values)
            given = tuple(map(int, values)) if term.field == "severity" else values
            # Two terms of a field are alternatives, too: no case has two labels.
            wanted = replace(wanted, **{term.field: (*getattr(wanted, term.field), *given)})
    return wanted


def _phrases(values: Iterable[str], named: case_words.Names) -> Iterator[str]:
    for phrase in map(_phrase, values):
        yield phrase
        yield from case_words.sound_phrases(phrase, named)


def _phrase(value: str) -> str:
    phrase = fold(value)
    found = needles(phrase)
    if not found.whole and not any(len(one) > 1 or not one.isascii() for one in found.beginnings):
        raise QueryError("short", value)
    return phrase


def _known(field: Field, labels: Labels) -> Callable[[str], str]:
    """Return the function that turns a written value of a field into the stored one."""
    words = {"verdict": VERDICTS, "status": STATUSES, "severity": SEVERITY_WORDS, "has": HAS, "sort": SORTS}.get(field)
    if field == "label":
        words = {name: name for name in labels.labels}
        words |= {label.name(code).casefold(): name for name, label in labels.labels.items() for code in ("zh", "en")}
    if words is None:
        return lambda value: value

    def found(value: str) -> str:
        try:
            return words[value.casefold()]
        except KeyError as error:
            raise QueryError("value", value, [*labels.labels] if field == "label" else _english(words)) from error

    return found


def _english(words: Mapping[str, str]) -> list[str]:
    """Return the first English word of each value."""
    return list({value: word for word, value in reversed(list(words.items())) if word.isascii()}.values())[::-1]


def _during(wanted: Wanted, term: QueryTerm, at: float, zone: tzinfo) -> Wanted:
    """Return `wanted` within a time, too. Two times must both hold."""
    if len(term.values) != 1:
        raise QueryError("when", "|".join(term.values))
    since, until = _times(term.values[0], at, zone)
    if wanted.since is not None:
        since = max(since or wanted.since, wanted.since)
    if wanted.until is not None:
        until = min(until or wanted.until, wanted.until)
    return replace(wanted, since=since, until=until)


def _times(value: str, at: float, zone: tzinfo) -> tuple[float | None, float | None]:
    if span := _SPAN.fullmatch(value):
        return at - int(span[1]) * UNITS[span[2]], None
    first, dots, last = value.partition("..")
    if dots and (first or last):
        start, end = _day(first, value, at, zone), _day(last, value, at, zone)
        return _midnight(start, zone), _midnight(end and end + timedelta(days=1), zone)
    day = _day(value, value, at, zone)
    if day is None:
        raise QueryError("when", value)
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def _day(word: str, value: str, at: float, zone: tzinfo) -> date | None:
    today = datetime.fromtimestamp(at, zone).date()
    days = {"today": today, "今天": today, "yesterday": today - timedelta(days=1), "昨天": today - timedelta(days=1)}
    if not word:
        return None
    if word in days:
        return days[word]
    try:
        day = date.fromisoformat(word) if _DAY.fullmatch(word) else None
    except ValueError as error:
        raise QueryError("when", value) from error
    if day is None or not 2000 <= day.year < 2100:
        raise QueryError("when", value)
    return day


def _midnight(day: date | None, zone: tzinfo) -> float | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
