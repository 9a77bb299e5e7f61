"""Exports decisions as training data: texts and the labels that people gave. It contains no audio and no names.

The caller opens the connection. Times are UTC seconds.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select

from pipeline.review.cases.values import REPORTED
from pipeline.review.quality import agreement_figures
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.tables.case_tables import CHECKS, COPIES, GOLDEN
from pipeline.review.tables.core import CASES, DECISIONS

RISK = "risk"
"""The label that is 1 if the text has any other label."""
WRONG_LABEL = "wrong_label"
"""The reason for which the speech breaks the rules, but not with the label of the flag."""
WRONG_TEXT = ("misheard", "not_speech")
"""Reasons for which the transcript is wrong. A model can learn nothing from such a text."""


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

    Four kinds of cases are left out: cases on which two people disagree without a third opinion, cases with a wrong
    transcript, cases without a transcript (of reports and of sounds), and drills. The label of an example is the golden
    verdict if there is one, otherwise the verdict of the appeal, otherwise the verdict of most opinions.
    """
    pairs = {pair.original: pair for pair in agreement_figures.pairs(connection, 0.0)}
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
        .order_by(CASES.c.id, DECISIONS.c.at, DECISIONS.c.id)
    )


def _example(decisions: Sequence[Row[Any]], pair: agreement_figures.Pair | None) -> Example | None:
    last = decisions[-1]
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
