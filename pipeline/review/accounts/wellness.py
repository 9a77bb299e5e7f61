"""Wellness: how much a moderator has heard and seen, when a break is due, and which cases they do not get.

This module counts and limits; it cannot protect. Studies found no relief from blurred or greyed content (Lewitzka et
al., Psychological Research 2026), and some relief when content is shown on demand only (Das, Dang and Lease, HCOMP
2020). They also found that the load adds up. So the console gives moderators control, and less disturbing content.

Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update

from pipeline.base.errors import CaseError
from pipeline.review.accounts.accounts import ViewingLimits
from pipeline.review.cases.case_queue import Without
from pipeline.review.database import insert_new
from pipeline.review.quality import quality_checks
from pipeline.review.tables.core import CASES, DECISIONS, LEASES
from pipeline.review.tables.people_tables import BREAKS, LISTENED

SHIFT_SECONDS = 43_200.0
"""A shift is the last twelve hours. A login session may last as long."""
SEVERE = 2
"""A case of this severity (high) or above counts as severe."""
REST_SECONDS = 600.0
"""Seconds without an action that also count as a break."""
LONGEST_BREAK_SECONDS = 1_800.0
"""The most seconds that a lease stays valid during a break."""


# The queue and the next case run these.
DECIDED = (
    select(DECISIONS.c.at, CASES.c.severity)
    .join(CASES, CASES.c.id == DECISIONS.c.case_id)
    .where(DECISIONS.c.at > bindparam("since"), DECISIONS.c.moderator == bindparam("account"))
)
HEARD = select(LISTENED.c.at, LISTENED.c.seconds).where(
    LISTENED.c.account == bindparam("account"), LISTENED.c.at > bindparam("since")
)
LAST_BREAK = (
    select(BREAKS)
    .where(BREAKS.c.account == bindparam("account"), BREAKS.c.started_at > bindparam("since"))
    .order_by(BREAKS.c.id.desc())
    .limit(1)
)


class Meter(Struct, frozen=True):
    """The load of one person.

    `minutes` is the listening time and `severe` the number of severe cases in this shift. `worked_minutes` and
    `severe_since_break` count from the end of the last break.
    """

    minutes: float
    severe: int
    worked_minutes: float
    severe_since_break: int
    on_break: bool
    comfort: ViewingLimits

    @property
    def break_due(self) -> bool:
        """Whether the console should propose a break now."""
        return not self.on_break and (self.worked_long or self.severe_since_break >= self.comfort.break_severe)

    @property
    def worked_long(self) -> bool:
        """Whether a break is due because of the time."""
        return self.worked_minutes >= self.comfort.break_minutes

    @property
    def over_minutes(self) -> bool:
        """Whether the limit of listening minutes is reached."""
        return self.minutes >= self.comfort.most_minutes

    @property
    def over_severe(self) -> bool:
        """Whether the limit of severe cases is reached."""
        return self.severe >= self.comfort.most_severe

    @property
    def over(self) -> bool:
        """Whether a limit is reached. A lead sees only this."""
        return self.over_minutes or self.over_severe


def listen(connection: Connection, account: str, seconds: float, at: float) -> None:
    """Record that `account` listened for `seconds` until `at`. Delete the records of earlier shifts, for privacy."""
    past = (LISTENED.c.account == account, LISTENED.c.at <= at - SHIFT_SECONDS)
    connection.execute(delete(LISTENED).where(*past))
    connection.execute(insert(LISTENED).values(account=account, at=at, seconds=seconds))


def meter(connection: Connection, account: str, comfort: ViewingLimits, at: float) -> Meter:
    """Return the load of `account` at `at` (UTC seconds). `comfort` holds the person's limits."""
    shift = {"account": account, "since": at - SHIFT_SECONDS}
    # Undone decisions count, because the person saw the content.
    decided = [(row.at, row.severity >= SEVERE) for row in connection.execute(DECIDED, shift)]
    listened = [(row.at, row.seconds) for row in connection.execute(HEARD, shift)]
    rest = connection.execute(LAST_BREAK, shift).one_or_none()
    resting = rest is not None and rest.ended_at is None
    rested = (rest.ended_at or at) if rest else 0.0
    acts = (moment for moment, _ in (*decided, *listened) if moment >= rested)
    began = None if resting else stretch(acts, at)
    severe = [moment for moment, is_severe in decided if is_severe]
    return Meter(
        minutes=sum(seconds for _, seconds in listened) / 60,
        severe=len(severe),
        worked_minutes=0.0 if began is None else (at - began) / 60,
        severe_since_break=sum(began is not None and moment >= began for moment in severe),
        on_break=resting,
        comfort=comfort,
    )


