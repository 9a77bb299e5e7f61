"""Conversations for benchmarks/conversations.py, which training does not read: our own, and those of public sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import msgspec

from benchmarks.judging.cases import SUITES
from pipeline.contract.messages import Transcript
from pipeline.judge.text_transcripts import as_transcript
from pipeline.learning.training_rows import CLEAN, RISK, Part, Row, part_of
from pipeline.speech.languages.writing_systems import tokens_of
from training.classifier import sets
from training.classifier.context import CLAUSE_END
from training.classifier.files import read_csv
from training.classifier.sides import split

RATE: Mapping[str, float] = {"en": 2.5, "zh": 4.5}
"""Words, or Chinese characters, in a second of speech. Texts have no times of their own."""
PAUSE = 0.8
"""Seconds between two turns of a set without times."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What the speakers of one room say, in order."""

    source: str
    language: str
    turns: Sequence[Transcript]
    breaking: frozenset[str]
    """The speakers who break a rule; empty if the conversation is harmless."""
    rated: frozenset[str]
    """The speakers whose words this is about."""

    @property
    def risky(self) -> bool:
        return bool(self.breaking)


Line = tuple[str, float, str]
"""A speaker, the pause before the utterance in seconds, and the words."""


def ours() -> Iterator[Dialogue]:
    """`conversations.yaml`. The project's authors wrote it."""
    suite = msgspec.yaml.decode((SUITES / "conversations.yaml").read_bytes(), type=dict[str, dict[str, str]])
    for language, kinds in suite.items():
        for kind, text in kinds.items():
            for number, block in enumerate(text.strip().split("\n\n")):
                lines = [*map(_line, block.splitlines())]
                breaking = {speaker for speaker, *_ in lines if speaker.isupper()}
                yield _dialogue("ours", language, f"{kind} {number}", lines, breaking)


def cut(data: Path) -> Iterator[Dialogue]:
    """Our own lines of the validation side, cut in two at the clause end nearest to their middle.

    Another speaker says a harmless line between the two parts.
    """
    lines = split([*sets.read(data, ("authored",))])["validation"]
    for language in RATE:
        rows = [row for row in lines if row.language == language]
        harmless = [row.text for row in rows if row.labels is CLEAN]
        for number, row in enumerate(rows):
            if ends := [found.end() for found in CLAUSE_END.finditer(row.text)]:
                at = min(ends, key=lambda end: abs(len(row.text) - 2 * end))
                between = harmless[number % len(harmless)]
                words = (row.text[:at].strip(), between, row.text[at:])
                breaking = {"a"} if row.labels.get(RISK) else set[str]()
                found = _dialogue("cut", language, str(number), _alternating(words, "ab"), breaking)
                yield replace(found, rated=frozenset("a"))


def public(data: Path, side: Part) -> Iterator[Dialogue]:
    """One side of DiaSafety (replies, as our labels have them) and TeleAntiFraud (phone calls)."""
    for number, row in enumerate(sets.read(data, ("diasafety",))):
        if row.room and part_of(row) == side:
            breaking = {"a"} if row.labels.get(RISK) else set[str]()
            lines = _alternating([row.room, row.text], "ba")
            yield replace(_dialogue("diasafety", "en", str(number), lines, breaking), rated=frozenset("a"))
    for name, rows in groupby(read_csv(data / "teleantifraud" / "rows.csv"), key=lambda row: row["dialogue"]):
        call = [*rows]
        if part_of(Row("", "zh", {}, "teleantifraud", group=name)) == side:
            lines = [(row["speaker"], PAUSE, row["text"]) for row in call]
            breaking = {"caller"} if call[0]["call"] == "fraud" else set[str]()
            yield _dialogue("teleantifraud", "zh", name, lines, breaking)


def ordinary(data: Path) -> Iterator[Dialogue]:
    """Ordinary talk between two people, which training does not read: Switchboard, and the test side of KdConv."""
    for name, rows in groupby(read_csv(data / "swda" / "rows.csv"), key=lambda row: row["dialogue"]):
        yield _dialogue("swda", "en", name, [(row["speaker"], PAUSE, row["text"]) for row in rows], set())
    for name, rows in groupby(read_csv(data / "kdconv" / "rows.csv"), key=lambda row: row["dialogue"]):
        if part_of(Row("", "zh", {}, "kdconv", group=name)) == "test":
            yield _dialogue("kdconv", "zh", name, _alternating((row["text"] for row in rows), "ab"), set())


def _line(text: str) -> Line:
    speaker, pause, words = text.split(" ", 2)
    return speaker, float(pause), words


def _alternating(texts: Iterable[str], speakers: str) -> list[Line]:
    return [(speakers[at % 2], PAUSE, text) for at, text in enumerate(texts)]


def _dialogue(source: str, language: str, name: str, lines: Iterable[Line], breaking: set[str]) -> Dialogue:
    turns: list[Transcript] = []
    end = 0.0
    for speaker, pause, text in lines:
        start = end + pause
        end = start + max(0.5, len(tokens_of(text)) / RATE[language])
        place = {"room": f"{source} {language} {name}", "speaker": speaker, "start": start, "end": end}
        turns.append(as_transcript(text, language, id=f"{start:.3f}", **place))
    speakers = frozenset(turn.speaker for turn in turns)
    return Dialogue(source, language, turns, frozenset(breaking), speakers)
