"""Whether the records are complete, kept, retrievable and protected: I-21, I-22, I-23 and I-31."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, exists, func, select

from pipeline.assessment.catalogue import figure
from pipeline.assessment.indicators.judgement import actions, share
from pipeline.assessment.options import DAY_SECONDS, Options
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import Evidence
from pipeline.review.database import plain_rows
from pipeline.review.evidence.evidence_store import EvidenceStore, checksum
from pipeline.review.evidence.sealing import ClipDamaged
from pipeline.review.privacy.retention_job import overdue
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Window, hours
from pipeline.review.quality.snapshot import UPHOLDS
from pipeline.review.quality.statistics import Share
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import ACCOUNTS, AUDIT, CASES, FLAGS

KEPT_DAYS = 183
"""Days for which records are kept: six months."""
UNUSED_DAYS = 90
"""An account without a line in the audit log for so many days is unused."""
SAMPLE = 200
"""The number of actions whose evidence is read."""

Field = Mapping[str, ColumnElement[bool]]

PUBLISHED: Field = {
    "account": FLAGS.c.speaker != "",
    "time": FLAGS.c.start > 0,
    "content": (FLAGS.c.text != "") | (FLAGS.c.source != "words"),  # a sound has no words
}
"""Fields of a record of published speech, and the conditions that they are filled."""
OPERATIONS: Field = {"account": AUDIT.c.actor != "", "time": AUDIT.c.at > 0, "operation": AUDIT.c.action != ""}
"""Fields of a line of the audit log, and the conditions that they are filled."""
OF_THE_APP = ("source_address", "target_address", "source_port", "hardware")
"""Fields of article 5(3) that only the app's logs have."""


