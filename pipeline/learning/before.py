"""The speech before each decided case, as far as the store has it.

The stored utterances run through the judge's own memory of recent speech. The store keeps flagged speech and audits.
Passed speech that no audit drew is missing, so a case often has less speech before it than the judge had.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Select, select

from pipeline.contract.messages import Flag
from pipeline.judge.conversations import Before, Conversations, Said
from pipeline.judge.texts import transcript_of
from pipeline.review.cases import reading
from pipeline.review.cases.values import worst
from pipeline.review.quality.exporting import PlacedExample
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, FLAGS

NOTHING = Before(Said("", "", 0.0, 0.0))
"""No speech before an utterance."""
FLAGGED = "flagged"
"""In `Said.flagged_by`: some policy flagged it on the day."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The utterance that represents a case, and the stored speech before it."""

    flag: Flag
    before: Before
    cases: frozenset[str]
    """Ids of the cases that the speech before it belongs to."""

    @property
    def judged(self) -> Before:
        """The speech that the judge reads with it: none if the speaker's own words before it have a flag."""
        return NOTHING if self.before.follows_flag(FLAGGED) else self.before


def read(connection: Connection, cases: Collection[PlacedExample], without: Collection[str] = ()) -> dict[str, Heard]:
    """Return the utterance of each case, by case id. Copies for checks and drills are no speech of a room.

    Speech of the cases `without` (ids) is left out.
    """
    wanted, rooms = {each.example.group for each in cases}, {each.room for each in cases}
    rows = connection.execute(_spoken(), execution_options={"yield_per": 1_000})
    stored = ((row.case_id, reading.flag_of(row)) for row in rows if row.room in rooms and row.case_id not in without)
    found: dict[str, Heard] = {}
    for case, heard in _heard(stored):
        if case in wanted and (case not in found or worst([found[case].flag, heard.flag]) is heard.flag):
            found[case] = heard
    return found


def _spoken() -> Select[tuple[object, ...]]:
    """The stored utterances, room by room in order of time."""
    real = select(CASES.c.id).where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))
    query = select(*FLAGS.c).where(FLAGS.c.case_id.in_(real), FLAGS.c.linked.is_(False), FLAGS.c.source == "words")
    return query.order_by(FLAGS.c.room, FLAGS.c.start, FLAGS.c.id)


def _heard(stored: Iterable[tuple[str, Flag]]) -> Iterable[tuple[str, Heard]]:
    conversations = Conversations()
    owners: dict[int, tuple[Said, str]] = {}
    for case, flag in stored:
        (before,) = conversations.follow([transcript_of(flag)])
        owners[id(before.said)] = before.said, case
        if flag.suggestion != "pass":
            before.said.flagged_by.add(FLAGGED)
        theirs = frozenset(owners[id(said)][1] for said in (*before.own, *before.others))
        yield case, Heard(flag, before, theirs)
