"""Checks recordings for the labels that speech of AI must have: rhythm or spoken notice, and metadata.

A spoken notice has a word for AI and a word for generated (GB 45438-2025, 5.3 b). The words are in `language.yaml` of
each language. The words of all languages apply to every transcript, because speakers mix languages. A conversation
about AI has the same words, so a person has to read what was found.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from operator import itemgetter
from pathlib import Path
from typing import Literal

from pipeline.base.errors import AudioError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE, Transcript
from pipeline.sound.labelling.implicit_label import ImplicitLabel, labels_in
from pipeline.sound.labelling.rhythm import RhythmDetector
from pipeline.speech import languages
from pipeline.speech.audio.decode import read_file
from pipeline.speech.languages import NoticeWords
from pipeline.speech.languages.writing_systems import tokens_of

BETWEEN = 8
"""Most tokens between the word for AI and the word for generated: characters in Chinese, words in English."""
BEFORE = 4
"""Tokens before the two words in which a denial counts."""

Span = tuple[int, int]
"""First token, and the one after the last."""
EDGE_SECONDS = 10.0
"""A mark this near to the start or the end of the recording is at its start or end, else in the middle."""
Position = Literal["start", "middle", "end"]
LabellingVerdict = Literal["complete", "incomplete", "none", "unknown"]
Heard = Iterator[tuple[Path, Transcript | VoxwardenError]]
"""Transcripts and errors of recordings. The results of one recording come in sequence."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An utterance with the spoken notice. It has the times of the transcript, in seconds."""

    start: float
    end: float
    text: str
    language: str


class NoticeFinder:
    """Finds the notice with the words of every language that has some."""

    def __init__(self) -> None:
        """Raises ConfigError if a `language.yaml` has a mistake."""
        self._words = [
            words for code in languages.known() if (words := languages.read_language(code).ai_notice).intelligence
        ]

    def find(self, transcript: Transcript) -> Notice | None:
        tokens = _tokens(transcript.text)
        if any(_is_notice(tokens, words) for words in self._words):
            return Notice(transcript.start, transcript.end, transcript.text, transcript.language)
        return None


def _is_notice(tokens: Sequence[str], words: NoticeWords) -> bool:
    intelligence, generated = _spans(tokens, words.intelligence), _spans(tokens, words.generated)
    denied = {start for start, _ in _spans(tokens, words.denied)}
    for one, other in product(intelligence, generated):
        (_, end), (start, _) = sorted((one, other))  # either word may come first
        first, last = min(one[0], other[0]), max(one[1], other[1])
        if 0 <= start - end <= BETWEEN and not denied & set(range(first - BEFORE, last)):
            return True
    return False


def _spans(tokens: Sequence[str], phrases: Iterable[str]) -> list[Span]:
    return [span for phrase in phrases for span in _found(tokens, _tokens(phrase))]


def _tokens(text: str) -> list[str]:
    return [token[0].casefold() for token in tokens_of(text.replace("’", "'"))]


def _found(tokens: Sequence[str], phrase: Sequence[str]) -> Iterator[Span]:
    for start in range(len(tokens) - len(phrase) + 1):
        if tokens[start : start + len(phrase)] == phrase:
            yield start, start + len(phrase)


@dataclass(frozen=True, slots=True)
class ExplicitLabel:
    """An explicit label that was heard, in seconds of the recording."""

    kind: Literal["rhythm", "notice"]
    start: float
    end: float
    text: str = ""
    """The spoken words of a notice; empty for a rhythm."""
    language: str = ""

    def position(self, seconds: float) -> Position:
        """Where it is in a recording of so many seconds."""
        before, after = self.start, seconds - self.end
        if min(before, after) > EDGE_SECONDS:
            return "middle"
        return "start" if before <= after else "end"


@dataclass(slots=True)
class Labelling:
    """The labels of one recording."""

    file: str
    transcribed: bool
    """Whether a spoken notice was looked for."""
    seconds: float = 0.0
    marks: list[ExplicitLabel] = field(default_factory=list)
    """By time."""
    metadata: list[ImplicitLabel] = field(default_factory=list)
    error: str | None = None
    """Why the recording, or the rest of it, could not be read."""

    @property
    def explicit(self) -> bool | None:
        """Whether it has an explicit label. None: unknown, because not all of it was heard."""
        return True if self.marks else (False if self.transcribed and not self.error else None)

    @property
    def implicit(self) -> bool:
        """Whether its metadata has a valid label."""
        return any(label.state == "valid" for label in self.metadata)

    @property
    def verdict(self) -> LabellingVerdict:
        """Whether it has both labels. `unknown`: it may have an explicit label that was not looked for."""
        if self.explicit and self.implicit:
            return "complete"
        if self.explicit is None:
            return "unknown"
        return "incomplete" if self.explicit or self.metadata else "none"


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """Yields the labelling of each recording, in order."""

    paths: Sequence[Path]
    names: Mapping[Path, str] = field(default_factory=dict)
    """Display names of files that are copies, e.g. of standard input."""
    heard: Heard | None = None
    """What is said in the recordings, in the same order. None: spoken notices are not looked for."""
    advance: Callable[[float], None] = lambda _: None
    """Receives how many more seconds were searched for the rhythm."""

    def __iter__(self) -> Iterator[Labelling]:
        finder = NoticeFinder()
        groups = groupby(self.heard or (), key=itemgetter(0))
        group = None
        for path in self.paths:
            found = Labelling(self.names.get(path, str(path)), transcribed=self.heard is not None)
            self._listen(path, found)
            # A recording without any result has no group. Then the group of a later recording waits.
            group = group or next(groups, None)
            if group and group[0] == path:
                _read(found, finder, group[1])
                group = None
            found.marks.sort(key=lambda mark: mark.start)
            yield found

    def _listen(self, path: Path, found: Labelling) -> None:
        detector = RhythmDetector()
        try:
            found.metadata = labels_in(path, found.file)
            for block in read_file(path, name=found.file):
                found.seconds += block.size / SAMPLE_RATE
                found.marks += (ExplicitLabel("rhythm", each.start, each.end) for each in detector.push(block))
                self.advance(block.size / SAMPLE_RATE)
        except AudioError as error:
            found.error = str(error)
        # Also after damage: what was decoded counts.
        found.marks += (ExplicitLabel("rhythm", each.start, each.end) for each in detector.finish())


def _read(found: Labelling, finder: NoticeFinder, heard: Heard) -> None:
    for _, result in heard:
        if isinstance(result, VoxwardenError):
            found.error = found.error or str(result)  # the first error
        elif notice := finder.find(result):
            found.marks.append(ExplicitLabel("notice", notice.start, notice.end, notice.text, notice.language))
