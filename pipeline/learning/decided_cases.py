"""The decided speech of the store: how many utterances each case stands for, and the speech before it.

Flagged speech is decided, and passed speech only where an audit drew it. So an audit stands for many utterances. The
weights of each language add up to its flagged and passed utterances in the tallies, as in the recall of the machine
(`pipeline/review/quality/audits.py`). Without tallies, an audit weighs 1 / its probability, and a flagged case 1.

For the speech before a case, the stored utterances run through the judge's own memory of recent speech. Passed speech
that no audit drew is missing, so a case often has less speech before it than the judge had.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, select

from pipeline.contract.messages import Flag
from pipeline.judge.conversations import Conversations, RecentUtterance, SpeechBefore
from pipeline.judge.text_transcripts import transcript_of
from pipeline.review.cases import reading
from pipeline.review.cases.values import worst
from pipeline.review.quality.exporting import Example, PlacedExample, placed
from pipeline.review.quality.figure import Window, totals
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, FLAGS

NOTHING = SpeechBefore(RecentUtterance("", "", 0.0, 0.0))
"""No speech before an utterance."""
FLAGGED = "flagged"
"""In `RecentUtterance.flagged_by`: some policy flagged it on the day."""
FLAGGING = ("review", "block")
"""Suggestions of flagged speech."""
Group = tuple[str, bool]
"""A language, and whether the speech was flagged."""
Holds = Callable[[str], bool]
"""Whether speech in rooms of this type counts."""


@dataclass(frozen=True, slots=True)
class DecidedUtterance:
    """The utterance that represents a case, and the stored speech before it."""

    flag: Flag
    before: SpeechBefore
    cases: frozenset[str]
    """Ids of the cases that the speech before it belongs to."""

    @property
    def judged(self) -> SpeechBefore:
        """The speech that the judge reads with it: none if the speaker's own words before it have a flag."""
        return NOTHING if self.before.follows_flag(FLAGGED) else self.before


def read_speech_before(
    connection: Connection, cases: Collection[PlacedExample], without: Collection[str] = ()
) -> dict[str, DecidedUtterance]:
    """Return the utterance of each case, by case id. Copies for checks and drills are no speech of a room.

    Speech of the cases `without` (ids) is left out.
    """
    wanted, rooms = {each.example.group for each in cases}, {each.room for each in cases}
    rows = connection.execute(_spoken(), execution_options={"yield_per": 1_000})
    stored = ((row.case_id, reading.flag_of(row)) for row in rows if row.room in rooms and row.case_id not in without)
    found: dict[str, DecidedUtterance] = {}
    for case, heard in _heard(stored):
        if case in wanted and (case not in found or worst([found[case].flag, heard.flag]) is heard.flag):
            found[case] = heard
    return found


def _spoken() -> Select[tuple[object, ...]]:
    """The stored utterances, room by room in order of time."""
    real = select(CASES.c.id).where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))
    query = select(*FLAGS.c).where(FLAGS.c.case_id.in_(real), FLAGS.c.linked.is_(False), FLAGS.c.source == "words")
    return query.order_by(FLAGS.c.room, FLAGS.c.start, FLAGS.c.id)


def _heard(stored: Iterable[tuple[str, Flag]]) -> Iterable[tuple[str, DecidedUtterance]]:
    conversations = Conversations()
    owners: dict[int, tuple[RecentUtterance, str]] = {}
    for case, flag in stored:
        (before,) = conversations.follow([transcript_of(flag)])
        # The object is kept, so that no other one gets its id.
        owners[id(before.said)] = before.said, case
        if flag.suggestion != "pass":
            before.said.flagged_by.add(FLAGGED)
        theirs = frozenset(owners[id(said)][1] for said in (*before.own, *before.others))
        yield case, DecidedUtterance(flag, before, theirs)


def decided_since(connection: Connection, since: float) -> list[PlacedExample]:
    """Return the cases that were decided since a time (UTC seconds). Passed speech counts only if an audit drew it."""
    return [each for each in placed(connection, since) if _drawn(each.example)]


def weights_of(connection: Connection, cases: Sequence[PlacedExample], window: Window, holds: Holds) -> list[float]:
    """Return the number of utterances that each case stands for, at least 1. All `cases` are of rooms that hold."""
    sums: dict[Group, float] = defaultdict(float)
    for each in cases:
        sums[_group(each.example)] += _inverse(each.example)
    spoken = _judged(connection, window, holds)
    factors = {group: spoken.get(group, total) / total for group, total in sums.items()}
    return [max(1.0, _inverse(each.example) * factors[_group(each.example)]) for each in cases]


def _judged(connection: Connection, window: Window, holds: Holds) -> dict[Group, float]:
    """The judged utterances of each group."""
    found: dict[Group, float] = defaultdict(float)
    counted = totals(connection, window, ["judged"], "language", "bucket", "room_type")
    for (language, suggestion, kind), total in counted.items():
        if holds(kind):
            found[language, suggestion in FLAGGING] += total.n
    return found


def _group(example: Example) -> Group:
    return example.language, is_flagged(example)


def is_flagged(example: Example) -> bool:
    """Whether the policy flagged the speech. If not, an audit drew it."""
    return example.suggestion in FLAGGING


def _drawn(example: Example) -> bool:
    return is_flagged(example) or example.probability is not None


def _inverse(example: Example) -> float:
    return 1 / example.probability if example.probability and not is_flagged(example) else 1.0
