"""The content of the case page, read in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy import Connection, select

from pipeline.contract.messages import Flag
from pipeline.judge.verdict import agreed
from pipeline.review.cases import case_queue, leases, reading
from pipeline.review.cases.case_values import Case, CaseFile, Evidence
from pipeline.review.evidence.clip_player import Token, offset_of, tokens
from pipeline.review.quality import quality_checks
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECIDED, FLAGS

AROUND_SECONDS = 60.0  # seconds before and after the case, from which the page shows other flags of the room
HISTORY = 8
SIMILAR = 5
# The most past cases of the label that are searched for the same term. Terms are not a column, so Python compares.
SEARCHED = 200


@dataclass(frozen=True, slots=True)
class RoomFlag:
    """Flagged speech in the room. `mine`: it belongs to the case of the page. Then `words` is its text with times."""

    flag: Flag
    case: str
    words: tuple[Token, ...] = ()
    mine: bool = False


@dataclass(frozen=True, slots=True)
class PageView:
    file: CaseFile
    kin: list[str]
    """The ids of the original case and of all its copies."""
    transcript: tuple[RoomFlag, ...]
    around: tuple[RoomFlag, ...]
    """Other flags of the room at the same time, by all speakers."""
    history: tuple[Case, ...]
    """The speaker's other cases, newest first."""
    similar: tuple[Case, ...]
    """Decided cases of the label. Cases with the same term come first, and new cases come before old ones."""
    lease: leases.Lease | None
    check: str | None
    """The kind of check; None if the case is no check. Only for leads."""
    golden: str | None
    """The right verdict of a golden case; None for other cases. Only for leads."""

    @property
    def case(self) -> Case:
        return self.file.case

    @property
    def clip(self) -> Evidence | None:
        return self.file.evidence[0] if self.file.evidence else None

    @property
    def flags(self) -> list[Flag]:
        """The flags of the case. A flag that was released later replaces the earlier one of its utterance."""
        return without_replaced(self.file.flags)

    @property
    def room_flags(self) -> tuple[RoomFlag, ...]:
        """The transcript with the other flags of the room, by time."""
        return tuple(sorted((*self.transcript, *self.around), key=lambda turn: (turn.flag.start, turn.flag.id)))

    @property
    def listeners(self) -> int | None:
        """The largest known number of people who could hear the case; None if the app did not send it."""
        return max((flag.listeners for flag in self.file.flags if flag.listeners is not None), default=None)

    def escalated_by(self, account: str) -> bool:
        """Tell whether the account escalated the case, so that another person decides it."""
        standing = {made.moderator for made in self.file.decisions if made.undone is None}
        return self.case.status == "escalated" and account in standing

    def offset(self, at: float) -> float | None:
        """Return the position of the moment `at` (UTC seconds) in the clip, in seconds; None if it is not in it."""
        return offset_of(self.clip.timeline, at) if self.clip else None


def case_view(connection: Connection, identity: str) -> PageView:
    """Read the content of the case page. Raises Missing if there is no such case.

    The page of a copy does not show the original, and the page of the original does not show its copies. Otherwise the
    moderator would recognise the check.
    """
    file = reading.case_file(connection, identity)
    case = file.case
    check = quality_checks.check_of(connection, identity)
    kin = quality_checks.family_of(connection, identity, check)
    return PageView(
        file,
        kin,
        tuple(RoomFlag(flag, identity, tokens(flag), mine=True) for flag in without_repeats(file.flags)),
        _around(connection, file, kin),
        _history(connection, case, kin),
        _similar(connection, case, kin),
        leases.lease_of(connection, identity),
        check.kind if check else None,
        quality_checks.golden_verdict(connection, identity),
    )


def _around(connection: Connection, file: CaseFile, kin: Sequence[str]) -> tuple[RoomFlag, ...]:
    """Return the room's other flags.

    Speech that has a flag of the second reader may also be drawn for an audit. Neither page shows the other case, or
    the moderator would recognise the check.
    """
    case, mine = file.case, {flag.utterance for flag in file.flags}
    # The times of a golden copy are moved to the present, so the room's flags move, too.
    said = case.start if case.id == kin[0] else connection.scalar(select(CASES.c.start).where(CASES.c.id == kin[0]))
    later = 0.0 if said is None else case.start - said
    query = (
        select(FLAGS)
        .where(FLAGS.c.room == case.room, FLAGS.c.case_id.not_in(kin), FLAGS.c.case_id.not_in(COPIES), ~FLAGS.c.linked)
        .where(FLAGS.c.utterance.not_in(mine))
        .where(FLAGS.c.start <= case.end - later + AROUND_SECONDS, FLAGS.c.start >= case.start - later - AROUND_SECONDS)
        .order_by(FLAGS.c.start, FLAGS.c.id)
        .limit(50)  # a busy room must not fill the page
    )
    rows = ((reading.flag_of(row), row.case_id) for row in connection.execute(query))
    found = {flag.id: (flag, of) for flag, of in rows}
    shown = [found[flag.id] for flag in without_repeats([flag for flag, _ in found.values()])]
    return tuple(RoomFlag(replace(flag, start=flag.start + later, end=flag.end + later), of) for flag, of in shown)


def without_replaced(flags: Sequence[Flag]) -> list[Flag]:
    """Leave out flags of utterances with a released flag, because that flag has all that they have."""
    released = {flag.utterance for flag in flags if agreed(flag.reasons)}
    return [flag for flag in flags if flag.utterance not in released or flag.source == "reader" or agreed(flag.reasons)]


def without_repeats(flags: Sequence[Flag]) -> list[Flag]:
    """Leave out flags whose words another flag shows. Flags of the second reader are left out first."""
    by_source = sorted(without_replaced(flags), key=lambda flag: flag.source != "reader")
    shown = {flag.utterance: flag.id for flag in by_source}
    return [flag for flag in flags if shown[flag.utterance] == flag.id]


def _history(connection: Connection, case: Case, kin: Sequence[str]) -> tuple[Case, ...]:
    query = (
        select(CASES)
        .where(case_queue.same_voice(case), CASES.c.id.not_in(kin), CASES.c.id.not_in(COPIES))
        .order_by(CASES.c.created_at.desc())
        .limit(HISTORY)
    )
    return tuple(reading.case_of(row) for row in connection.execute(query))


def _similar(connection: Connection, case: Case, kin: Sequence[str]) -> tuple[Case, ...]:
    if not case.text:
        return ()
    query = (
        select(CASES)
        .where(CASES.c.label == case.label, DECIDED, CASES.c.drill == "")  # cases of a drill are no example
        .where(CASES.c.id.not_in(kin), CASES.c.id.not_in(COPIES))
        .order_by(CASES.c.created_at.desc())
        .limit(SEARCHED)
    )
    terms = {hit.term for hit in case.hits}
    # The sort is stable: new cases stay before old ones.
    found = sorted(connection.execute(query), key=lambda other: terms.isdisjoint(hit["term"] for hit in other.hits))
    return tuple(map(reading.case_of, found[:SIMILAR]))
