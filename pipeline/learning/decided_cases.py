"""The decided cases of the store as training data: their texts and labels, their weights, and the speech before them.

An example has no audio and no names. The caller opens the connection. Times are UTC seconds.

Flagged speech is decided, and passed speech only where an audit drew it. So an audit stands for many utterances. The
weights of each language add up to its flagged and passed utterances in the tallies, as in the recall of the machine
(`pipeline/review/quality/audits.py`). Without tallies, an audit weighs 1 / its probability, and a flagged case 1.

For the speech before a case, the stored utterances run through the judge's own memory of recent speech. Passed speech
that no audit drew is missing, so a case often has less speech before it than the judge had.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select

from pipeline.contract.messages import Flag
from pipeline.judge.conversations import Conversations, RecentUtterance, SpeechBefore
from pipeline.judge.text_transcripts import transcript_of
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import REPORTED, worst
from pipeline.review.quality import agreement_figures
from pipeline.review.quality.figure import Window, totals
from pipeline.review.quality.quality_checks import FINAL, SECONDS
from pipeline.review.tables.case_tables import CHECKS, COPIES, GOLDEN
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS

RISK = "risk"
"""The label that is 1 if the text has any other label."""
WRONG_LABEL = "wrong_label"
"""The reason for which the speech breaks the rules, but not with the label of the flag."""
WRONG_TEXT = ("misheard", "not_speech")
"""Reasons for which the transcript is wrong. A model can learn nothing from this text."""
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


class Example(Struct, frozen=True, kw_only=True):
    """One text for training. `labels` maps each known label to 0 or 1."""

    text: str
    language: str
    labels: Mapping[str, float]
    group: str
    """The case's id. A split into training and test data must not divide a group."""
    room_type: str
    suggestion: str
    """The suggestion of the policy."""
    policy: str
    reason: str
    opinions: int
    """Number of people who decided."""
    golden: bool
    probability: float | None
    """For passed speech, the probability of being drawn for audit. None: the speech was flagged."""
    decided_at: float


class PlacedExample(Struct, frozen=True):
    """An example, with the room and the speaker of its case. These two never leave the store."""

    example: Example
    room: str
    speaker: str


def examples(connection: Connection, since: float) -> Iterator[Example]:
    """Yield the examples of `placed`, without their rooms and speakers."""
    return (each.example for each in placed(connection, since))


def placed(connection: Connection, since: float) -> Iterator[PlacedExample]:
    """Yield an example for each case that was decided at or after `since` (UTC seconds), in order of case ids.

    Drills are left out, and cases with a wrong transcript or without one (reports and sounds). So are cases on which
    two people disagree without a third opinion. The label of an example is the golden verdict if there is one,
    otherwise the verdict of the appeal, otherwise the verdict of most opinions.
    """
    pairs = {pair.original: pair for pair in agreement_figures.pairs(connection, 0.0, kinds=SECONDS)}
    rows = connection.execute(_query(since), execution_options={"yield_per": 1_000})
    for _, group in itertools.groupby(rows, key=lambda row: row.id):
        decisions = list(group)
        found = _example(decisions, pairs.get(decisions[0].id))
        if found:
            yield PlacedExample(found, decisions[0].room, decisions[0].speaker)


def _query(since: float) -> Select[Any]:
    recent = select(DECISIONS.c.case_id).where(DECISIONS.c.at >= since, DECISIONS.c.undone.is_(None))
    names = ("id", "text", "language", "room_type", "suggestion", "policy", "room", "speaker", "label")
    decided = (DECISIONS.c.verdict, DECISIONS.c.reason, DECISIONS.c.label.label("corrected"), DECISIONS.c.at)
    return (
        select(*(CASES.c[name] for name in names), *decided, CHECKS.c.probability, GOLDEN.c.verdict.label("golden"))
        .join(DECISIONS, DECISIONS.c.case_id == CASES.c.id)
        .outerjoin(CHECKS, CHECKS.c.case_id == CASES.c.id)
        .outerjoin(GOLDEN, GOLDEN.c.case_id == CASES.c.id)
        .where(CASES.c.status == "decided", CASES.c.id.in_(recent), CASES.c.id.not_in(COPIES))
        .where(CASES.c.policy != REPORTED, CASES.c.text != "", CASES.c.source == "words", CASES.c.drill == "")
        .where(DECISIONS.c.undone.is_(None), DECISIONS.c.verdict.in_(FINAL))
        # `groupby` needs the rows of a case together, and `_example` the last decision last.
        .order_by(CASES.c.id, DECISIONS.c.at, DECISIONS.c.id)
    )


def _example(decisions: Sequence[Row[Any]], pair: agreement_figures.Pair | None) -> Example | None:
    last = decisions[-1]
    # A second opinion is a decision on a copy. So a second decision on the case itself comes from an appeal.
    appealed = len(decisions) > 1
    verdict = last.golden or (pair.settled if pair and not appealed else last.verdict)
    if verdict is None or last.reason in WRONG_TEXT:
        return None
    return Example(
        text=last.text,
        language=last.language,
        labels=_labels(verdict, last, next((one.corrected for one in reversed(decisions) if one.corrected), None)),
        group=last.id,
        room_type=last.room_type,
        suggestion=last.suggestion,
        policy=last.policy,
        reason=last.reason,
        opinions=len(decisions) + (0 if pair is None else 1 if pair.third is None else 2),
        golden=last.golden is not None,
        probability=last.probability,
        decided_at=last.at,
    )


def _labels(verdict: str, last: Row[Any], corrected: str | None) -> dict[str, float]:
    flagged = last.label
    if last.reason == WRONG_LABEL and last.verdict == verdict:  # the speech breaks the rules in another way
        known = {flagged: 0.0, corrected or "": 1.0, RISK: 1.0}
        return {name: value for name, value in known.items() if name}
    if verdict == "dismiss":
        return {name: 0.0 for name in (flagged, RISK) if name}
    right = corrected or flagged
    wrong = {flagged: 0.0} if flagged and flagged != right else {}
    return wrong | {name: 1.0 for name in (right, RISK) if name}


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
    rows = connection.execute(_spoken(), execution_options={"yield_per": 1_000})  # not all rows in memory at once
    stored = ((row.case_id, reading.flag_of(row)) for row in rows if row.room in rooms and row.case_id not in without)
    found: dict[str, DecidedUtterance] = {}
    for case, heard in _heard(stored):
        if case in wanted and (case not in found or worst([found[case].flag, heard.flag]) is heard.flag):
            found[case] = heard
    return found


def _spoken() -> Select[tuple[object, ...]]:
    """The stored utterances, room by room in order of time."""
    real = select(CASES.c.id).where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))
    # A linked flag repeats speech that was decided before.
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
    # Without tallies, a group keeps its own sum.
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
