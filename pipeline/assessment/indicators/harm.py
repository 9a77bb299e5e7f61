"""How many people heard violating speech, and how far it spread: I-24 and I-25."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, Text, case, cast, func, select

from pipeline.assessment.catalogue import figure
from pipeline.assessment.indicators.monitoring import room_ledger
from pipeline.assessment.options import Options
from pipeline.review.database import plain_rows
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Totals, Unmeasured, Window, summed, totals
from pipeline.review.quality.snapshot import FLAGGED, OF_FLAG, SNAPSHOT, UPHELD, ceiling
from pipeline.review.tables.assessment_tables import ACTIONS
from pipeline.review.tables.core import FLAGS

MILLISECONDS = 1_000


def exposure(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-24, for the violating utterances of the cases of the window."""
    del options
    rows = _exposed(connection, window)
    listened = totals(connection, window, ["listened", "monitored"], "measure", "room_type")
    hours = _listener_hours(room_ledger(connection, window), listened)
    reason: Unmeasured = "needs_listeners" if _silent(listened, rows) else "no_data"
    yield from _exposure(rows, sum(hours.values()), {}, reason)
    for label in sorted({row.label for row in rows}):
        of_label = [row for row in rows if row.label == label]
        yield from _exposure(of_label, sum(hours.values()), {"label": label}, reason)
    for kind in sorted({row.room_type for row in rows}):
        of_kind = [row for row in rows if row.room_type == kind]
        yield from _exposure(of_kind, hours.get(kind, 0.0), {"room_type": kind}, reason)


