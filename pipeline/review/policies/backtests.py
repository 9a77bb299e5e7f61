"""Backtests of drafts, as the store has them: who asked, how far it is, and the result.

A result has counts, and ids of flags, but no words: words stay where retention and erasures reach them.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from pipeline.base.errors import CaseError
from pipeline.contract.messages import Suggestion
from pipeline.review import audit_log
from pipeline.review.database import fields_of
from pipeline.review.policies import drafts, versions
from pipeline.review.quality.statistics import Share
from pipeline.review.tables.policy_tables import POLICY_BACKTESTS

EndState = Literal["cancelled", "failed"]
BacktestState = Literal["running", "done"] | EndState

SILENT_SECONDS = 120.0
"""A backtest whose process has written nothing for longer has ended with it."""


class Pairing(Struct, frozen=True):
    """A number under the live rules, and under the draft."""

    before: int
    after: int

    @property
    def change(self) -> int:
        return self.after - self.before


class LabelChange(Struct, frozen=True):
    """One label: how often it was flagged, and how many of the decided cases that the draft flags were upheld."""

    label: str
    flagged: Pairing
    upheld: int
    decided: int

    @property
    def precision(self) -> Share:
        return Share(self.upheld, self.decided)


class ChangedFlag(Struct, frozen=True):
    """A stored flag whose verdict changes."""

    flag: str
    before: Suggestion
    after: Suggestion
    hits: tuple[tuple[int, int], ...] = ()
    """Where the terms of the draft stand, or the live rules' terms if it has none: characters, half open."""


class TermUse(Struct, frozen=True):
    """A new term of the draft: how often it was said in the cases, and what people decided about them."""

    file: str
    term: str
    hits: int
    upheld: int
    dismissed: int


class SpeechChange(Struct, frozen=True):
    """The last hours of speech. `judged` utterances were drawn by chance from `read` ones."""

    hours: int
    read: int
    judged: int
    flagged: Pairing
    labels: dict[str, Pairing]
    whole: bool = True
    """Whether all of them were judged within the time."""


class BacktestResult(Struct, frozen=True):
    """What changes with a draft. Cases count as flagged if one of their utterances is."""

    cases: int
    whole: bool
    """Whether all chosen cases were judged within the time."""
    flagged: Pairing
    violations: int
    """Cases that people upheld."""
    caught: Pairing
    harmless: int
    """Cases that people dismissed."""
    false_alarms: Pairing
    labels: tuple[LabelChange, ...]
    changed: int
    """Stored utterances whose suggestion changes."""
    samples: tuple[ChangedFlag, ...]
    terms: tuple[TermUse, ...]
    speech: SpeechChange | None
    """None: no speech was asked for, or it could not be read."""
    seconds: float
    deaf: bool = False
    """Speech was asked for, but it could not be read."""


class StoredBacktest(Struct, frozen=True):
    """The newest backtest of a draft."""

    draft: int
    sha256: str
    against: int
    """The live version that it compared with; 0: the files."""
    hours: int
    """Hours of speech that were asked for."""
    state: BacktestState
    asked_by: str
    asked_at: float
    beat_at: float
    done: int
    total: int
    result: BacktestResult | None = None

    def running(self, now: float) -> bool:
        return self.state == "running" and now - self.beat_at < SILENT_SECONDS


def begin_backtest(connection: Connection, draft: int, hours: int, actor: str, now: float) -> StoredBacktest:
    """Note that a backtest of a draft begins. Raises CaseError if one runs, or if the draft has mistakes."""
    versions.lock(connection)
    found = drafts.find_draft(connection, draft)
    if not found.open or found.state == "edited":
        raise CaseError("This draft has mistakes, or is closed", "Correct it first.", text="policy_wrong")
    last = backtest_of(connection, draft)
    if last and last.running(now):
        raise CaseError("A backtest of this draft runs already", "Wait for it, or cancel it.", text="policy_tested")
    live = versions.live_version(connection)
    made = StoredBacktest(draft, found.sha256, live.number if live else 0, hours, "running", actor, now, now, 0, 0)
    # The row of a process that ended early must not block a new backtest.
    connection.execute(delete(POLICY_BACKTESTS).where(POLICY_BACKTESTS.c.draft == draft))
    connection.execute(insert(POLICY_BACKTESTS).values(msgspec.to_builtins(made)))
    return made


def backtest_of(connection: Connection, draft: int) -> StoredBacktest | None:
    """Return the newest backtest of a draft."""
    row = connection.execute(select(POLICY_BACKTESTS).where(POLICY_BACKTESTS.c.draft == draft)).one_or_none()
    return msgspec.convert(fields_of(row), StoredBacktest) if row else None


def beat(connection: Connection, run: StoredBacktest, done: int, total: int, now: float) -> bool:
    """Store how far a backtest is. Return False if it is to stop, because somebody cancelled it or began another."""
    values = {"done": done, "total": total, "beat_at": now}
    changed = connection.execute(update(POLICY_BACKTESTS).where(*_same(run)).values(values))
    return changed.rowcount > 0


def finish(connection: Connection, run: StoredBacktest, result: BacktestResult, now: float) -> None:
    """Store a result, and put the draft to `backtested`. Does nothing if the backtest was cancelled."""
    values: dict[str, Any] = {"state": "done", "result": msgspec.to_builtins(result), "beat_at": now}
    if connection.execute(update(POLICY_BACKTESTS).where(*_same(run)).values(values)).rowcount:
        drafts.backtested(connection, run.draft, run.sha256)
        detail = {"sha256": run.sha256, "against": run.against, "cases": result.cases}
        audit_log.append(connection, now, run.asked_by, "policy.backtest", str(run.draft), detail)


def stop(connection: Connection, run: StoredBacktest, state: EndState, now: float) -> None:
    """End a running backtest without a result."""
    connection.execute(update(POLICY_BACKTESTS).where(*_same(run)).values(state=state, beat_at=now))


def _same(run: StoredBacktest) -> tuple[Any, ...]:
    table = POLICY_BACKTESTS.c
    # A draft has one row. `asked_at` tells this run from a later one.
    return table.draft == run.draft, table.asked_at == run.asked_at, table.state == "running"