def completeness(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-21, for the stored flags and the lines of the audit log of the window."""
    del options
    real = (FLAGS.c.drill == "", FLAGS.c.case_id.not_in(COPIES))
    flags = _filled(connection, FLAGS, PUBLISHED, *real, *within(FLAGS.c.stored_at, window))
    lines = _filled(connection, AUDIT, OPERATIONS, *within(AUDIT.c.at, window))
    every = [row for row in (flags, lines) if row["n"]]
    n = sum(row["n"] for row in every)
    complete = sum(row["complete"] for row in every)
    yield figure("I-21", "share", complete / n if n else None, n)
    for name in dict.fromkeys((*PUBLISHED, *OPERATIONS)):
        having = [row for row in every if name in row]  # only one of the two kinds has `content`, or `operation`
        n = sum(row["n"] for row in having)
        yield figure("I-21", "share", sum(row[name] for row in having) / n if n else None, n, {"reason": name})
    for name in OF_THE_APP:
        yield figure("I-21", "share", None, 0, {"reason": name}, "not_recorded")


def retention(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-22, for the KEPT_DAYS before the window's end, and for the deletions of the window."""
    days = _days_with_logs(connection, window.until)
    yield figure("I-22", "days", days / KEPT_DAYS if days else None, KEPT_DAYS)
    early, used = _early(connection, window), in_use(connection, window)
    yield counted("I-22", "early", sum(early.values()), used)
    for action, reason in {"case.expire": "case", "audio.expire": "clip"}.items():
        yield counted("I-22", "early", early[action], used, {"reason": reason})
    erased = _count(connection, AUDIT, AUDIT.c.action == "case.erase", *within(AUDIT.c.at, window))
    yield counted("I-22", "erased", erased, used)
    kept = _count(connection, CASES, CASES.c.created_at < window.until)
    late = overdue(connection, options.retention, window.until)
    yield figure("I-22", "overdue", late / kept if kept else None, kept)


def evidence(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-23, for a random sample of the actions of the KEPT_DAYS before the window's end."""
    chosen = _sample(connection, Window(window.until - KEPT_DAYS * DAY_SECONDS, window.until))
    if options.evidence is None:
        yield figure("I-23", "share", None, 0, unmeasured="not_recorded")
        return
    complete = [_complete(connection, options.evidence, case_id) for case_id in chosen]
    yield share("I-23", "share", Share(sum(complete), len(complete)))


def access(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-31, for the views of cases and clips in the window, and the accounts at its end."""
    del options
    views, with_case, assigned = connection.execute(_views(window)).one()
    yield counted("I-31", "views", views, in_use(connection, window))
    yield figure("I-31", "share", with_case / views if views else None, views)
    yield figure("I-31", "assigned", assigned / views if views else None, views)
    since = window.until - UNUSED_DAYS * DAY_SECONDS
    old = (~ACCOUNTS.c.disabled, ACCOUNTS.c.created_at < since)  # a new account has had no time to be used
    used = select(AUDIT.c.actor).where(*within(AUDIT.c.at, Window(since, window.until)))
    n = _count(connection, ACCOUNTS, ~ACCOUNTS.c.disabled, ACCOUNTS.c.created_at < window.until)
    unused = _count(connection, ACCOUNTS, *old, ACCOUNTS.c.name.not_in(used))
    yield figure("I-31", "unused", unused if n else None, n)


def in_use(connection: Connection, window: Window) -> bool:
    """Tell whether the audit log has a line in the window. Without any, a count of 0 says nothing."""
    return connection.scalar(select(AUDIT.c.seq).where(*within(AUDIT.c.at, window)).limit(1)) is not None


def counted(indicator: str, key: str, n: int, used: bool, part: Mapping[str, str] | None = None) -> Figure:
    """Return the figure of a count. It has no value if it is 0 and Voxwarden was not in use (`used`)."""
    return figure(indicator, key, n if n or used else None, n, part)


def _filled(connection: Connection, table: Table, fields: Field, *where: ColumnElement[bool]) -> Mapping[str, int]:
    """Return `n` rows, how many are `complete`, and how many have each field."""
    wanted = {**fields, "complete": and_(*fields.values())}
    sums = [func.coalesce(func.sum(case((filled, 1), else_=0)), 0).label(name) for name, filled in wanted.items()]
    row = connection.execute(select(func.count().label("n"), *sums).select_from(table).where(*where)).one()
    return {str(name): int(value) for name, value in row._mapping.items()}


def _days_with_logs(connection: Connection, until: float) -> int:
    """Count the days, back from `until`, in which a line of the audit log or speech was recorded."""
    days = (Window(until - (ago + 1) * DAY_SECONDS, until - ago * DAY_SECONDS) for ago in range(KEPT_DAYS))
    # Day by day, because a day needs only its first line.
    return sum(in_use(connection, day) or _heard(connection, day) for day in days)


def _heard(connection: Connection, window: Window) -> bool:
    """Tell whether speech was counted in the window."""
    inside = hours(window)
    kept = (TALLIES.c.measure == "segmented", TALLIES.c.hour >= inside.start, TALLIES.c.hour < inside.stop)
    return connection.scalar(select(TALLIES.c.hour).where(*kept).limit(1)) is not None


def _early(connection: Connection, window: Window) -> Mapping[str, int]:
    """Count the deletions of cases and of clips whose rule keeps them for fewer than KEPT_DAYS."""
    query = select(AUDIT.c.action, AUDIT.c.detail, func.count().label("n"))
    query = query.where(AUDIT.c.action.in_(("case.expire", "audio.expire")), *within(AUDIT.c.at, window))
    early = Counter[str]()
    for row in connection.execute(query.group_by(AUDIT.c.action, AUDIT.c.detail)):
        # The rule of that day is in the line, so later settings change no figure.
        early[row.action] += row.n if msgspec.json.decode(row.detail)["days"] < KEPT_DAYS else 0
    return early


def _sample(connection: Connection, window: Window) -> Sequence[str]:
    """Return the case ids of SAMPLE actions."""
    query: Select[Any] = select(UPHOLDS.c.decision, UPHOLDS.c.case_id).where(*actions(window))
    found = chain.from_iterable(plain_rows(connection, query))
    # A random sample that is the same each time: the smallest hashes of the ids. A heap keeps only SAMPLE rows.
    chosen = heapq.nsmallest(SAMPLE, found, key=lambda row: sha256(f"evidence\x1f{row[0]}".encode()).digest())
    return [case_id for _, case_id in chosen]


def _complete(connection: Connection, store: EvidenceStore, case_id: str) -> bool:
    """Tell whether the transcript, the flag, the policy version and a clip with the right hash are there."""
    file = reading.case_file(connection, case_id)
    spoken = all(flag.content and flag.transcript and flag.policy for flag in file.flags)
    return bool(file.flags) and spoken and bool(file.evidence) and all(_intact(store, clip) for clip in file.evidence)


def _intact(store: EvidenceStore, clip: Evidence) -> bool:
    try:
        data = store.get(clip.path)
    except ClipDamaged:
        return False
    return data is not None and checksum(data) == clip.sha256


def _views(window: Window) -> Select[Any]:
    """Select three numbers: views, views that name a case, and views by a person who took or decided the case."""
    own = AUDIT.alias()
    acted = own.c.action.in_(("case.claim", "case.decide", "appeal.settle"))
    same = (own.c.subject == AUDIT.c.subject, own.c.actor == AUDIT.c.actor, own.c.at < window.until)
    mine = exists().where(*same, acted)
    named = AUDIT.c.subject != ""
    sums = [func.coalesce(func.sum(case((one, 1), else_=0)), 0) for one in (named, and_(named, mine))]
    query: Select[Any] = select(func.count(), *sums).select_from(AUDIT)
    return query.where(AUDIT.c.action.in_(("case.view", "case.play")), *within(AUDIT.c.at, window))


def _count(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())