def spread(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-25, for the illegal terms of the lexicon in the upheld cases of the window."""
    uses = _uses(connection, window, options.illegal)
    chains = [chain for (label, _), said in uses.items() for chain in _chains(label, sorted(said), options.spread)]
    yield from _spread(chains, options, {})
    for label in sorted({chain.label for chain in chains}):
        yield from _spread([chain for chain in chains if chain.label == label], options, {"label": label})


def speakers(connection: Connection, window: Window, labels: frozenset[str]) -> dict[tuple[str, str], int]:
    """Return the number of speakers of each flagged term of these labels, by label and term.

    It counts the flags stored in the window. Unlike `spread`, it does not wait for decisions.
    """
    query = select(FLAGS.c.speaker, FLAGS.c.hits).where(FLAGS.c.stored_at >= window.since)
    query = query.where(FLAGS.c.stored_at < window.until, FLAGS.c.suggestion != "pass", FLAGS.c.drill == "")
    said = {
        (hit["label"], hit["term"].casefold(), row.speaker)
        for row in connection.execute(query)
        for hit in row.hits
        if hit["label"] in labels
    }
    return Counter((label, term) for label, term, _ in said)


class Term(Struct):
    """A hit of the lexicon."""

    label: str
    term: str


TERMS = msgspec.json.Decoder(list[Term])


PhraseUse = tuple[float, str, str]
"""One use of a term: UTC seconds, room and speaker. A plain tuple: a quarter has a million of them."""


class Chain(NamedTuple):
    """Uses of one term. Between one use and the next, at most the configured time passes."""

    label: str
    uses: int
    rooms: int
    """The most rooms in which the term was used within the set time."""
    speakers: int
    seconds: float
    """From the first use to the last one."""

    def spreads(self, options: Options) -> bool:
        return self.rooms >= options.spread_rooms or self.speakers >= options.spread_speakers


def _exposed(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the violating utterances by label and type of room: with and without listeners, and the exposure.

    `exposure` is in listener milliseconds.
    """
    # Speech is exposed until it is stopped. An app that confirms actions tells when. If it never confirms one, its
    # actions count as done when they were decided.
    confirms = (
        connection.scalar(select(ACTIONS.c.decision).where(ACTIONS.c.received_at < window.until).limit(1)) is not None
    )
    columns = [SNAPSHOT.c.number, FLAGS.c.utterance, FLAGS.c.end, FLAGS.c.listeners]
    # Grouped, because an utterance may have a flag that was withheld, and one that was released. SQLite looks up each
    # distinct row at random, but sorts groups.
    said = _violating(window, *columns).group_by(*columns).subquery()
    each = said.c
    stopped: ColumnElement[Any] = SNAPSHOT.c.stopped_at
    if confirms:
        stopped = func.coalesce(SNAPSHOT.c.done_at, case((SNAPSHOT.c.ordered > 0, window.until), else_=stopped))
    # Whole numbers: the sum of floats would depend on the order of the rows.
    late = case((stopped > each.end, ceiling((stopped - each.end) * MILLISECONDS)), else_=0)
    numbers = {
        "n": func.count(each.listeners),  # without NULL: the app did not send the number
        "unknown": func.count() - func.count(each.listeners),
        "exposure": func.coalesce(func.sum(each.listeners * late), 0),
    }
    totals_ = (sum_.label(name) for name, sum_ in numbers.items())
    names = (SNAPSHOT.c.label, SNAPSHOT.c.room_type)
    query = select(*names, *totals_).select_from(said.join(SNAPSHOT, SNAPSHOT.c.number == each.number))
    return connection.execute(query.group_by(*names)).all()


def _violating(window: Window, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select the flagged utterances of the cases of the window that are upheld at its end."""
    query = select(*columns).select_from(FLAGS).join(SNAPSHOT, OF_FLAG)
    query = query.where(FLAGGED, UPHELD, *within(SNAPSHOT.c.created_at, window))
    return query.where(FLAGS.c.suggestion != "pass", ~FLAGS.c.linked)


def _listener_hours(ledger: Sequence[Row[Any]], listened: Totals) -> dict[str, float]:
    """Return the listener hours by type of room, with silence: its hours in the ledger by its mean number of listeners.

    Types that are not in the ledger, or that had no listener, are left out.
    """
    hours: dict[str, float] = {}
    for kind in sorted({row.room_type for row in ledger}):
        opened = math.fsum(row.seconds for row in ledger if row.room_type == kind) / 3_600
        heard, spoken = summed(listened, "listened", kind), summed(listened, "monitored", kind)
        if heard.n and spoken.samples:
            # The mean over the speech whose listeners are known.
            hours[kind] = opened * (heard.samples / heard.n) / (spoken.samples / spoken.n)
    return hours


def _silent(listened: Totals, rows: Sequence[Row[Any]]) -> bool:
    """Tell whether there is speech, but the app never sent the number of listeners."""
    return not summed(listened, "listened").n and bool(summed(listened, "monitored").n or rows)


def _exposure(rows: Sequence[Row[Any]], hours: float, part: dict[str, str], reason: Unmeasured) -> Iterator[Figure]:
    n, known = sum(row.n for row in rows), not any(row.unknown for row in rows)
    seconds = sum(int(row.exposure) for row in rows) / MILLISECONDS
    rate = seconds / hours * 1_000 if n and hours else None
    yield figure("I-24", "per_1000_hours", rate, n, part, "needs_ledger" if n else reason, whole=known)
    yield figure("I-24", "listener_seconds", seconds if n else None, n, part, reason, whole=known)


def _uses(
    connection: Connection, window: Window, illegal: frozenset[str]
) -> Mapping[tuple[str, str], Collection[PhraseUse]]:
    """Return the uses of illegal terms, by label and term. A term counts once in an utterance."""
    query = _violating(window, FLAGS.c.start, FLAGS.c.room, FLAGS.c.speaker, cast(FLAGS.c.hits, Text))
    uses: dict[tuple[str, str], set[PhraseUse]] = defaultdict(set)
    for rows in plain_rows(connection, query):
        for start, room, speaker, hits in rows:
            for hit in TERMS.decode(hits):
                if hit.label in illegal:
                    uses[hit.label, hit.term.casefold()].add((start, room, speaker))
    return uses


def _chains(label: str, uses: Sequence[PhraseUse], seconds: float) -> Iterator[Chain]:
    """Divide the uses of a term where more than `seconds` pass without one."""
    # By place and not by appending: a quarter has a million uses, and most of them are a chain of their own.
    ends = [place for place, ((before, *_), (at, *_)) in enumerate(pairwise(uses), 1) if at - before > seconds]
    return (_chain(label, uses[begin:end], seconds) for begin, end in pairwise([0, *ends, len(uses)]))


def _chain(label: str, uses: Sequence[PhraseUse], seconds: float) -> Chain:
    if len(uses) == 1:
        return _alone(label)
    rooms = _most([(at, room) for at, room, _ in uses], seconds)
    speakers = _most([(at, speaker) for at, _, speaker in uses], seconds)
    return Chain(label, len(uses), rooms, speakers, uses[-1][0] - uses[0][0])


@cache
def _alone(label: str) -> Chain:
    return Chain(label, uses=1, rooms=1, speakers=1, seconds=0.0)


def _most(uses: Sequence[tuple[float, str]], seconds: float) -> int:
    """Return the most different names within `seconds`, by a window that slides over the uses."""
    inside: Counter[str] = Counter()
    most, oldest = 0, 0
    for at, name in uses:
        inside[name] += 1
        while uses[oldest][0] < at - seconds:
            inside -= Counter([uses[oldest][1]])  # `-=` drops names that reach 0, so that `len` is right
            oldest += 1
        most = max(most, len(inside))
    return most


def _spread(chains: Sequence[Chain], options: Options, part: dict[str, str]) -> Iterator[Figure]:
    n = sum(chain.uses for chain in chains)
    clusters = [chain for chain in chains if chain.spreads(options)]
    yield figure("I-25", "clusters", len(clusters) if n else None, n, part)
    yield figure("I-25", "rooms", max((chain.rooms for chain in chains), default=None), n, part)
    yield figure("I-25", "speakers", max((chain.speakers for chain in chains), default=None), n, part)
    yield figure("I-25", "longest", max((chain.seconds for chain in clusters), default=None), n, part)
