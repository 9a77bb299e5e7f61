"""From the terms of a query to what the database is asked: ids of labels, folded words, times in UTC seconds."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from pipeline.judge.labels import SEVERITIES, Labels
from pipeline.review.search import sounds
from pipeline.review.search.grams import fold, needles
from pipeline.review.search.query import Field, QueryError, QueryTerm

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
    terms: Sequence[QueryTerm], labels: Labels, at: float, zone: tzinfo = UTC, named: sounds.Names | None = None
) -> Wanted:
    """Return what the terms ask for. Raises QueryError.

    `at` is now (UTC seconds), and days are those of `zone`. `named` are the names of sounds, which are words, too.
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


def _phrases(values: Iterable[str], named: sounds.Names) -> Iterator[str]:
    for phrase in map(_phrase, values):
        yield phrase
        yield from sounds.sound_phrases(phrase, named)


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