def without(connection: Connection, account: str, load: Meter, at: float) -> Without:
    """Return the cases, labels and severity that the queue does not give to this person."""
    return Without(
        cases=quality_checks.barred(connection, account, at),
        labels=frozenset(load.comfort.without),
        severity=SEVERE if load.over_severe else None,
    )


def is_resting(connection: Connection, account: str, at: float) -> bool:
    """Tell whether the account is on a break at `at` (UTC seconds)."""
    running = (BREAKS.c.ended_at.is_(None), BREAKS.c.started_at > at - SHIFT_SECONDS)
    return bool(connection.scalar(select(exists().where(BREAKS.c.account == account, *running))))


def allow(load: Meter) -> None:
    """Raise CaseError if the person has reached their own limit of listening minutes."""
    if load.over_minutes:
        raise CaseError(
            f"You have listened for {load.comfort.most_minutes} minutes in this shift, which is your own limit",
            "Stop for today, or raise the limit on your wellness page.",
            text="listened",
            minutes=load.comfort.most_minutes,
        )


def start_break(connection: Connection, account: str, at: float) -> None:
    """Start a break. The lease of the person's case stays valid for at most LONGEST_BREAK_SECONDS.

    Of two breaks that start at once, one is stored.
    """
    _lock_lease(connection, account)
    end_break(connection, account, at)
    past = (BREAKS.c.account == account, BREAKS.c.ended_at <= at - SHIFT_SECONDS)
    connection.execute(delete(BREAKS).where(*past))
    lease = connection.execute(
        select(LEASES).where(LEASES.c.account == account, LEASES.c.expires_at > at)
    ).one_or_none()
    if lease:
        held = update(LEASES).where(LEASES.c.id == lease.id)
        connection.execute(held.values(expires_at=max(lease.expires_at, at + LONGEST_BREAK_SECONDS)))
    values = {"lease": lease.id if lease else None, "left_seconds": lease.expires_at - at if lease else 0.0}
    # A unique index allows one open break of an account, so the second of two requests stores nothing.
    started = insert_new(connection, BREAKS)
    connection.execute(started.values(account=account, started_at=at, ended_at=None, **values))


def end_break(connection: Connection, account: str, at: float) -> None:
    """End a break. The lease gets back the time that it had left, unless another person has taken the case."""
    _lock_lease(connection, account)
    taken = connection.execute(
        select(BREAKS).where(BREAKS.c.account == account, BREAKS.c.ended_at.is_(None))
    ).one_or_none()
    if taken is None:
        return
    connection.execute(update(BREAKS).where(BREAKS.c.id == taken.id).values(ended_at=at))
    mine = update(LEASES).where(LEASES.c.id == taken.lease, LEASES.c.account == account)
    rested = at - taken.started_at
    # `taken_at` moves, too: a break does not count against the longest lease.
    connection.execute(mine.values(expires_at=at + taken.left_seconds, taken_at=LEASES.c.taken_at + rested))


def _lock_lease(connection: Connection, account: str) -> None:
    """Lock the person's lease before their break, so that two requests of one person never wait for each other."""
    connection.execute(
        select(LEASES.c.id).where(LEASES.c.account == account).order_by(LEASES.c.case_id).with_for_update()
    )


def stretch(acts: Iterable[float], at: float) -> float | None:
    """Return when the present period of work began (UTC seconds); None if the person is not at work.

    `acts` are the times of the person's actions. A pause of REST_SECONDS ends a period.
    """
    began = before = None
    for moment in (*sorted(acts), at):
        # A pause ends the period. The next action after it begins a new one.
        if before is not None and moment - before >= REST_SECONDS:
            began = None
        elif began is None:
            began = before
        before = moment
    return began
