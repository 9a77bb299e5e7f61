"""What becomes of an answer: a `SecondReading` if the policy wants a review, and then a flag beside the judge's."""

from uuid import uuid5

from pipeline.contract.messages import NAMESPACE, Flag, SecondReading, origin
from pipeline.judge.labels import Labels, worst_first
from pipeline.judge.moderation_policy import PolicyResolver
from pipeline.judge.reader.chat import ReaderAnswer
from pipeline.judge.verdict import of_reader


def reading_of(
    flag: Flag, answer: ReaderAnswer, policies: PolicyResolver, labels: Labels, model: str
) -> SecondReading | None:
    """Return the second reading of an unsure flag; None if no label reaches its limit."""
    limits = policies.resolved(flag.room_type, flag.language).reader
    reached = {label: score for label, score in answer.scores.items() if score >= limits[label]}
    if not reached:
        return None
    flagged = tuple(worst_first(reached, labels))
    return SecondReading(
        **origin(flag),
        id=str(uuid5(NAMESPACE, f"read\x1f{flag.id}")),  # a flag that is read twice gives one case
        flag=flag.id,
        utterance=flag.utterance,
        transcript=flag.transcript,
        end=flag.end,
        text=flag.text,
        language=flag.language,
        confidence=flag.confidence,
        risk=max(reached.values()),
        labels=answer.scores,
        flagged=flagged,
        reasons=tuple(of_reader(label, reached[label], limits[label], answer.manner) for label in flagged),
        policy=policies.version,
        model=model,
        address=flag.address,
    )


def flag_of(reading: SecondReading) -> Flag:
    """Return the flag of a second reading. It asks for a review: a second reader never blocks."""
    return Flag(
        **origin(reading),
        id=reading.id,
        utterance=reading.utterance,
        transcript=reading.transcript,
        end=reading.end,
        text=reading.text,
        language=reading.language,
        confidence=reading.confidence,
        suggestion="review",
        risk=reading.risk,
        labels=reading.labels,
        flagged=reading.flagged,
        reasons=reading.reasons,
        policy=reading.policy,
        model=reading.model,
        address=reading.address,
        source="reader",
    )
