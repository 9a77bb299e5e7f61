"""Speech that is flagged again after its case was decided, for example because Kafka delivered the audio twice.

A moderator decides about speech, not about the way it was cut into utterances. So a flag of decided speech is linked
to the decided case, and opens no new case.

The rule compares the time of a flag with the times of the flags that moderators saw in decided cases of the same
speaker. It ignores linked flags, because they are stored but no moderator has seen them. The first line that applies
decides:

1. The flag shares at most `repeat` seconds with those flags: it is new speech. This overlap is normal. If an utterance
   is cut at its longest duration, the next utterance repeats its last `repeat` seconds. There is one exception: a flag
   with less than ROUNDING seconds of new speech is linked.
2. At most `repeat` seconds of the flag are new: it is linked, whatever its labels and suggestion. The tolerance is
   needed because a cut can move a little.
3. At least half of the flag is decided speech, its suggestion is not worse, and it has no new label: it is linked. With
   a worse suggestion or a new label it is new speech, because the part that nobody heard may be the reason.
4. Otherwise, it is new speech.

Each function runs in a transaction that the caller opened.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, select, update

from pipeline.contract.messages import Flag
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import SEVERITY
from pipeline.review.tables.core import DECISIONS, FLAGS

ROUNDING = 0.1
"""Seconds. Less new speech than this counts as no new speech."""


def decided_case(connection: Connection, flag: Flag, cases: Collection[str], repeat: float) -> str | None:
    """Return the one of `cases` (ids of decided cases) that `flag` is linked to; None if the flag is new speech."""
    overlaps = _overlaps(connection, flag, cases)
    if not overlaps or not _is_same(connection, flag, overlaps, repeat):
        return None
    # The id decides between equal overlaps, so that a repeated flag gets the same case.
    return max(overlaps, key=lambda case: (shared(flag, overlaps[case]), case))


def judged_before(connection: Connection, flag: Flag) -> str | None:
    """Return the id of a stored flag of the same transcript, by another version of the policy, that is not milder.

    The flags have the same source: the second reader adds to what the judge said.

    Kafka delivers a transcript again after a crash, and another version may be live by then, of the policy or of
    Voxwarden. The new flag has another id, but it tells nobody anything new.
    """
    # By one version, only a released flag follows another flag of its words.
    other = FLAGS.c.policy != flag.policy if flag.released else FLAGS.c.id != flag.id
    query = select(FLAGS.c.id, FLAGS.c.suggestion).where(*_same_speech(flag), other).order_by(FLAGS.c.id)
    return next(
        (row.id for row in connection.execute(query) if SEVERITY[row.suggestion] >= SEVERITY[flag.suggestion]), None
    )


def released(connection: Connection, flag: Flag) -> bool:
    """Tell whether a flag of the same words is stored that released a label of this one."""
    worse = (FLAGS.c.policy == flag.policy, FLAGS.c.id != flag.id, FLAGS.c.suggestion != "pass")
    return connection.execute(select(FLAGS.c.id).where(*_same_speech(flag), *worse).limit(1)).first() is not None


def shared(flag: Flag, others: Collection[Flag]) -> float:
    """Return the seconds of `flag` that lie in at least one of the `others`."""
    seconds, reached = 0.0, flag.start
    # Sweep by time, so that a second in two of the others counts once.
    for other in sorted(others, key=lambda one: one.start):
        end = min(other.end, flag.end)
        seconds += max(0.0, end - max(other.start, reached))
        reached = max(reached, end)
    return seconds


def unlink_flags(connection: Connection, case: str) -> None:
    """Turn the linked flags of a case into its normal flags, so that the next moderator sees them."""
    connection.execute(update(FLAGS).where(FLAGS.c.case_id == case, FLAGS.c.linked).values(linked=False))


def _same_speech(flag: Flag) -> tuple[ColumnElement[bool], ...]:
    return (
        FLAGS.c.room == flag.room,
        FLAGS.c.start == flag.start,
        FLAGS.c.transcript == flag.transcript,
        FLAGS.c.source == flag.source,
    )


def _is_same(connection: Connection, flag: Flag, overlaps: dict[str, list[Flag]], repeat: float) -> bool:
    known = [one for flags in overlaps.values() for one in flags]
    old = shared(flag, known)
    new = flag.end - flag.start - old
    if old <= repeat:
        return new < ROUNDING
    return new <= repeat or (new <= old and not _brings_more(flag, known, _corrected(connection, overlaps)))


def _brings_more(flag: Flag, known: Sequence[Flag], corrected: set[str]) -> bool:
    """Tell whether the flag's suggestion is worse than all suggestions of `known`, or one of its labels is new."""
    labels = corrected.union(*(one.flagged for one in known))
    worse = SEVERITY[flag.suggestion] > max(SEVERITY[one.suggestion] for one in known)
    return worse or not labels.issuperset(flag.flagged)


def _overlaps(connection: Connection, flag: Flag, cases: Collection[str]) -> dict[str, list[Flag]]:
    """Return, by case id, the flags that overlap `flag` and were in the case when it was decided."""
    return {case: found for case in cases if (found := _overlapping(connection, flag, case))}


def _overlapping(connection: Connection, flag: Flag, case: str) -> list[Flag]:
    return [one for one in reading.flags(connection, case) if one.start <= flag.end and one.end >= flag.start]


def _corrected(connection: Connection, cases: Collection[str]) -> set[str]:
    """Return the labels that moderators gave in these cases."""
    query = select(DECISIONS.c.label).where(DECISIONS.c.case_id.in_(cases), DECISIONS.c.undone.is_(None))
    return {label for label in connection.scalars(query) if label}
